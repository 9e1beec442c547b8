"""The commands, as a user runs them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKSPACE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/prod"
)
CHURN = {"model": "churn*", "version": ">=10", "release": {"definition": 1, "project": "ml"}}
FRAUD = {"model": "fraud", "tags": {"stage": "prod"}, "pipeline": {"id": "deploy-fraud"}}
BROKEN = {"model": "lead", "version": 10, "start": "newset", "release": {"definition": 1}}
RULES = {"churn": CHURN, "fraud": FRAUD}


def start(command, **environment):
    """Run Python with this command in the project's folder, with these settings and no others."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.upper().startswith("RULES")
    }
    return subprocess.run(  # noqa: S603 - the project's own module
        [sys.executable, *command],
        cwd=ROOT,
        env=inherited | {"PYTHONIOENCODING": "utf-8"} | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def run(*arguments, **environment):
    """Run a command of the app, and return its exit code, output and errors."""
    done = start(["-m", "model_trigger", *arguments], **environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(name="file")
def _file(tmp_path):
    """Return a function that writes rules to a file and returns its path."""

    def write(rules):
        path = tmp_path / "rules.json"
        path.write_text(rules if isinstance(rules, str) else json.dumps(rules), encoding="utf-8")
        return str(path)

    return write


def test_check_prints_what_each_valid_rule_does(file):
    expected = """\
churn: churn*, versions >=10, newer → release 1 in ml
fraud: fraud, any version, tags.stage prod, newer → pipeline "deploy-fraud"

2 rules: 2 valid, 0 broken
"""

    assert (0, expected, "") == run("check", file(RULES))


def test_check_prints_every_problem_of_every_rule_and_fails(file):
    code, output, errors = run("check", file(RULES | {"lead": BROKEN, "Price": CHURN}))
    rules, problems, result = output.split("\n\n")
    title, *reported = problems.splitlines()

    assert (1, "", "3 problems:") == (code, errors, title)
    assert ["churn", "fraud"] == [line.partition(":")[0] for line in rules.splitlines()]
    assert ["  lead.version", "  lead.start", "  Price"] == [
        line.partition(":")[0] for line in reported
    ]
    assert "4 rules: 2 valid, 2 broken\n" == result


def test_check_warns_about_probable_mistakes_without_failing(file):
    code, output, _ = run("check", file({"churn": CHURN | {"version": "<0"}}))

    assert 0 == code
    assert "\n\n1 warning:\n  churn.version: `<0` matches no version: " in output


def test_check_reports_when_there_is_nothing_to_check():
    expected = "no rules, so that nothing will start: set RULES or RULES_FILE, or name a file\n"

    assert (0, expected, "") == run("check")


def test_check_reads_rules_from_the_environment_and_applies_single_settings():
    code, output, _ = run("check", RULES=json.dumps(RULES), RULES__churn__version=">=20")

    assert 0 == code
    assert "churn: churn*, versions >=20, newer → release 1 in ml" in output


def test_a_problem_in_a_single_setting_names_the_setting():
    code, output, _ = run("check", RULES=json.dumps(RULES), RULES__churn__version="^1.4")

    assert 1 == code
    assert '\n  RULES__churn__version: "^1.4" is not right: ' in output


def test_a_file_is_checked_without_the_rules_of_the_environment(file):
    settings = {"RULES": "{", "RULES__lead__model": "lead"}
    code, output, _ = run("check", file(RULES), **settings)

    assert 0 == code
    assert output.endswith("2 rules: 2 valid, 0 broken\n")


def test_the_file_in_rules_file_is_checked_with_the_settings_applied(file):
    _, output, _ = run("check", RULES_FILE=file(RULES), RULES__fraud__mode="off")

    assert "newer → release 1 in ml" in output
    assert '→ pipeline "deploy-fraud" (mode off)' in output


def test_check_as_json_has_rules_problems_and_warnings(file):
    rules = {"churn": CHURN | {"version": "<0"}, "lead": BROKEN}
    code, output, _ = run("check", file(rules), "--json")
    found = json.loads(output)

    assert (1, False) == (code, found["valid"])
    assert {"churn": "churn*, versions <0, newer → release 1 in ml"} == found["rules"]
    assert ["lead.version", "lead.start"] == [one["path"] for one in found["problems"]]
    assert ["churn.version"] == [one["path"] for one in found["warnings"]]
    assert [{"path", "value", "message"}] * 3 == [
        set(one) for one in found["problems"] + found["warnings"]
    ]


def test_json_is_the_same_in_every_encoding(file):
    rules = {"churn": CHURN | {"release": {"definition": "Größe \U0001f600"}}}
    file, command = file(rules), ("check", "--json")

    _, output, _ = run(*command, file)
    assert (0, output, "") == run(*command, file, PYTHONIOENCODING="ascii")
    assert {"churn": 'churn*, versions >=10, newer → release "Größe \U0001f600"'} == json.loads(
        output
    )["rules"]


def test_valid_rules_are_valid_as_json(file):
    code, output, _ = run("check", "--json", file(RULES))
    found = json.loads(output)

    assert (0, True, [], []) == (code, found["valid"], found["problems"], found["warnings"])


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


def test_invalid_rules_as_a_whole_are_a_problem_in_json(file):
    code, output, errors = run("check", "--json", file("{"))
    found = json.loads(output)

    assert (1, "") == (code, errors)
    assert (False, {}, []) == (found["valid"], found["rules"], found["warnings"])
    assert [True] == ["rules.json is not JSON" in one["message"] for one in found["problems"]]


def test_explain_shows_what_each_rule_would_do_and_why(file):
    code, output, errors = run(
        *("explain", "--rules", file(RULES), "--model", "fraud", "--version", "3"),
        *("--tag", "stage=prod", "--tag", "a=b=c", "--property", "auc=0.9"),
    )

    assert (0, "") == (code, errors)
    assert output.startswith('fraud 3 would start pipeline "deploy-fraud" (rule fraud).\n\n')
    assert "\n  ok  tags.stage  prod      prod\n" in output


def test_explain_as_json_names_the_closest_rule(file):
    code, output, _ = run(
        *("explain", "--rules", file(RULES), "--model", "fraud", "--version", "3", "--json"),
        *("--workspace", WORKSPACE, "--tag", "stage=a=b", "--property", "auc="),
    )
    found = json.loads(output)

    assert (0, "fraud") == (code, found["closest"])
    assert {
        "workspace": WORKSPACE,
        "model": "fraud",
        "version": "3",
        "tags": {"stage": "a=b"},
        "properties": {"auc": ""},
    } == found["registration"]
    assert ["churn", "fraud"] == [decision["rule"] for decision in found["decisions"]]
    assert ["not_matched"] * 2 == [decision["outcome"] for decision in found["decisions"]]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param({}, "would start", id="as-written"),
        pytest.param({"RULES__churn__version": ">=20"}, "would start nothing", id="one-changed"),
        pytest.param({"rules__CHURN__VERSION": ">=20"}, "would start nothing", id="in-any-case"),
    ],
)
def test_explain_shows_what_one_changed_setting_would_do(setting, expected):
    describe = ("explain", "--model", "churn", "--version", "17")
    _, output, _ = run(*describe, RULES=json.dumps(RULES), **setting)

    assert output.startswith(f"churn 17 {expected}")


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        pytest.param([], "arguments are required: COMMAND", id="no-command"),
        pytest.param(["chekc"], "invalid choice: 'chekc'", id="unknown-command"),
        pytest.param(["explain", "--version", "1"], "are required: --model", id="no-model"),
        pytest.param(["explain", "--model", "m"], "are required: --version", id="no-version"),
        pytest.param(
            ["explain", "--model", "", "--version", "1"], "--model: it is empty", id="empty-model"
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


def test_a_console_that_cannot_show_a_character_is_not_an_error(file):
    code, output, errors = run("check", file(RULES), PYTHONIOENCODING="ascii")

    assert (0, "") == (code, errors)
    assert "newer \\u2192 release 1 in ml" in output


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


def test_a_file_with_a_byte_order_mark_is_read(file):
    code, output, _ = run("check", file("\ufeff" + json.dumps(RULES)))

    assert (0, True) == (code, output.endswith("2 rules: 2 valid, 0 broken\n"))
