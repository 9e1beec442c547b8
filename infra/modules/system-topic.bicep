// The system topic of a workspace, with the identity that writes dead letters. Deployed to the topic's resource group.
targetScope = 'resourceGroup'

@description('Name of the system topic.')
@minLength(3)
@maxLength(50)
param name string

@description('Resource id of the workspace.')
@minLength(1)
param source string

@description('Region of the workspace.')
param location string

@description('Tags of the topic.')
param tags object

@description('Existing user-assigned identities of the topic.')
param userAssignedIdentities object

// System-assigned, because a user-assigned identity cannot write through a storage firewall:
// https://learn.microsoft.com/azure/event-grid/managed-service-identity
resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: empty(userAssignedIdentities)
    ? { type: 'SystemAssigned' }
    : {
        type: 'SystemAssigned, UserAssigned'
        userAssignedIdentities: toObject(items(userAssignedIdentities), identity => identity.key, identity => {})
      }
  properties: {
    source: source
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

@description('Resource id of the topic.')
output id string = topic.id

@description('Object id of the topic\'s system-assigned identity.')
output principalId string = topic.identity.principalId
