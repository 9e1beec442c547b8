"""Rules in a file, for commands that are run as users run them."""

import json

import pytest


@pytest.fixture(name="file")
def _file(tmp_path):
    """Give a function that writes rules to a file and gives its path."""

    def write(rules):
        path = tmp_path / "rules.json"
        path.write_text(rules if isinstance(rules, str) else json.dumps(rules), encoding="utf-8")
        return str(path)

    return write
