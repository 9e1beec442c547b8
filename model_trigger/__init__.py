"""Model Trigger: start the Azure DevOps release that deploys a model when it is registered.

The app learns of a registration in two ways: Event Grid pushes an event
(`registrations.event_grid`), and reconcile pulls the list of models (`registrations.azure_ml`).
Either way, the `rules` evaluate it. For each rule that matches, the app claims the version in the
`ledger`, so that it starts the `target` exactly once (`claims`), and records a decision
(`decisions`). `reconcile`, which runs every five minutes, finishes what remains open. `pages` and
`commands` are the user interface.

    registrations   what was registered: Event Grid events and Azure ML lists
    matching        versions, ranges, globs and conditions, as values
    targets         what can be started: one module per kind, one folder per service
    rules           which registrations start which target
    decisions       why a target was started, and why not
    claims          exactly once
    ledger          claims, notes and decisions in Azure Table Storage
    reconcile       open claims, and registrations without an event
    pages           status and explain over HTTP
    commands        python -m model_trigger

`handlers` has one function per trigger; `services` builds every adapter from the `settings`.
"""
