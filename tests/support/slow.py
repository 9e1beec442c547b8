"""A clock that moves only when something takes time, and slow parts that use it."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from model_trigger.registrations.listing import AzureMLError, ModelSummary
from model_trigger.targets.release import ReleaseDefinition
from model_trigger.targets.request import (
    Absent,
    AzureDevOpsError,
    NotStarted,
    Refused,
    Release,
    Started,
)
from tests.support.build import WORKSPACE, deadline, registration, rulebook

PASS = 240.0
HEALTHY, DEAD = "https://dev.azure.com/healthy", "https://dev.azure.com/dead"
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


@dataclass
class Clock:
    """A clock that moves only when something takes time."""

    now: float = 0.0

    def deadline(self, seconds=PASS):
        return Deadline(self.now + seconds, lambda: self.now, self.pass_by)

    def pass_by(self, seconds):
        self.now += seconds


@dataclass
class Models:
    """The models of workspaces, each of which takes `seconds` to list.

    `faults` maps a model to the error that listing it raises, `many` to its number of versions.
    Listing a model in `endless` uses up all the time there is. `listed` has the models tried.
    """

    clock: Clock
    names: list[str]
    seconds: float = 0.5
    registered_at: Any = LONG_AGO
    faults: dict[str, Exception] = field(default_factory=dict)
    many: dict[str, int] = field(default_factory=dict)
    endless: Collection[str] = ()
    listed: list[str] = field(default_factory=list)
    workspaces: set[str] = field(default_factory=set)

    def models(self, _workspace, _deadline):
        for name in self.names:
            yield ModelSummary(name, "1", None)

    def versions(self, workspace, model, limit):
        self.listed.append(model)
        self.workspaces.add(workspace.name)
        self.clock.pass_by(limit.remaining if model in self.endless else self.seconds)
        if model in self.endless:
            msg = "timed out"
            raise AzureMLError(msg)
        if model in self.faults:
            raise self.faults[model]
        for number in range(1, self.many.get(model, 1) + 1):
            yield registration(
                str(number), model, workspace=workspace, registered_at=self.registered_at
            )


@dataclass
class Organizations:
    """Azure DevOps with one organization that is dead, or behind a gateway that responds for it.

    `silence` is the longest time that the dead one blocks, and `answers` whether it then responds.
    `seconds` is the time of any other response, and `refuses` whether it is a refusal.
    """

    clock: Clock
    dead: str = ""
    silence: float = math.inf
    answers: bool = False
    seconds: float = 0.0
    refuses: bool = False
    started: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def _ask(self, organization, limit):
        self.asked.append(organization)
        if organization == self.dead:
            self.clock.pass_by(min(self.silence, limit.remaining))
            msg = "HTTP 504" if self.answers else "timed out"
            raise AzureDevOpsError(msg, answered=self.answers)
        self.clock.pass_by(self.seconds)

    def definition(self, address, deadline):
        self._ask(address.organization_url, deadline)
        return ReleaseDefinition(1, "deploy", variables={"modelName": True})

    def start(self, request, _deadline, _key):
        if self.refuses:
            return Refused("no")
        model = request.body["variables"]["modelName"]["value"]
        self.started.append(model)
        return Started(Release(len(self.started), "https://dev.azure.com/release"))

    def find(self, request, _key, _since, _began_after, deadline):
        self._ask(request.organization_url, deadline)
        return Absent()


def progress(services, workspace=WORKSPACE):
    notes, _ = services.ledger.notes().workspaces(deadline())
    return notes[workspace.key].progress


def in_organization(organization, **fields):
    """Return the fields of a rule that starts a release in this organization."""
    return {**fields, "release": {"definition": 1, "organization_url": organization}}


def claims_of(services, organizations, **models_of):
    """Claim a version of each model; nothing is started yet."""
    book = rulebook(
        **{
            rule: in_organization(organization, model=f"{rule}-*")
            for rule, (organization, _) in models_of.items()
        }
    )
    organizations.start = lambda *_: NotStarted("429")
    for rule, (_, number) in models_of.items():
        for each in range(number):
            one = registration("1", f"{rule}-{each}")
            (evaluation,) = book.evaluate(one)
            decision = services.starter.start(evaluation, one, organizations.clock.deadline(25))
            assert Outcome.PENDING is decision.outcome
    del organizations.start
    organizations.asked.clear()
    return book
