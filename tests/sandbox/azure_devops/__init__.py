"""A stand-in for Azure DevOps on one loopback port, good enough for the unmodified client."""
