"""Values that match: versions, ranges, globs and conditions; nothing here knows of rules."""
