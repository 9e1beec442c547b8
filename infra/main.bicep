// Stage 1: the function app and everything it runs on, without keys or secrets.
// Publish the code next, then subscribe each workspace with subscribe.bicep: Event Grid accepts
// a function as a destination only once the function exists.
targetScope = 'resourceGroup'

// Required and common parameters

@description('Rules by name, as described in the README. Written to the app setting RULES without the key "$schema", which only editors need.')
param rules object

@description('Resource ids of the Azure Machine Learning workspaces whose registrations are accepted and reconciled. Subscribe each one with subscribe.bicep.')
@minLength(1)
param workspaces string[]

@description('Azure DevOps organization, such as https://dev.azure.com/contoso. Rules may name another.')
@minLength(10)
@maxLength(256)
param azureDevOpsOrgUrl string

@description('Azure DevOps project of rules that do not name one.')
@maxLength(64)
param azureDevOpsProject string = ''

@description('Mode of the app on its first deployment. Later deployments keep the app setting MODE as it is.')
@allowed(['live', 'observe', 'off'])
param mode string = 'live'

@description('Email address for alerts. Without one, alerts appear only in the portal.')
@maxLength(254)
param alertEmail string = ''

// Hosting

@description('Short name used in the resource names: letters, digits and hyphens.')
@minLength(3)
@maxLength(16)
param appName string = 'model-trigger'

@description('Region of all resources. It must offer Flex Consumption: see az functionapp list-flexconsumption-locations.')
param location string = resourceGroup().location

@description('Tags of all resources.')
param tags object = {}

@description('Memory of an instance in MB. More memory comes with more CPU.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Maximum number of instances.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Number of instances that are always running: no cold start, but billed around the clock.')
@minValue(0)
@maxValue(40)
param alwaysReadyInstances int = 0

@description('Resource id of a subnet for outgoing traffic, delegated to Microsoft.App/environments. Needed for an Azure DevOps Server in a private network.')
param subnetId string = ''

@description('Retention of logs in days.')
@minValue(30)
@maxValue(730)
param logRetentionInDays int = 30

// Optional features

@description('Resource id of a Key Vault (with Azure RBAC) that holds an Azure DevOps personal access token. Without it, the app signs in as its managed identity, which is recommended.')
param keyVaultId string = ''

@description('Name of the Key Vault secret with the personal access token. Used only with keyVaultId.')
@minLength(1)
@maxLength(127)
param keyVaultSecretName string = 'azure-devops-pat'

@description('Endpoint of an Event Grid topic that receives an event per decision, such as https://releases.westeurope-1.eventgrid.azure.net/api/events. The app\'s identity needs the role EventGrid Data Sender on the topic.')
@maxLength(512)
param outcomeTopicEndpoint string = ''

@description('JSON file in the package with rules that do not fit in one app setting. The parameter rules overrides it.')
@maxLength(256)
param rulesFile string = ''

@description('Whether to keep the app settings RULES__* and MODE of the running app. false removes every RULES__* and sets MODE to the parameter mode.')
param keepSettings bool = true

// Timing, with the defaults of the app; see the README

@description('Prefix of the ledger tables, <prefix>releases and <prefix>decisions: letters and digits, starting with a letter.')
@minLength(1)
@maxLength(54)
param ledgerPrefix string = 'modeltrigger'

@description('Schedule of reconcile: NCRONTAB with seconds, in UTC.')
@minLength(11)
@maxLength(64)
param reconcileSchedule string = '0 */5 * * * *'

@description('How far back reconcile looks for registrations whose event never arrived. ISO 8601 duration.')
@minLength(3)
@maxLength(32)
param reconcileLookback string = 'P1D'

@description('How long decisions are kept; claims and marks never expire. ISO 8601 duration.')
@minLength(3)
@maxLength(32)
param decisionRetention string = 'P90D'

@description('How long a start may take before its outcome counts as unknown, at least PT4S. ISO 8601 duration.')
@minLength(3)
@maxLength(32)
param claimLease string = 'PT2M'

@description('How long a list in Azure DevOps may lag behind a start. ISO 8601 duration.')
@minLength(3)
@maxLength(32)
param listLag string = 'PT2M'

@description('Pause before a refused start is first retried; later pauses are longer. ISO 8601 duration.')
@minLength(3)
@maxLength(32)
param retryPause string = 'PT5M'

@description('How long a refused start is retried before the app gives up. ISO 8601 duration.')
@minLength(3)
@maxLength(32)
param retryFor string = 'P1D'

@description('Number of deliveries, timers and pages that an instance handles at once. Most of them are waiting: up to 5 s for the start of another version, up to 25 s for Azure DevOps.')
@minValue(4)
@maxValue(256)
param workerThreads int = 32

var token = uniqueString(resourceGroup().id, appName)
var eventFunction = 'on_model_registered'

