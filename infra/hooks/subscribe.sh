#!/bin/sh
# Subscribe the deployed app to every workspace in WORKSPACE_IDS (comma-separated). Safe to repeat.
# azd exports the outputs of stage 1; the README shows how to export them without azd.
set -eu
cd "$(dirname "$0")/../.."

: "${WORKSPACE_IDS:?is not set: set it to the resource ids of the workspaces, separated by commas}"
: "${functionAppId:?is not set: export the outputs of infra/main.bicep first}"

deploy() {
  az deployment group create --output none \
    --subscription "$subscription" --resource-group "$group" \
    --name "model-trigger-$WORKSPACE_NAME" --parameters infra/subscribe.bicepparam
}

for workspace in $(printf '%s' "$WORKSPACE_IDS" | tr ',' ' '); do
  subscription=$(printf '%s' "$workspace" | cut -d / -f 3)
  group=$(printf '%s' "$workspace" | cut -d / -f 5)
  WORKSPACE_NAME=$(printf '%s' "$workspace" | cut -d / -f 9)
  : "${WORKSPACE_NAME:?"$workspace is not the resource id of a workspace"}"
  az provider register --subscription "$subscription" --namespace Microsoft.EventGrid --wait
  topics=$(az eventgrid system-topic list --subscription "$subscription" --query "[].[source, id]" --output tsv)
  # Azure is not consistent about the case of resource ids.
  SYSTEM_TOPIC_ID=$(printf '%s\n' "$topics" |
    awk -v workspace="$workspace" 'tolower($1) == tolower(workspace) { print $2; exit }')
  export WORKSPACE_NAME SYSTEM_TOPIC_ID

  # A new function or role assignment takes a while to propagate through Azure.
  attempt=1
  until deploy; do
    if [ "$attempt" -eq 5 ]; then
      echo "Could not subscribe $WORKSPACE_NAME. Fix the cause, then run: sh infra/hooks/subscribe.sh" >&2
      exit 1
    fi
    echo "Attempt $attempt of 5 to subscribe $WORKSPACE_NAME failed; retrying in a minute." >&2
    attempt=$((attempt + 1))
    sleep 60
  done
  echo "Subscribed: $WORKSPACE_NAME"
done
