"""Why and why not: the answer to each registration, its history, and who is notified."""
