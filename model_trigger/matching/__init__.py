"""Values that match: versions, ranges of versions, globs and conditions; nothing here knows of rules."""
