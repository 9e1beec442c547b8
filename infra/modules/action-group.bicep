// The recipients of alerts.
targetScope = 'resourceGroup'

@description('Name of the action group.')
@minLength(1)
@maxLength(260)
param name string

@description('Email address for alerts; empty for none.')
@maxLength(254)
param alertEmail string

@description('Tags of the resource.')
param tags object

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'ModelTrigger'
    enabled: true
    emailReceivers: empty(alertEmail)
      ? []
      : [{ name: 'e-mail', emailAddress: alertEmail, useCommonAlertSchema: true }]
  }
}

@description('Resource id of the action group.')
output id string = group.id
