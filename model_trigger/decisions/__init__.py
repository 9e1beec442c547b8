"""Why and why not: the decision on each registration, its history, and who is notified."""
