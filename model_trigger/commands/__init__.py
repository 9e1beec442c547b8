"""The commands of `python -m model_trigger`."""
