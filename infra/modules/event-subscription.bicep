// The event subscription of one workspace, with alerts for failed deliveries.
// Deployed to the resource group of the system topic.
targetScope = 'resourceGroup'

@description('Name of the workspace\'s system topic.')
@minLength(3)
@maxLength(50)
param topicName string

@description('Name of the event subscription.')
@minLength(3)
@maxLength(64)
param name string

@description('Resource id of the function.')
@minLength(1)
param functionId string

@description('Name of the only model to deliver; empty for all.')
@maxLength(255)
param modelName string

@description('Number of delivery attempts before an event is dead-lettered.')
@minValue(1)
@maxValue(30)
param maxDeliveryAttempts int

@description('Minutes before an event is dead-lettered.')
@minValue(1)
@maxValue(1440)
param eventTimeToLiveInMinutes int

@description('Resource id of the storage account for dead letters.')
@minLength(1)
param storageAccountId string

@description('Name of the container for dead letters.')
@minLength(3)
@maxLength(63)
param deadLetterContainer string

@description('Resource id of the Log Analytics workspace that receives delivery failures.')
@minLength(1)
param logAnalyticsWorkspaceId string

@description('Email address for alerts; empty for none.')
@maxLength(254)
param alertEmail string

@description('Tags of the resources.')
param tags object

var alerts = [
  {
    name: 'dead-lettered'
    metric: 'DeadLetteredCount'
    threshold: 0
    description: 'A registration could not be delivered and was dead-lettered. reconcile will pick it up; the blob contains the reason.'
  }
  {
    name: 'dropped'
    metric: 'DroppedEventCount'
    threshold: 0
    description: 'A registration was dropped: neither the app nor the dead-letter container accepted it. reconcile will pick it up.'
  }
  {
    // A failing event is tried about seven times in its first hour, and a cold start costs one attempt.
    name: 'delivery-failures'
    metric: 'DeliveryAttemptFailCount'
    threshold: 7
    description: 'Deliveries of more than one registration have failed for up to an hour.'
  }
]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource eventSubscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: functionId
        // One event per delivery: one failure in a batch would repeat the whole batch.
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    // Event Grid converts its own schema to CloudEvents but not the reverse, so this schema always works:
    // https://learn.microsoft.com/azure/event-grid/event-schema
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: ['Microsoft.MachineLearningServices.ModelRegistered']
      // The subject is models/<name>:<version>; without the colon, churn would also match churn-test.
      subjectBeginsWith: empty(modelName) ? '' : 'models/${modelName}:'
      isSubjectCaseSensitive: !empty(modelName)
    }
    retryPolicy: {
      maxDeliveryAttempts: maxDeliveryAttempts
      eventTimeToLiveInMinutes: eventTimeToLiveInMinutes
    }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: storageAccountId
          blobContainerName: deadLetterContainer
        }
      }
    }
  }
}

resource deliveryFailures 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: topic
  properties: {
    workspaceId: logAnalyticsWorkspaceId
    logs: [{ category: 'DeliveryFailures', enabled: true }]
  }
}

module actionGroup 'action-group.bicep' = {
  name: 'action-group-${uniqueString(eventSubscription.id)}'
  params: {
    name: '${topicName}-${name}'
    alertEmail: alertEmail
    tags: tags
  }
}

resource metricAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in alerts: {
    name: '${topicName}-${name}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: 2
      enabled: true
      scopes: [topic.id]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT1H'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: alert.name
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: alert.metric
            dimensions: [{ name: 'EventSubscriptionName', operator: 'Include', values: [name] }]
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: alert.threshold
          }
        ]
      }
      autoMitigate: true
      actions: [{ actionGroupId: actionGroup.outputs.id }]
    }
  }
]

@description('Resource id of the event subscription.')
output id string = eventSubscription.id
