"""Runs the commands as users run them."""

import os
import subprocess
import sys

from tests.sandbox.processes import ROOT

CHURN = {"model": "churn*", "version": ">=10", "release": {"definition": 1, "project": "ml"}}
FRAUD = {"model": "fraud", "tags": {"stage": "prod"}, "pipeline": {"id": "deploy-fraud"}}
RULES = {"churn": CHURN, "fraud": FRAUD}


def start(command, **environment):
    """Run a command of Python in the project's folder, with these settings and no others."""
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
    """Run a command of the app; give its exit code, output and errors."""
    done = start(["-m", "model_trigger", *arguments], **environment)
    return done.returncode, done.stdout, done.stderr