// Azure evaluates a scope even if the condition is false, so this must always name a resource group.
var keyVaultIdParts = split(empty(keyVaultId) ? resourceGroup().id : keyVaultId, '/')
var keyVaultName = last(keyVaultIdParts)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${appName}'
  location: location
  tags: tags
}

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'st${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    // Event Grid writes dead letters as a trusted service; the bypass keeps working if the default becomes Deny.
    networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow' }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: { enabled: true, days: 7 }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource packages 'containers' = {
      name: 'app-package'
      properties: { publicAccess: 'None' }
    }

    resource deadLetters 'containers' = {
      name: 'dead-letters'
      properties: { publicAccess: 'None' }
    }
  }

  resource tables 'tableServices' = {
    name: 'default'

    resource ledger 'tables' = [
      for name in ['releases', 'decisions']: {
        name: '${ledgerPrefix}${name}'
      }
    ]
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${appName}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionInDays
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${appName}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    DisableLocalAuth: true
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles-${token}'
  params: {
    principalId: identity.properties.principalId
    storageAccountName: storage.name
    insightsName: insights.name
  }
}

module keyVaultRole 'modules/key-vault-role.bicep' = if (!empty(keyVaultId)) {
  name: 'key-vault-role-${token}'
  scope: resourceGroup(keyVaultIdParts[2], keyVaultIdParts[4])
  params: {
    principalId: identity.properties.principalId
    keyVaultName: keyVaultName
    secretName: keyVaultSecretName
  }
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${appName}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-${appName}-${take(token, 6)}'
  location: location
  // azd finds the app of its service by this tag.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Event Grid delivers to public endpoints only, and authenticates with the system key of its extension.
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${storage::blobs::packages.name}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0
          ? []
          : [{ name: 'function:${eventFunction}', instanceCount: alwaysReadyInstances }]
      }
    }
  }
  // The app needs its roles to read its storage when it first starts.
  dependsOn: [roles]

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

module settings 'modules/app-settings.bicep' = {
  name: 'app-settings-${token}'
  params: {
    functionAppName: app.name
    // Listed once the app exists, so that the first deployment finds empty settings rather than no app.
    live: keepSettings ? list('${app.id}/config/appsettings', '2024-11-01').properties : {}
    settings: union(
      {
        AzureWebJobsStorage__accountName: storage.name
        AzureWebJobsStorage__credential: 'managedidentity'
        AzureWebJobsStorage__clientId: identity.properties.clientId
        // Not a secret: local authentication is disabled, so the string only identifies the endpoint.
        APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
        // If unset, the host uses 1000 (DefaultWorkerProcessFactory in https://github.com/Azure/azure-functions-host).
        PYTHON_THREADPOOL_THREAD_COUNT: string(workerThreads)
        AZURE_CLIENT_ID: identity.properties.clientId
        AZURE_DEVOPS_ORG_URL: azureDevOpsOrgUrl
        RULES: string(toObject(filter(items(rules), rule => rule.key != '$schema'), rule => rule.key, rule => rule.value))
        WORKSPACES: string(workspaces)
        MODE: mode
        LEDGER_PREFIX: ledgerPrefix
        RECONCILE_SCHEDULE: reconcileSchedule
        RECONCILE_LOOKBACK: reconcileLookback
        DECISION_RETENTION: decisionRetention
        CLAIM_LEASE: claimLease
        LIST_LAG: listLag
        RETRY_PAUSE: retryPause
        RETRY_FOR: retryFor
      },
      empty(azureDevOpsProject) ? {} : { AZURE_DEVOPS_PROJECT: azureDevOpsProject },
      empty(rulesFile) ? {} : { RULES_FILE: rulesFile },
      empty(outcomeTopicEndpoint) ? {} : { OUTCOME_TOPIC_ENDPOINT: outcomeTopicEndpoint },
      empty(keyVaultId)
        ? {}
        : { AZURE_DEVOPS_PAT: '@Microsoft.KeyVault(VaultName=${keyVaultName};SecretName=${keyVaultSecretName})' }
    )
  }
  dependsOn: [keyVaultRole]
}

resource appLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: app
  properties: {
    workspaceId: logs.id
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
  }
}

module watch 'modules/watch.bicep' = {
  name: 'watch-${token}'
  params: {
    appName: appName
    location: location
    tags: tags
    insightsId: insights.id
    alertEmail: alertEmail
  }
}

// The publishing host of <app>.azurewebsites.net is <app>.scm.azurewebsites.net; the first label may also contain a hash.
var host = app.properties.defaultHostName
var publishHost = '${substring(host, 0, indexOf(host, '.'))}.scm${substring(host, indexOf(host, '.'))}'

@description('Name of the function app.')
output functionAppName string = app.name

@description('Resource id of the function app, for subscribe.bicep.')
output functionAppId string = app.id

@description('URL that accepts the package as it is, without a remote build.')
output publishUrl string = 'https://${publishHost}/api/publish?RemoteBuild=false'

@description('URL of the status page, which requires a function key.')
output statusUrl string = 'https://${host}/api/status'

@description('Name of the managed identity to add to Azure DevOps.')
output identityName string = identity.name

@description('Object id of the managed identity, for subscribe.bicep.')
output identityPrincipalId string = identity.properties.principalId

@description('Resource id of the storage account, for subscribe.bicep.')
output storageAccountId string = storage.id

@description('Container for dead letters, for subscribe.bicep.')
output deadLetterContainer string = storage::blobs::deadLetters.name

@description('Resource id of the Log Analytics workspace, for subscribe.bicep.')
output logAnalyticsWorkspaceId string = logs.id
