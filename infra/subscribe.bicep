// Stage 2, after the code is published: subscribes one workspace. Deploy it to the resource group of the
// workspace, which may belong to another team and subscription, as often as you like.
// Who deploys it needs rights in two places: the README lists them.
targetScope = 'resourceGroup'

@description('Azure Machine Learning workspace, in the resource group that this is deployed to.')
@minLength(3)
@maxLength(33)
param workspaceName string

@description('Resource id of the function app: output functionAppId of main.bicep.')
@minLength(1)
param functionAppId string

@description('Object id of the managed identity of the app: output identityPrincipalId of main.bicep.')
@minLength(36)
@maxLength(36)
param identityPrincipalId string

@description('Resource id of the storage account that keeps dead letters: output storageAccountId of main.bicep.')
@minLength(1)
param storageAccountId string

@description('Container for dead letters: output deadLetterContainer of main.bicep.')
@minLength(3)
@maxLength(63)
param deadLetterContainer string = 'dead-letters'

@description('Resource id of the Log Analytics workspace that gets delivery failures: output logAnalyticsWorkspaceId of main.bicep.')
@minLength(1)
param logAnalyticsWorkspaceId string

@description('Resource id of the system topic of the workspace, where there is one: Azure allows only one per workspace. It keeps its tags and identities and gets a system-assigned identity.')
param systemTopicId string = ''

@description('Only registrations of this model, written exactly; empty for all. The rules of the app choose among what arrives, so this merely saves deliveries.')
@maxLength(255)
param modelName string = ''

@description('Name of the event subscription: letters, digits and hyphens.')
@minLength(3)
@maxLength(64)
param subscriptionName string = 'model-trigger-${uniqueString(functionAppId)}'

@description('How often Event Grid tries to deliver an event before it becomes a dead letter.')
@minValue(1)
@maxValue(30)
param maxDeliveryAttempts int = 30

@description('How long Event Grid tries to deliver an event, in minutes.')
@minValue(1)
@maxValue(1440)
param eventTimeToLiveInMinutes int = 1440

@description('E-mail address that alerts are sent to. Without one they only show in the portal.')
@maxLength(254)
param alertEmail string = ''

@description('Tags of all resources.')
param tags object = {}

var topicExists = !empty(systemTopicId)
var newTopicName = 'evgt-${replace(workspaceName, '_', '-')}-${take(uniqueString(workspace.id), 5)}'
var topicParts = split(topicExists ? systemTopicId : resourceId('Microsoft.EventGrid/systemTopics', newTopicName), '/')
var storageParts = split(storageAccountId, '/')

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-09-01' existing = {
  name: workspaceName
}

resource topicAsItIs 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (topicExists) {
  name: last(topicParts)
  scope: resourceGroup(topicParts[2], topicParts[4])
}

module topic 'modules/system-topic.bicep' = {
  name: 'topic-${uniqueString(workspace.id)}'
  scope: resourceGroup(topicParts[2], topicParts[4])
  params: {
    name: last(topicParts)
    // Azure refuses a topic whose source or region changes, even in case only.
    source: topicExists ? (topicAsItIs.?properties.source ?? workspace.id) : workspace.id
    location: topicExists ? (topicAsItIs.?location ?? workspace.location) : workspace.location
    tags: union(topicExists ? (topicAsItIs.?tags ?? {}) : {}, tags)
    userAssignedIdentities: topicExists ? (topicAsItIs.?identity.?userAssignedIdentities ?? {}) : {}
  }
}

module deadLetterRole 'modules/dead-letter-role.bicep' = {
  name: 'dead-letter-role-${uniqueString(workspace.id, subscriptionName)}'
  scope: resourceGroup(storageParts[2], storageParts[4])
  params: {
    storageAccountName: last(storageParts)
    container: deadLetterContainer
    principalId: topic.outputs.principalId
  }
}

module eventSubscription 'modules/event-subscription.bicep' = {
  name: 'subscription-${uniqueString(workspace.id, subscriptionName)}'
  scope: resourceGroup(topicParts[2], topicParts[4])
  params: {
    topicName: last(topicParts)
    name: subscriptionName
    functionId: '${functionAppId}/functions/on_model_registered'
    modelName: modelName
    maxDeliveryAttempts: maxDeliveryAttempts
    eventTimeToLiveInMinutes: eventTimeToLiveInMinutes
    storageAccountId: storageAccountId
    deadLetterContainer: deadLetterContainer
    logAnalyticsWorkspaceId: logAnalyticsWorkspaceId
    alertEmail: alertEmail
    tags: tags
  }
  dependsOn: [deadLetterRole]
}

// The built-in roles that may read models may do much more.
resource modelReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'model-trigger-model-reader')
  properties: {
    // Unique in the whole tenant, as Azure demands.
    roleName: 'Model Trigger model reader ${uniqueString(resourceGroup().id)}'
    description: 'Reads the models that are registered in an Azure Machine Learning workspace.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.MachineLearningServices/workspaces/read'
          'Microsoft.MachineLearningServices/workspaces/models/read'
          'Microsoft.MachineLearningServices/workspaces/models/versions/read'
        ]
        notActions: []
      }
    ]
  }
}

resource modelReaderAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, identityPrincipalId, modelReader.name)
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', modelReader.name)
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the system topic.')
output systemTopicId string = topic.outputs.id

@description('Resource id of the event subscription.')
output eventSubscriptionId string = eventSubscription.outputs.id
