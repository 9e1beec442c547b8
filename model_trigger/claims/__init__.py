"""Exactly once: one claim per rule and version, and the protocol that completes it."""
