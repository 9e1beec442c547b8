// Allow a system topic to write dead letters. Deployed to the resource group of the storage account.
targetScope = 'resourceGroup'

@description('Name of the storage account for dead letters.')
@minLength(3)
@maxLength(24)
param storageAccountName string

@description('Name of the container for dead letters.')
@minLength(3)
@maxLength(63)
param container string

@description('Object id of the system topic\'s identity.')
@minLength(36)
@maxLength(36)
param principalId string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: container
    }
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage::blobs::deadLetters.id, principalId, storageBlobDataContributor)
  scope: storage::blobs::deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
