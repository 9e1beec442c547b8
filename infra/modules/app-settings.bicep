// Writes all app settings. Azure replaces them as a whole, so what people change in the running app
// has to be read first and written back: RULES__* and MODE. All others are as the template says.
// A module of its own, because a file cannot read and write the same settings; its parameters are
// secure, so that no value stands in the deployment history.
targetScope = 'resourceGroup'

@description('The function app.')
@minLength(2)
@maxLength(60)
param functionAppName string

@description('App settings that the template owns.')
@secure()
param settings object

@description('App settings of the running app; empty to keep none.')
@secure()
param live object

var kept = filter(items(live), setting => startsWith(toUpper(setting.key), 'RULES__') || toUpper(setting.key) == 'MODE')

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, toObject(kept, setting => setting.key, setting => setting.value))
}
