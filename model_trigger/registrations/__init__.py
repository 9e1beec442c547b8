"""What was registered, and the two ways it becomes known: Event Grid pushes it, a listing pulls it."""
