"""Check from outside that no registration gets two releases, while responses keep getting lost.

    python -m tests.sandbox.black_box [--runs 10] [--seed 1]

Storage loses one response in four, Azure DevOps returns 500 after starting a release, and each
event is delivered four times at once, to two hosts. Prints a line per run; the exit code is 1 if a
run failed.
"""

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from secrets import randbelow

from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.fleet import launch
from tests.sandbox.verdicts import of_definition, releases, wrong_with_every, wrong_with_newer
from tests.support.build import event

RULES = {
    "every": {"model": "every-*", "start": "every", "release": {"definition": 1}},
    "newer": {"model": "newer-*", "start": "newer", "release": {"definition": 2}},
}
MODELS = {1: tuple(f"every-{n}" for n in range(4)), 2: ("newer-0", "newer-1")}
VERSIONS = range(1, 5)
DELIVERIES = 4
STORAGE_CHANCE = 0.25
# The shares of POSTs that fail after being carried out, and without being carried out.
COMMIT_CHANCE, REFUSE_CHANCE = 0.6, 0.1
SECONDS_TO_FINISH = 240.0


@dataclass(frozen=True)
class Result:
    """The result of a run."""

    seed: int
    releases: list[tuple[int, str, int]]
    is_finished: bool
    deliveries: int
    faults: Counter[str]
    seconds: float
    stalls: list[str]

    @property
    def wrong(self) -> list[str]:
        """What should not have happened; empty if all is well."""
        return [
            *wrong_with_every(of_definition(self.releases, 1), registrations(1)),
            *wrong_with_newer(of_definition(self.releases, 2), registrations(2)),
            *([] if self.is_finished else ["a claim stayed open"]),
        ]

    def __str__(self) -> str:
        lost = sum(count for name, count in self.faults.items() if name.startswith("storage"))
        return (
            f"BLACKBOX_SEED={self.seed}: {'; '.join(self.wrong) or 'ok'} "
            f"({len(self.releases)} releases, {self.deliveries} deliveries; lost: {lost} responses "
            f"of storage, {self.faults['error 500 after commit']} of Azure DevOps, "
            f"{self.seconds:.0f} s)"
            f"{' '.join(['', *self.stalls])}"
        )


def registrations(definition: int) -> list[tuple[str, int]]:
    """Return model and version of each registration that starts this definition."""
    return [(model, version) for model in MODELS[definition] for version in VERSIONS]


def run(seed: int) -> Result:
    """Deliver 24 registrations, let reconcile finish open claims, and return the result."""
    began = time.monotonic()
    azure_devops = AzureDevOps(list_lag=1.5)
    always = {"status": 500, "path": "releases", "times": None}
    azure_devops.fault("error", probability=COMMIT_CHANCE, seed=seed, commit=True, **always)
    azure_devops.fault("error", probability=REFUSE_CHANCE, seed=seed + 1, **always)
    wanted = [*registrations(1), *registrations(2)]
    random.Random(seed).shuffle(wanted)  # noqa: S311 - reproducible randomness
    events = [event(version, model) for model, version in wanted for _ in range(DELIVERIES)]
    with launch(RULES, azure_devops, seed=seed, storage_chance=STORAGE_CHANCE) as fleet:
        fleet.deliver(events, at_once=len(events))
        faults = azure_devops.faults_played + fleet.proxy.fates
        azure_devops.clear_faults()
        fleet.proxy.chance = 0
        is_finished = fleet.finish(SECONDS_TO_FINISH)
        created = releases(azure_devops)
    return Result(
        seed,
        created,
        is_finished,
        len(fleet.answers),
        faults,
        time.monotonic() - began,
        fleet.stalls,
    )


def main() -> int:
    """Run as often as requested and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.black_box", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--runs", type=int, default=1, help="number of runs (default: 1)")
    parser.add_argument("--seed", type=int, help="seed of the first run (default: random)")
    options = parser.parse_args()
    first = randbelow(10**6) if options.seed is None else options.seed
    failures = 0
    for seed in range(first, first + options.runs):
        result = run(seed)
        failures += bool(result.wrong)
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{failures} of {options.runs} runs failed\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
