"""The status and explain pages over HTTP: JSON for machines, HTML for people."""
