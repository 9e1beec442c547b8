"""Deliver hundreds of registrations while everything fails, and report the result.

Two hosts receive events and reconcile at the same time. They are killed at random lines, storage
fails at random, and Azure DevOps fails in every way that the stand-in knows. Like Event Grid, the
sandbox delivers each event until a response acknowledges it, and some events once more. A seed
reproduces the deliveries and the faults, but not the timing of threads.
"""

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat

from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.fleet import LIST_LAG, launch
from tests.sandbox.verdicts import of_definition, releases, wrong_with_every, wrong_with_newer
from tests.support.build import event

RULES = {
    "every": {"model": "*", "start": "every", "release": {"definition": 1}},
    "newer": {"model": "*", "start": "newer", "release": {"definition": 2}},
}
FAULTS = (
    {"kind": "error", "status": 400},
    {"kind": "error", "status": 500},
    {"kind": "error", "status": 500, "commit": True},
    {"kind": "error", "status": 503, "retry_after": 1},
    {"kind": "error", "status": 503, "commit": True},
    {"kind": "error", "status": 429, "retry_after": 1},
    {"kind": "sign-in page"},
    {"kind": "redirect"},
    {"kind": "retry-after", "retry_after": 1},
    {"kind": "empty"},
    {"kind": "empty", "commit": True},
    {"kind": "garbage", "commit": True},
    {"kind": "truncated"},
    {"kind": "close"},
    {"kind": "close", "commit": True},
    {"kind": "reset", "commit": True},
    {"kind": "hang", "seconds": 1},
    {"kind": "hang", "seconds": 3, "commit": True},
)
FINAL = {"started", "duplicate", "superseded", "failed"}


@dataclass(frozen=True)
class Plan:
    """How much is delivered, and how much fails.

    `life` is the maximum number of lines that a host executes.
    """

    seed: int
    models: int = 10
    versions: int = 14
    deliveries: int = 2
    at_once: int = 8
    fault_chance: float = 0.02
    storage_chance: float = 0.02
    life: int = 300_000

    @property
    def registrations(self) -> list[tuple[str, int]]:
        """Return model and version of everything that is registered."""
        versions = range(1, self.versions + 1)
        return [(f"model-{model}", version) for model in range(self.models) for version in versions]


@dataclass
class Result:
    """The result: releases by definition, and the outcomes of each rule and registration."""

    plan: Plan
    releases: list[tuple[int, str, int]]
    outcomes: Mapping[tuple[str, str, str], set[str]]
    deliveries: int
    deaths: int
    faults: Mapping[str, int]
    seconds: float
    stalls: list[str] = field(default_factory=list)

    def started(self, definition: int) -> list[tuple[str, int]]:
        """Return (model, version) of the definition's releases, in order of creation."""
        return of_definition(self.releases, definition)

    @property
    def wrong(self) -> list[str]:
        """What should not have happened; empty if all is well."""
        wanted = self.plan.registrations
        silent = [
            f"{rule} {model} {version}: only {outcomes}"
            for rule in RULES
            for model, version in wanted
            if not (outcomes := self.outcomes[rule, model, str(version)]) & FINAL
        ]
        return [
            *wrong_with_every(self.started(1), wanted),
            *wrong_with_newer(self.started(2), wanted),
            *silent,
        ]

    def __str__(self) -> str:
        faults = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.faults.items()))
        return (
            f"{self.deliveries} deliveries, {len(self.releases)} releases, {self.deaths} deaths, "
            f"{self.seconds:.0f} s, faults: {faults}"
        )


def run(plan: Plan) -> Result:
    """Deliver everything, let reconcile finish open claims, and return the result."""
    began = time.monotonic()
    azure_devops = AzureDevOps(list_lag=LIST_LAG)
    for number, fault in enumerate(FAULTS):
        chance = {"probability": plan.fault_chance, "seed": plan.seed + number, "times": None}
        azure_devops.fault(**fault, **chance)
    with launch(
        RULES, azure_devops, seed=plan.seed, storage_chance=plan.storage_chance, life=plan.life
    ) as fleet:
        fleet.deliver(_events(plan), plan.at_once)
        faults = azure_devops.faults_played + Counter(fleet.proxy.fates)
        azure_devops.clear_faults()
        fleet.proxy.chance = 0
        fleet.finish(seconds=240)
        created, outcomes = releases(azure_devops), fleet.outcomes()
    return Result(
        plan,
        created,
        outcomes,
        len(fleet.answers),
        fleet.deaths,
        faults,
        time.monotonic() - began,
        fleet.stalls,
    )


def _events(plan: Plan) -> list[Mapping[str, object]]:
    """Return every event as often as it is delivered, in random order."""
    once = (event(version, model) for model, version in plan.registrations)
    events = list(chain.from_iterable(repeat(each, plan.deliveries) for each in once))
    random.Random(plan.seed).shuffle(events)  # noqa: S311 - reproducible randomness
    return events
