"""Register hundreds of versions at once while a third of all starts fail and hosts are killed.

    python -m tests.sandbox.burst [--seed 1] [--kills 4] [--set CLAIM_LEASE=PT20S] [...]

Three rules start a release for every version, a release for newer versions, and a run of a pipeline
that does not accept a key. Events are delivered as by Event Grid: it waits 30 s for a response, and
retries after a pause. Prints a summary every five seconds. The exit code is 1 if a response took
longer than that, or if something was started twice, not at all, or later than 60 s after the last
fault.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import randbelow
from threading import Event, Thread
from typing import Self

from tests.sandbox.azure_devops.organization import (
    Organization,
    Parameter,
    Pipeline,
    Project,
    ReleaseDefinition,
    Variable,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.fleet import DELIVERY_SECONDS, LIST_LAG, Fleet, launch
from tests.sandbox.mail import Answer
from tests.sandbox.verdicts import of_definition, releases, runs, wrong_with_every, wrong_with_newer
from tests.support.build import event

# Long enough for an unknown outcome to block other starts for a while.
SETTINGS = {"CLAIM_LEASE": "PT20S", "LIST_LAG": "PT5S"}
RULES = {
    "every": {"model": "every-*", "start": "every", "release": {"definition": 1}},
    "newer": {"model": "newer-*", "start": "newer", "release": {"definition": 2}},
    "keyless": {"model": "keyless-*", "start": "every", "pipeline": {"id": 3}},
}
VARIABLES = {"modelName": Variable(), "modelVersion": Variable()}
PARAMETERS = (Parameter("modelName"), Parameter("modelVersion"))
DEFINITIONS = tuple(ReleaseDefinition(n, f"Deploy {n}", variables=VARIABLES) for n in (1, 2))
FABRIKAM = Organization(
    "fabrikam", (Project("ml", DEFINITIONS, (Pipeline(3, "deploy", parameters=PARAMETERS),)),)
)
FAULTS = (
    {"kind": "error", "status": 500},
    {"kind": "error", "status": 500, "commit": True},
    {"kind": "error", "status": 429, "retry_after": 2},
    {"kind": "close"},
)
# With four of these, a third of all starts is affected.
FAULT_CHANCE = 1 - (2 / 3) ** (1 / len(FAULTS))
# Event Grid itself waits 10 s, 30 s, 1 min, 5 min:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
PAUSES = (2.0, 6.0, 12.0)
STEP = 5.0
PROMISED_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """How much is registered at once, and how much fails."""

    seed: int
    models: int = 12
    versions: int = 10
    at_once: int = 360
    kills: int = 4
    faults_seconds: float = 60.0
    pauses: Sequence[float] = PAUSES
    settings: Mapping[str, str] = field(default_factory=dict)

    def registrations(self, rule: str) -> list[tuple[str, int]]:
        """Return model and version of each registration that a rule matches."""
        versions = range(1, self.versions + 1)
        return [
            (f"{rule}-{model}", version) for model in range(self.models) for version in versions
        ]


@dataclass
class Result:
    """The result of a run."""

    plan: Plan
    wrong: list[str]
    answers: list[Answer]
    deaths: int
    seconds_after_faults: float
    stalls: list[str]

    @property
    def longest(self) -> float:
        """The longest response time."""
        return max(each.seconds for each in self.answers)

    def __str__(self) -> str:
        late = sum(each.seconds >= DELIVERY_SECONDS for each in self.answers)
        return (
            f"BURST_SEED={self.plan.seed}: {'; '.join(self.wrong) or 'ok'} "
            f"({len(self.answers)} deliveries, the longest took {self.longest:.1f} s, {late} "
            f"not answered in time, {self.deaths} deaths, all final "
            f"{self.seconds_after_faults:.0f} s after the last fault)"
            f"{' '.join(['', *self.stalls])}"
        )


def run(plan: Plan, report: Callable[[str], object] = lambda _: None) -> Result:
    """Register everything at once and return the result; `report` receives progress lines."""
    azure_devops = AzureDevOps((FABRIKAM,), list_lag=LIST_LAG)
    for number, fault in enumerate(FAULTS):
        chance = {"probability": FAULT_CHANCE, "seed": plan.seed + number, "times": None}
        for path in ("/releases", "/runs"):
            azure_devops.fault(**fault, **chance, path=path)
    with launch(RULES, azure_devops, seed=plan.seed, **{**SETTINGS, **plan.settings}) as fleet:
        for host in fleet.hosts:
            host.alive()
        weather = Weather(plan, fleet, report)
        with weather:
            fleet.deliver(_events(plan), plan.at_once, plan.pauses, reconcile_every=STEP)
            weather.wait_for_the_end()
            is_finished = fleet.finish(300)
            seconds = max(0.0, time.monotonic() - weather.ended)
        created, started = releases(azure_devops), runs(azure_devops)
    wrong = [
        *wrong_with_every(of_definition(created, 1), plan.registrations("every")),
        *wrong_with_newer(of_definition(created, 2), plan.registrations("newer")),
        *wrong_with_every(started, plan.registrations("keyless")),
        *([] if is_finished else ["a claim stayed open"]),
    ]
    return Result(plan, wrong, fleet.answers, fleet.deaths, seconds, fleet.stalls)


class Weather:
    """Kills hosts, ends the faults in time, and reports every few seconds."""

    def __init__(self, plan: Plan, fleet: Fleet, report: Callable[[str], object]) -> None:
        self._plan, self._fleet, self._print = plan, fleet, report
        self._began = time.monotonic()
        self.ended = self._began + plan.faults_seconds
        self._stopping = Event()
        self._thread = Thread(target=self._go_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def wait_for_the_end(self) -> None:
        """Wait until the faults have ended."""
        self._stopping.wait(self.ended - time.monotonic())

    def _go_on(self) -> None:
        kills = list(self._kills())
        seen = requests = 0
        while not self._stopping.wait(STEP):
            now = time.monotonic()
            if kills and now >= kills[0]:
                kills.pop(0)
                self._fleet.hosts[len(kills) % len(self._fleet.hosts)].kill()
            if now >= self.ended:
                self._fleet.azure_devops.clear_faults()
            answers, asked = (
                self._fleet.answers[seen:],
                self._fleet.azure_devops.requests[requests:],
            )
            seen, requests = seen + len(answers), requests + len(asked)
            self._report(now, answers, [f"{each.method} {each.path}" for each in asked])

    def _kills(self) -> Iterator[float]:
        for number in range(1, self._plan.kills + 1):
            yield self._began + number * self._plan.faults_seconds / (self._plan.kills + 1)

    def _report(self, now: float, answers: list[Answer], asked: list[str]) -> None:
        lists = [each for each in asked if each.startswith("GET") and each.endswith(LISTS)]
        self._print(
            f"{now - self._began:4.0f} s  {sum(each.is_received for each in answers):4} received  "
            f"{sum(not each.is_received for each in answers):4} not  "
            f"longest {max((each.seconds for each in answers), default=0):4.1f} s  "
            f"{self._fleet.mail.open:4} to deliver  {self._fleet.open_claims():4} claims open  "
            f"{sum(each.startswith('POST') for each in asked):3} POSTs  {len(lists):4} lists  "
            f"{len(asked):4} requests  {self._fleet.deaths} deaths"
        )


LISTS = ("/releases", "/builds", "/runs")


def _events(plan: Plan) -> list[dict[str, object]]:
    """Return the events in the order of their first delivery: version by version."""
    wanted = [each for rule in RULES for each in plan.registrations(rule)]
    return [event(version, model) for model, version in sorted(wanted, key=lambda each: each[1])]


def main() -> int:
    """Run once and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.burst", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--models", type=int, default=Plan.models, help="models per rule")
    parser.add_argument("--versions", type=int, default=Plan.versions, help="versions per model")
    parser.add_argument("--at-once", type=int, default=Plan.at_once, help="concurrent deliveries")
    parser.add_argument("--kills", type=int, default=Plan.kills, help="how often a host is killed")
    parser.add_argument("--faults-seconds", type=float, default=Plan.faults_seconds)
    parser.add_argument("--seed", type=int, default=randbelow(10**6))
    parser.add_argument("--set", action="append", default=[], help="an app setting: NAME=VALUE")
    options = vars(parser.parse_args())
    settings = dict(each.split("=", 1) for each in options.pop("set"))
    result = run(Plan(settings=settings, **options), say)
    say(str(result))
    in_time = result.longest < DELIVERY_SECONDS
    return (
        0 if in_time and not result.wrong and result.seconds_after_faults <= PROMISED_SECONDS else 1
    )


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
