"""A stand-in for Azure ML on one loopback port, good enough for the unmodified client."""
