"""Exactly once: a claim per rule and version, and the protocol that leads it to its end."""
