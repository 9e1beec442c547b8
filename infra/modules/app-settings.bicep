// Write all app settings. Azure replaces them as a whole, so the settings that users change in the
// running app, RULES__* and MODE, must be read first and written back. All others come from the template.
// This is a separate module because a file cannot both read and write the same settings. Its parameters
// are secure, to keep their values out of the deployment history.
targetScope = 'resourceGroup'

@description('Name of the function app.')
@minLength(2)
@maxLength(60)
param functionAppName string

@description('App settings from the template.')
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
