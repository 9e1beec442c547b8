"""What can be started: one module per kind of target, one folder per service that starts it."""
