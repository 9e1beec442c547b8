"""What was registered, and how it becomes known: Event Grid pushes it, a list is pulled."""
