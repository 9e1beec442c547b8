"""Azure DevOps as a service that starts releases and runs (azure-devops)."""
