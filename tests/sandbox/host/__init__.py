"""Serve a function app on loopback as the Functions host does, through the worker library."""
