// Two alerts on the app's log, and a workbook.
targetScope = 'resourceGroup'

@description('Name of the app.')
@minLength(3)
@maxLength(16)
param appName string

@description('Region of the resources.')
param location string

@description('Tags of the resources.')
param tags object

@description('Resource id of the Application Insights component with the log.')
param insightsId string

@description('Email address for alerts; empty for none.')
@maxLength(254)
param alertEmail string

var alerts = [
  {
    name: 'failed-decisions'
    displayName: 'Model Trigger: a registration needs attention'
    description: 'A start was refused or given up, an event was rejected, or a release was started twice. The status page and the workbook show which and why.'
    query: loadTextContent('failed-decisions.kql')
    threshold: 0
  }
  {
    name: 'reconcile-failures'
    displayName: 'Model Trigger: reconcile is failing'
    description: 'reconcile has failed more than once. Registrations whose event was lost must wait until it succeeds.'
    query: loadTextContent('reconcile-failures.kql')
    threshold: 1
  }
]

module actionGroup 'action-group.bicep' = {
  name: 'action-group-${uniqueString(insightsId)}'
  params: {
    name: 'ag-${appName}'
    alertEmail: alertEmail
    tags: tags
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in alerts: {
    name: '${appName}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: alert.displayName
      description: alert.description
      severity: 2
      enabled: true
      scopes: [insightsId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: [actionGroup.outputs.id] }
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // Azure requires a GUID.
  name: guid(insightsId, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Model Trigger'
    category: 'workbook'
    sourceId: insightsId
    serializedData: loadTextContent('workbook.json')
  }
}
