// Parameters of stage 1. Values come from the environment, so that azd (azd env set NAME value),
// a shell (export NAME=value) and a pipeline can share this file; you can also write values here.
// If a variable without a default is not set, the deployment stops with an error that names it.
using 'main.bicep'

// Which registrations start which release. Check the file before deploying it:
//   python -m model_trigger check infra/rules.json
param rules = loadJsonContent('rules.json')

// Resource ids of the workspaces, separated by commas. Print an id with
//   az ml workspace show --resource-group GROUP --name NAME --query id --output tsv
param workspaces = split(readEnvironmentVariable('WORKSPACE_IDS'), ',')

// https://dev.azure.com/contoso
param azureDevOpsOrgUrl = readEnvironmentVariable('AZURE_DEVOPS_ORG_URL')

// Project of rules that do not name one.
param azureDevOpsProject = readEnvironmentVariable('AZURE_DEVOPS_PROJECT', '')

// observe shows what would start without starting anything. This applies to the first deployment only;
// later, change the app setting MODE.
param mode = readEnvironmentVariable('MODE', 'live')

// Recipient of alerts.
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')

// false discards the filters changed in the running app (RULES__*) and its current mode.
param keepSettings = bool(readEnvironmentVariable('KEEP_SETTINGS', 'true'))

// All other parameters have sensible defaults. The ones most often changed:
//   param alwaysReadyInstances = 1          no cold start
//   param subnetId = '/subscriptions/...'   Azure DevOps Server in a private network
//   param keyVaultId = '/subscriptions/...' a personal access token instead of the managed identity
