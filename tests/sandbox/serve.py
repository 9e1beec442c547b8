"""Run the function app on this machine, with whatever the settings name.

    python -m tests.sandbox.serve [--port 7071]

Settings come from the environment, then from local.settings.json. The sandbox supplies what is
missing: Azurite (its data in .azurite/) as storage, a stand-in for Azure DevOps, and a rule to try.
So the same command also works with a real organization and a real storage account.
"""

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack

from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.azurite import Azurite
from tests.sandbox.host.server import load_settings
from tests.sandbox.processes import ROOT

STORAGE = (
    "AzureWebJobsStorage",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__tableServiceUri",
)
RULES = {"churn": {"model": "churn", "version": ">=10", "release": {"definition": 1}}}


def main() -> int:
    """Serve until interrupted, and return the host's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.serve", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=7071)
    port = parser.parse_args().port
    load_settings(ROOT)
    with ExitStack() as sandbox:
        fill_gaps(sandbox)
        command = [
            sys.executable,
            "-m",
            "tests.sandbox.host",
            "--port",
            str(port),
            "--timers",
        ]
        try:
            # the sandbox's own command
            return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603
        except KeyboardInterrupt:
            return 0


def fill_gaps(sandbox: ExitStack) -> None:
    """Start what the settings do not name, and print what is used."""
    if not any(name in os.environ for name in STORAGE):
        folder = ROOT / ".azurite"
        folder.mkdir(exist_ok=True)
        azurite = sandbox.enter_context(Azurite(folder))
        os.environ["AzureWebJobsStorage"] = azurite.connection_string
        say(f"storage: Azurite, data in {folder}")
    if "AZURE_DEVOPS_ORG_URL" not in os.environ:
        azure_devops = sandbox.enter_context(AzureDevOps())
        organization = {
            "AZURE_DEVOPS_ORG_URL": azure_devops.url,
            "AZURE_DEVOPS_PROJECT": "ml",
            "AZURE_DEVOPS_PAT": "any",
        }
        os.environ.update(organization)
        say(f"Azure DevOps: stand-in, releases at {azure_devops.address}/_sandbox/releases")
    if not any(name.upper().startswith("RULES") for name in os.environ):
        os.environ["RULES"] = json.dumps(RULES)
        say(f"RULES: {os.environ['RULES']}")


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
