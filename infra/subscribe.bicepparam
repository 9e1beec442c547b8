// What you decide for stage 2, once per workspace. infra/hooks/subscribe.sh sets these variables;
// without it, export them as the README shows. The lower-case ones are the outputs of stage 1.
using 'subscribe.bicep'

param workspaceName = readEnvironmentVariable('WORKSPACE_NAME')

// The topic that the workspace already has; leave it out when there is none.
param systemTopicId = readEnvironmentVariable('SYSTEM_TOPIC_ID', '')

param functionAppId = readEnvironmentVariable('functionAppId')
param identityPrincipalId = readEnvironmentVariable('identityPrincipalId')
param storageAccountId = readEnvironmentVariable('storageAccountId')
param deadLetterContainer = readEnvironmentVariable('deadLetterContainer')
param logAnalyticsWorkspaceId = readEnvironmentVariable('logAnalyticsWorkspaceId')

// Who gets the alerts.
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')

// To be sent the registrations of one model only:
//   param modelName = 'churn'
