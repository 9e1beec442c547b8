// What you decide for stage 1. Values come from the environment, so that azd (azd env set NAME value),
// a shell (export NAME=value) and a pipeline use the same file; write a value in place if you prefer.
// A variable without a default stops the deployment before it starts, and the message names it.
using 'main.bicep'

// Which registrations start which release. Check the file before you deploy it:
//   python -m model_trigger check infra/rules.json
param rules = loadJsonContent('rules.json')

// One or more workspaces, separated by commas; print the id with
//   az ml workspace show --resource-group GROUP --name NAME --query id --output tsv
param workspaces = split(readEnvironmentVariable('WORKSPACE_IDS'), ',')

// https://dev.azure.com/contoso
param azureDevOpsOrgUrl = readEnvironmentVariable('AZURE_DEVOPS_ORG_URL')

// Project of the rules that name none.
param azureDevOpsProject = readEnvironmentVariable('AZURE_DEVOPS_PROJECT', '')

// observe shows what would start without starting anything. This counts for the first deployment only;
// later, change the app setting MODE.
param mode = readEnvironmentVariable('MODE', 'live')

// Who gets the alerts.
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')

// false forgets the filters that were changed in the running app (RULES__*) and the mode it is in.
param keepSettings = bool(readEnvironmentVariable('KEEP_SETTINGS', 'true'))

// All other parameters have defaults that fit. The ones that are changed most:
//   param alwaysReadyInstances = 1          no cold start
//   param subnetId = '/subscriptions/...'   Azure DevOps Server in a private network
//   param keyVaultId = '/subscriptions/...' a personal access token instead of the managed identity
