"""What is registered, delivered and allowed to go wrong, and what the app is set to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from model_trigger import handlers
from model_trigger.ledger.ledger import Ledger
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.rules.fields import Mode
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.services import Services
from model_trigger.targets.request import TargetDefaults
from tests.checker.client import SimulatedTable
from tests.checker.processes import Program, moment
from tests.checker.targets import SimulatedAzureDevOps, SimulatedAzureML
from tests.support.build import POLICY, WORKSPACE, event, rulebook

RULE = "churn"
MODEL = "churn"
PREFIX = "mt"
WORKSPACES = (
    WORKSPACE,
    Workspace.parse(WORKSPACE.id.replace("ml-prod-ws", "ml-test-ws")),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of the event of a version's registration in a workspace."""

    version: str
    workspace: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, and how often something may go wrong.

    `old` was registered an hour before all else; `settled` is whether a pass has seen it. `jumps`
    are spans of time in milliseconds that may pass at once. `faults` limits their kinds, where it
    names any. `versions` are registered beside those that are delivered, and `changes` made by
    persons to the rules of `book`, one after the other. `records_at_once` is whether a process
    records its decisions in its last step.
    """

    rule: Mapping[str, Any] = field(default_factory=dict)
    deliveries: tuple[Delivery, ...] = (Delivery("17"), Delivery("18"))
    passes: int = 0
    old: tuple[str, ...] = ("5",)
    workspaces: int = 1
    settled: bool = True
    faults: tuple[str, ...] = ()
    most_faults: int = 1
    most_crashes: int = 1
    most_jumps: int = 1
    jumps: tuple[int, ...] = (600, 121_000)
    lease: float = 120.0
    lag: float = 120.0
    takes_key: bool = False
    versions: tuple[str, ...] = ()
    book: str = "base"
    changes: tuple[str, ...] = ()
    records_at_once: bool = True

    @property
    def is_exclusive(self) -> bool:
        """Whether the rule starts no version after a newer one."""
        return self.rule.get("start") != "every"


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is started for, under the settings of that moment; None is reconcile."""

    delivery: Delivery | None
    book: str
    workspaces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Programs:
    """The app's services and handlers for a scenario."""

    scenario: Scenario

    def program(self, task: Task, registered_at: int) -> Program:
        """Return what a process does for a task; the time is that of the registration.

        Each run has services of its own: what they remember would make one run differ from another.
        """
        delivery = task.delivery
        if delivery is None:
            return lambda: handlers.reconcile(self._services(task))
        text = event_text(delivery, registered_at)
        return lambda: handlers.handle_event(text, self._services(task))

    def _services(self, task: Task) -> Services:
        azure_devops, azure_ml = SimulatedAzureDevOps(), SimulatedAzureML()
        lease, lag = (timedelta(seconds=each) for each in (self.scenario.lease, self.scenario.lag))
        return Services(
            ledger=ledger(),
            targets=lambda: azure_devops,
            models=lambda: azure_ml,
            publisher=None,
            rules=lambda: book(self.scenario, task.book),
            workspaces=tuple(WORKSPACES[index] for index in task.workspaces),
            defaults=TargetDefaults("https://dev.azure.com/contoso", "ml"),
            mode=Mode.LIVE,
            policy=replace(POLICY, claim_lease=lease, list_lag=lag),
        )


def ledger() -> Ledger:
    """Open the app's ledger over simulated tables."""
    service: Any = SimpleNamespace(get_table_client=SimulatedTable)
    return Ledger.open(service, PREFIX)


def event_text(delivery: Delivery, registered_at: int) -> str:
    """Write the event of a registration."""
    fired = {
        **event(delivery.version, MODEL),
        "topic": WORKSPACES[delivery.workspace].id,
        "eventTime": moment(registered_at).isoformat(),
    }
    return json.dumps(fired)


def book(scenario: Scenario, name: str) -> RuleBook:
    """Return the rules as they are at first, or as a person has changed them.

    Raises RulesUnreadableError.
    """
    if name == "unreadable":
        raise RulesUnreadableError
    return _books(_frozen(scenario.rule))[name]


@cache
def _books(rule: str) -> Mapping[str, RuleBook]:
    fields = json.loads(rule)
    return {
        "base": rulebook(**{RULE: fields}),
        "broken": rulebook(**{RULE: {**fields, "version": "rubbish >"}}),
        "narrow": rulebook(**{RULE: {**fields, "version": "<10"}}),
        "removed": rulebook(other={"model": "other"}),
        "off": rulebook(**{RULE: {**fields, "mode": "off"}}),
        "observe": rulebook(**{RULE: {**fields, "mode": "observe"}}),
    }


def _frozen(rule: Mapping[str, Any]) -> str:
    return json.dumps(rule, sort_keys=True)
