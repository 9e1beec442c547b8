"""What was registered, and the two ways it becomes known: pushed by Event Grid, pulled by a list."""
