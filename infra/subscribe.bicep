// Stage 2, after the code is published: subscribe one workspace. Deploy to the resource group of the
// workspace, which may belong to another team or subscription. Safe to repeat.
// This requires permissions in two places, listed in the README.
targetScope = 'resourceGroup'

@description('Name of the Azure Machine Learning workspace, in the resource group of this deployment.')
@minLength(3)
@maxLength(33)
param workspaceName string

@description('Resource id of the function app: output functionAppId of main.bicep.')
@minLength(1)
param functionAppId string

@description('Object id of the app\'s managed identity: output identityPrincipalId of main.bicep.')
@minLength(36)
@maxLength(36)
param identityPrincipalId string

@description('Resource id of the storage account for dead letters: output storageAccountId of main.bicep.')
@minLength(1)
param storageAccountId string

@description('Container for dead letters: output deadLetterContainer of main.bicep.')
@minLength(3)
@maxLength(63)
param deadLetterContainer string = 'dead-letters'

@description('Resource id of the Log Analytics workspace that receives delivery failures: output logAnalyticsWorkspaceId of main.bicep.')
@minLength(1)
param logAnalyticsWorkspaceId string

@description('Resource id of the workspace\'s existing system topic, if any: Azure allows only one per workspace. It keeps its tags and identities, and gets a system-assigned identity.')
param systemTopicId string = ''

@description('Exact name of the only model to deliver; empty for all. The app\'s rules filter what arrives, so this only saves deliveries.')
@maxLength(255)
param modelName string = ''

@description('Name of the event subscription: letters, digits and hyphens.')
@minLength(3)
@maxLength(64)
param subscriptionName string = 'model-trigger-${uniqueString(functionAppId)}'

@description('Number of delivery attempts before Event Grid dead-letters an event.')
@minValue(1)
@maxValue(30)
param maxDeliveryAttempts int = 30

@description('Minutes during which Event Grid tries to deliver an event.')
@minValue(1)
@maxValue(1440)
param eventTimeToLiveInMinutes int = 1440

@description('Email address for alerts. Without one, alerts appear only in the portal.')
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
    // Azure refuses to change the source or region of a topic, even if only the case differs.
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

// The built-in roles that can read models can do much more.
resource modelReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'model-trigger-model-reader')
  properties: {
    // Azure requires a name that is unique in the tenant.
    roleName: 'Model Trigger model reader ${uniqueString(resourceGroup().id)}'
    description: 'Read the models registered in an Azure Machine Learning workspace.'
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
