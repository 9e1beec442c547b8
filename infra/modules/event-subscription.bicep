// The event subscription of one workspace, and what tells a person that events do not arrive.
// Deployed where the system topic is.
targetScope = 'resourceGroup'

@description('System topic of the workspace.')
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

@description('Only registrations of this model; empty for all.')
@maxLength(255)
param modelName string

@description('Delivery attempts before an event becomes a dead letter.')
@minValue(1)
@maxValue(30)
param maxDeliveryAttempts int

@description('Minutes before an event becomes a dead letter.')
@minValue(1)
@maxValue(1440)
param eventTimeToLiveInMinutes int

@description('Resource id of the storage account that keeps dead letters.')
@minLength(1)
param storageAccountId string

@description('Container that keeps dead letters.')
@minLength(3)
@maxLength(63)
param deadLetterContainer string

@description('Resource id of the Log Analytics workspace that gets delivery failures.')
@minLength(1)
param logAnalyticsWorkspaceId string

@description('E-mail address that alerts are sent to; empty for nobody.')
@maxLength(254)
param alertEmail string

@description('Tags of the resources.')
param tags object

var alerts = [
  {
    name: 'dead-lettered'
    metric: 'DeadLetteredCount'
    threshold: 0
    description: 'A registration could not be delivered and became a dead letter. reconcile picks it up; read the blob to see why.'
  }
  {
    name: 'dropped'
    metric: 'DroppedEventCount'
    threshold: 0
    description: 'A registration was dropped: neither the app nor the dead-letter container took it. reconcile picks it up.'
  }
  {
    // One event that fails is tried about seven times in its first hour, and a cold start costs one attempt.
    name: 'delivery-failures'
    metric: 'DeliveryAttemptFailCount'
    threshold: 7
    description: 'More than one registration has failed to be delivered for up to an hour.'
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
        // One event per delivery: of a batch, one failure would repeat all.
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    }
    // Event Grid turns its own schema into CloudEvents but not the other way round, so this one always works:
    // https://learn.microsoft.com/azure/event-grid/event-schema
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: ['Microsoft.MachineLearningServices.ModelRegistered']
      // The subject is models/<name>:<version>; without the colon, churn would let churn-test in.
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
