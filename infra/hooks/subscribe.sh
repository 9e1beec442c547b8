#!/bin/sh
# Subscribes every workspace in WORKSPACE_IDS (separated by commas) to the deployed app. Safe to repeat.
# azd hands over the outputs of stage 1; the README shows how to export them without azd.
set -eu
cd "$(dirname "$0")/../.."

: "${WORKSPACE_IDS:?is not set: give the resource ids of the workspaces, separated by commas}"
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
  # Azure spells resource ids in more than one case.
  SYSTEM_TOPIC_ID=$(printf '%s\n' "$topics" |
    awk -v workspace="$workspace" 'tolower($1) == tolower(workspace) { print $2; exit }')
  export WORKSPACE_NAME SYSTEM_TOPIC_ID

  # A function that was just published, and a role that was just given, are not known everywhere at once.
  attempt=1
  until deploy; do
    if [ "$attempt" -eq 5 ]; then
      echo "$WORKSPACE_NAME is not subscribed. Once the cause is gone: sh infra/hooks/subscribe.sh" >&2
      exit 1
    fi
    echo "Attempt $attempt of 5 to subscribe $WORKSPACE_NAME failed; the next follows in a minute." >&2
    attempt=$((attempt + 1))
    sleep 60
  done
  echo "Subscribed: $WORKSPACE_NAME"
done
