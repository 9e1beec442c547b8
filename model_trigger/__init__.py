"""Model Trigger: start the Azure DevOps release that deploys a model when it is registered.

A registration reaches the app twice: Event Grid pushes an event (`registrations.event_grid`), and
reconcile pulls the list of models (`registrations.azure_ml`). Either way the valid `rules` evaluate
it, and each rule that wants it makes a `decision`: it claims the version in the `ledger`, so that
only one process starts the `target`, and only once (`claims`). What could not be finished is
finished by `reconcile`, which runs every five minutes. `pages` and `commands` answer people.

    registrations   what was registered, and how it becomes known
    matching        versions, ranges, globs and conditions, as values
    targets         what can be started: one module per kind, one folder per service
    rules           which registrations start which target
    decisions       why and why not
    claims          exactly once
    ledger          claims, notes and decisions in Azure Table Storage
    reconcile       what no event has finished, or announced
    pages           status and explain over HTTP
    commands        python -m model_trigger

`handlers` has a function for each trigger, `services` builds every adapter from the `settings`.
"""
