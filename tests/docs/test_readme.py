"""The README is accurate: its rules are valid, its commands run, its output is real."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from model_trigger.decisions.decision import Outcome
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.settings import Settings
from tests.sandbox.processes import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def rules_blocks():
    return [read for read in map(json.loads, blocks("json")) if "IsEncrypted" not in read]


@pytest.mark.parametrize("rules", rules_blocks())
def test_every_rule_in_it_is_valid(rules):
    book = RuleBook.read({name: RuleSource(rule) for name, rule in rules.items()})

    assert () == book.problems
    assert rules


def test_the_local_settings_in_it_hold_a_valid_rule():
    (settings,) = [each for each in map(json.loads, blocks("json")) if "IsEncrypted" in each]
    rules = json.loads(settings["Values"]["RULES"])

    assert () == RuleBook.read({name: RuleSource(rule) for name, rule in rules.items()}).problems
    assert settings["Values"].keys() <= setting_names()


def setting_names():
    names = {
        str(field.validation_alias or name.upper()) for name, field in Settings.model_fields.items()
    }
    return names | {"RULES", "RULES_FILE", "RECONCILE_SCHEDULE"}


def test_every_setting_is_in_its_table_and_no_other():
    section = README.partition("\n## App settings\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Za-z_]+|__[a-zA-Z]+)`", "".join(first_cells(section))))
    storage = "AzureWebJobsStorage"
    named = {f"{storage}{name}" if name.startswith("__") else name for name in named}

    # Azure sets it if the app has a managed identity.
    assert setting_names() - {"IDENTITY_ENDPOINT"} == named


def first_cells(section):
    return [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]


def test_every_outcome_is_in_its_table_and_no_other():
    section = README.partition("\n## Where is its release?\n")[2].partition("\n## ")[0]

    assert set(Outcome) == {cell.strip(" `") for cell in first_cells(section)}


def test_the_demo_prints_what_it_shows():
    (shown,) = [block for block in blocks("text") if "Event Grid gets" in block]
    command = [sys.executable, "-m", "tests.sandbox.demo"]
    printed = subprocess.check_output(command, cwd=ROOT, text=True)  # noqa: S603 (our own)

    assert settled(printed) == settled(shown)


def settled(output):
    """Remove what differs from run to run: ports and times."""
    without_ports = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", output)
    without_times = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "then", without_ports)
    return " ".join(without_times.split())


def rule_commands():
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    found = (line.strip() for line in lines if "-m model_trigger" in line and "forget" not in line)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("line", rule_commands())
def test_every_command_about_rules_runs(line):
    arguments = shlex.split(line.partition("-m model_trigger")[2])
    settings = {"RULES_FILE": "infra/rules.json", "RULES__churn__version": ">=11"}
    done = subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-m", "model_trigger", *arguments], cwd=ROOT, env=settings, check=False
    )

    assert 0 == done.returncode


def test_every_linked_file_exists():
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)

    assert links
    assert [] == [link for link in links if not (ROOT / link.partition("#")[0]).exists()]
