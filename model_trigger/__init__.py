"""Model Trigger: start the Azure DevOps release that deploys a model when it is registered."""
