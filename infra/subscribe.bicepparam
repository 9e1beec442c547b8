// Parameters of stage 2, for one workspace. infra/hooks/subscribe.sh sets these variables;
// without it, export them as shown in the README. The lower-case ones are outputs of stage 1.
using 'subscribe.bicep'

param workspaceName = readEnvironmentVariable('WORKSPACE_NAME')

// The workspace's existing system topic, if any.
param systemTopicId = readEnvironmentVariable('SYSTEM_TOPIC_ID', '')

param functionAppId = readEnvironmentVariable('functionAppId')
param identityPrincipalId = readEnvironmentVariable('identityPrincipalId')
param storageAccountId = readEnvironmentVariable('storageAccountId')
param deadLetterContainer = readEnvironmentVariable('deadLetterContainer')
param logAnalyticsWorkspaceId = readEnvironmentVariable('logAnalyticsWorkspaceId')

// Recipient of alerts.
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')

// To receive registrations of one model only:
//   param modelName = 'churn'
