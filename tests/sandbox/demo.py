"""Run the demo: deliver events to the real function app and print each decision.

    python -m tests.sandbox.demo

Exit with 0 if every event has the expected outcome.
"""

import json
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.sandbox.azure_devops.organization import (
    Organization,
    Project,
    ReleaseDefinition,
    Variable,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.azurite import Azurite
from tests.sandbox.processes import ROOT, HostProcess

PAYLOADS = ROOT / "tests" / "payloads"
DEFINITION = ReleaseDefinition(
    7, "Deploy regression", variables={"modelName": Variable(), "modelVersion": Variable()}
)
CONTOSO = Organization("contoso", (Project("ml", (DEFINITION,)),))
RULES = {
    "regression": {
        "model": "sklearn_*",
        "version": ">=10",
        "tags": {"type": "regression"},
        "release": {"definition": 7},
    }
}


@dataclass(frozen=True)
class Delivery:
    """An event to deliver and its expected outcome."""

    title: str
    event: object
    outcome: str


def documented(name: str) -> Any:
    """Read an event as the documentation shows it."""
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def deliveries() -> tuple[Delivery, ...]:
    """Return the events in the order of their delivery."""
    event_grid, cloud_event = documented("event_grid"), documented("cloud_event")
    older = {**event_grid, "data": {**event_grid["data"], "ModelVersion": 9}}
    return (
        Delivery("the documented event, Event Grid schema", [event_grid], "started"),
        Delivery("the same event, delivered again", [event_grid], "duplicate"),
        Delivery("the documented event, CloudEvents schema", cloud_event, "started"),
        Delivery("an event that no rule matches", [older], "not_matched"),
        Delivery("not an event at all", [{"hello": "world"}], "rejected"),
    )


def main() -> int:
    """Deliver the events and return the exit code."""
    with Azurite() as azurite, AzureDevOps((CONTOSO,)) as azure_devops:
        settings = {
            "AzureWebJobsStorage": azurite.connection_string,
            "AZURE_DEVOPS_ORG_URL": azure_devops.url,
            "AZURE_DEVOPS_PROJECT": "ml",
            "AZURE_DEVOPS_PAT": "any",
            "RULES": json.dumps(RULES),
        }
        say(f"RULES={settings['RULES']}\n")
        with HostProcess(settings) as host:
            as_expected = [
                deliver(host, number, delivery) for number, delivery in enumerate(deliveries(), 1)
            ]
        say(f"Releases in {azure_devops.url}/ml:")
        for release in azure_devops.releases:
            say(f"  {described(release)}")
    return 0 if all(as_expected) else 1


def deliver(host: HostProcess, number: int, delivery: Delivery) -> bool:
    """Deliver an event and print its decision. Return whether it is the expected one."""
    answer = host.deliver(delivery.event)
    decision = host.decisions(number)[-1]
    say(f"{number}. {delivery.title}: Event Grid gets {answer.status}")
    say(f"   {subject(decision)} → {decision['outcome']}")
    if decision["release_url"]:
        say(f"   release {decision['release_id']}: {decision['release_url']}")
    say(textwrap.fill(decision["reason"], 92, initial_indent="   ", subsequent_indent="   "))
    say("")
    if decision["outcome"] != delivery.outcome:
        say(f"   EXPECTED {delivery.outcome}. The host printed:\n" + "\n".join(host.lines))
    return decision["outcome"] == delivery.outcome


def subject(decision: Mapping[str, Any]) -> str:
    """Return what a decision is about."""
    if not decision["model"]:
        return "invalid event"
    workspace = decision["workspace"].rpartition("/")[2]
    return f"{decision['model']} {decision['version']} in {workspace}"


def described(release: Mapping[str, Any]) -> str:
    """Describe a release: its definition, its model and its address."""
    values = {name: one["value"] for name, one in release["variables"].items()}
    definition = release["releaseDefinition"]
    return (
        f"{release['id']}: definition {definition['id']} {definition['name']!r}, "
        f"modelName={values['modelName']} modelVersion={values['modelVersion']}, "
        f"{release['_links']['web']['href']}"
    )


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
