"""The commands, as a user runs them."""

import json
import re
import subprocess
import sys

import pytest

from tests.sandbox.processes import ROOT
from tests.support.commands import RULES, run, start


@pytest.mark.parametrize(
    ("command", "environment", "reported"),
    [
        pytest.param(["check"], {"RULES": "{"}, "RULES is not JSON", id="check-rules"),
        pytest.param(["check", "none.json"], {}, "none.json cannot be read: ", id="check-no-file"),
        pytest.param(["check", "infra"], {}, "infra cannot be read: ", id="check-a-folder"),
        pytest.param(
            ["explain", "--model", "m", "--version", "1"],
            {"RULES_FILE": "none.json"},
            "RULES_FILE 'none.json' cannot be read",
            id="explain-no-file",
        ),
        pytest.param(
            ["explain", "--model", "m", "--version", "1", "--rules", "README"],
            {},
            "README cannot be read",
            id="explain-no-rules",
        ),
    ],
)
def test_invalid_rules_as_a_whole_are_an_error(command, environment, reported):
    code, output, errors = run(*command, **environment)

    assert (1, "") == (code, output)
    assert errors.startswith(f"error: {reported}")
    assert 1 == errors.count("\n")


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        pytest.param([], "arguments are required: COMMAND", id="no-command"),
        pytest.param(["chekc"], "invalid choice: 'chekc'", id="unknown-command"),
        pytest.param(["explain", "--version", "1"], "are required: --model", id="no-model"),
        pytest.param(["explain", "--model", "m"], "are required: --version", id="no-version"),
        pytest.param(
            ["explain", "--model", "", "--version", "1"],
            "--model: must not be empty",
            id="empty-model",
        ),
        pytest.param(
            ["explain", "--model", "m", "--version", "1", "--tag", "stage"],
            "argument --tag: 'stage' is not KEY=VALUE, such as stage=prod",
            id="tag-without-value",
        ),
        pytest.param(
            ["explain", "--model", "m", "--version", "1", "--workspace", "prod"],
            'argument --workspace: "prod" is not the resource id of a workspace; expected /sub',
            id="workspace-by-name",
        ),
        pytest.param(["check", "--js"], "unrecognized arguments: --js", id="no-abbreviation"),
    ],
)
def test_a_usage_error_shows_the_correct_usage(command, reported):
    code, output, errors = run(*command)

    assert (2, "") == (code, output)
    assert errors.startswith("usage: python -m model_trigger ")
    assert reported in errors


def test_the_help_shows_every_command():
    code, output, _ = run("--help")
    commands = [line.split()[0] for line in output.splitlines() if line.startswith("    ")]

    assert 0 == code
    assert {"check", "explain", "schema"} <= set(commands)


def test_the_examples_of_the_help_work_as_they_are_printed():
    _, output, _ = run("--help")
    script = output.partition("examples:")[2].replace("python -m", f"'{sys.executable}' -m")
    done = subprocess.run(  # noqa: S603 - the project's own examples
        ["/bin/sh", "-ec", script], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert ["2 rules: 2 valid, 0 broken"] == re.findall("^.* valid,.*$", done.stdout, re.MULTILINE)
    assert ["start release 1", "start nothing"] == re.findall(
        r"^churn 17 would (start \w+(?: \d)?)", done.stdout, re.MULTILINE
    )


@pytest.mark.parametrize("command", ["check", "explain", "schema"])
def test_the_help_of_a_command_fits_in_80_columns(command):
    code, output, _ = run(command, "--help", COLUMNS="80")

    assert 0 == code
    assert max(map(len, output.splitlines())) <= 80


def test_schema_prints_the_shipped_schema():
    shipped = (ROOT / "infra" / "rules.schema.json").read_text(encoding="utf-8")

    assert (0, shipped, "") == run("schema")


LOADED = """
import runpy, sys
try:
    runpy.run_module("model_trigger", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
loaded = {name.partition(".")[0] for name in sys.modules}
print("loaded:", loaded & {"azure", "msrest", "requests", "jinja2"})
"""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["check", "infra/rules.json"], id="check"),
        pytest.param(["explain", "--model", "churn", "--version", "17"], id="explain"),
        pytest.param(["schema"], id="schema"),
    ],
)
def test_a_command_loads_no_azure_sdk(command):
    done = start(["-c", LOADED, *command], RULES=json.dumps(RULES))

    assert "loaded: set()" == done.stdout.splitlines()[-1], done.stderr
