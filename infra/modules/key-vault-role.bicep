// Allow the app to read the secret with its personal access token. Deployed to the resource group of the vault.
targetScope = 'resourceGroup'

@description('Object id of the app\'s managed identity.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Name of the Key Vault, which uses Azure RBAC.')
@minLength(3)
@maxLength(24)
param keyVaultName string

@description('Name of the secret.')
@minLength(1)
@maxLength(127)
param secretName string

var keyVaultSecretsUser = '4633458b-17de-408a-874b-0445c86b69e6'

resource keyVault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName

  resource secret 'secrets' existing = {
    name: secretName
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(keyVault::secret.id, principalId, keyVaultSecretsUser)
  scope: keyVault::secret
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
