"""Commands that call the ledger and Azure DevOps, as a user runs them."""

import json
import os
import subprocess
import sys

import pytest

from model_trigger.handlers import handle_event
from tests.sandbox.processes import ROOT
from tests.support.build import WORKSPACE_ID, event_text


@pytest.fixture(name="run")
def _run(settings_for):
    """Run a command with the settings of a rule for churn, and any others given."""

    def run(*arguments, **settings):
        rules = {"churn": {"model": "churn", "release": {"definition": 1}}}
        environment = settings_for(rules, PATH=os.environ["PATH"], **settings)
        return subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "-m", "model_trigger", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


FORGET = ("forget", "--rule", "churn", "--workspace", WORKSPACE_ID, "--model", "churn")


def test_forget_prints_what_it_removed(run, make_services, azure_devops):
    handle_event(event_text(17), make_services())
    done = run(*FORGET)

    link = azure_devops.releases[0]["_links"]["web"]["href"]
    assert (0, f"claim 17: started, {link}\nmark of claims\n") == (done.returncode, done.stdout)


def test_forget_reports_when_there_is_nothing(run):
    done = run(*FORGET, "--version", "17")

    assert (1, "nothing to forget\n") == (done.returncode, done.stdout)


def test_forget_without_storage_reports_what_is_missing(run):
    done = run(*FORGET, AzureWebJobsStorage="")

    assert 1 == done.returncode
    assert done.stderr.startswith("error: no storage for the ledger: set AzureWebJobsStorage")


def test_check_online_finds_an_existing_target(run):
    done = run("check", "--online")

    assert 0 == done.returncode
    assert "  ok  churn: " in done.stdout


def test_check_online_reports_a_missing_target(run):
    done = run("check", "--online", "--json", RULES__churn__release__definition="4711")

    assert 1 == done.returncode
    (finding,) = json.loads(done.stdout)["online"]
    assert ("churn", False) == (finding["subject"], finding["ok"])
    assert "4711" in finding["sentence"]
