"""Delivers hundreds of registrations while everything fails, and tells what came of it.

Two hosts receive events and reconcile at the same time. They are killed at random lines, storage
fails now and then, and Azure DevOps fails in every way it knows. Each event is delivered, as Event
Grid does it, until an answer says that it was received, and some are delivered once more. A seed
repeats what is delivered and what fails; what the machine's threads make of it, it does not.
"""

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

from azure.data.tables import TableClient

from tests.build import event
from tests.sandbox.azure_devops import AzureDevOps
from tests.sandbox.azurite import Azurite
from tests.sandbox.flaky import FlakyProxy
from tests.sandbox.processes import ChildError, MortalHost

# A POST is sent in the first half of the lease and carried out, in the worst case, a second later;
# lists lag for half a second: so what the app is told about both is true.
TIMES = {"CLAIM_LEASE": "PT4S", "LIST_LAG": "PT2S", "RETRY_PAUSE": "PT1S"}
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
    """How much is delivered, and how badly things go."""

    seed: int
    models: int = 10
    versions: int = 20
    deliveries: int = 2
    at_once: int = 8
    fault_chance: float = 0.02
    storage_chance: float = 0.02
    death_chance: float = 0.000008


@dataclass
class Result:
    """What came of it: releases by definition, and the outcomes of each rule and registration."""

    releases: list[tuple[int, str, int]]
    outcomes: Mapping[tuple[str, str, str], set[str]]
    deaths: int
    seconds: float

    def started(self, definition: int) -> list[tuple[str, int]]:
        """Give (model, version) of the definition's releases, in the order they were created."""
        return [(model, version) for which, model, version in self.releases if which == definition]


def run(plan: Plan) -> Result:
    """Deliver everything, let reconcile finish what is open, and read what came of it."""
    began = time.monotonic()
    with ExitStack() as parts:
        azurite = parts.enter_context(Azurite())
        azure_devops = parts.enter_context(AzureDevOps(list_lag=0.5))
        table_address = azurite.connection_string.split("TableEndpoint=")[1].split(";")[0]
        proxy = parts.enter_context(FlakyProxy(table_address, plan.seed, plan.storage_chance))
        for number, fault in enumerate(FAULTS):
            chance = {"probability": plan.fault_chance, "seed": plan.seed + number, "times": None}
            azure_devops.fault(**fault, **chance)
        settings = {
            **TIMES,
            "AzureWebJobsStorage": azurite.connection_string.replace(
                table_address, table_address.replace(proxy.target, proxy.address)
            ),
            "AZURE_DEVOPS_ORG_URL": azure_devops.url,
            "AZURE_DEVOPS_PROJECT": "ml",
            "AZURE_DEVOPS_PAT": "any",
            "RULES": json.dumps(RULES),
        }
        hosts = parts.enter_context(_hosts(plan, settings))
        _deliver_all(plan, hosts)
        azure_devops.clear_faults()
        proxy.chance = 0
        _finish(hosts, azurite)
        releases = [_release(each) for each in azure_devops.releases]
        deaths = sum(host.deaths for host in hosts)
        return Result(releases, _outcomes(azurite), deaths, time.monotonic() - began)


def _release(release: Mapping[str, Any]) -> tuple[int, str, int]:
    values = {name: one["value"] for name, one in release["variables"].items()}
    definition = release["releaseDefinition"]["id"]
    return definition, values["modelName"], int(values["modelVersion"])


@dataclass
class Phoenix:
    """A mortal host that is started again whenever it has died."""

    settings: Mapping[str, str]
    plan: Plan
    number: int
    deaths: int = 0
    _host: MortalHost | None = None
    _lock: Lock = field(default_factory=Lock)

    def alive(self) -> MortalHost:
        """Give the host, a new one when the last has died."""
        with self._lock:
            if self._host and self._host.has_ended:
                self._host.wait()
                self._host = None
                self.deaths += 1
            self._host = self._host or self._new()
            return self._host

    def stop(self) -> None:
        """End the host."""
        if self._host:
            self._host.stop()

    def _new(self) -> MortalHost:
        seed = f"{self.plan.seed}-{self.number}-{self.deaths}"
        mortal = {"MORTAL_SEED": seed, "MORTAL_CHANCE": f"{self.plan.death_chance:f}"}
        return MortalHost({**self.settings, **mortal})


@contextmanager
def _hosts(plan: Plan, settings: Mapping[str, str]) -> Iterator[list[Phoenix]]:
    hosts = [Phoenix(settings, plan, number) for number in (1, 2)]
    try:
        yield hosts
    finally:
        for host in hosts:
            host.stop()


def _deliver_all(plan: Plan, hosts: list[Phoenix]) -> None:
    """Deliver every event until it is received, in a shuffled order, many at once."""
    chances = random.Random(plan.seed)  # noqa: S311 - chance that repeats
    events = [
        event(version, f"model-{model}")
        for model in range(plan.models)
        for version in range(1, plan.versions + 1)
        for _ in range(plan.deliveries)
    ]
    chances.shuffle(events)
    waiting: Queue[tuple[float, dict[str, Any]]] = Queue()
    for each in events:
        waiting.put((0.0, each))
    stopping: list[bool] = []
    reconciling = Thread(target=_reconcile_meanwhile, args=(hosts, stopping))
    reconciling.start()
    with ThreadPoolExecutor(plan.at_once) as pool:
        for number in range(plan.at_once):
            pool.submit(_deliver_from, waiting, hosts[number % len(hosts)])
    stopping.append(True)
    reconciling.join()


def _deliver_from(waiting: Queue[tuple[float, dict[str, Any]]], phoenix: Phoenix) -> None:
    """Deliver event after event; one that was not received comes again after a pause."""
    while True:
        try:
            due, each = waiting.get(timeout=1.5)
        except Empty:
            return
        time.sleep(max(0.0, due - time.monotonic()))
        if not _is_received(each, phoenix):
            waiting.put((time.monotonic() + 0.5, each))


def _is_received(each: Mapping[str, Any], phoenix: Phoenix) -> bool:
    try:
        return phoenix.alive().deliver([each]).status == 202
    except (OSError, ChildError):
        return False


def _reconcile_meanwhile(hosts: list[Phoenix], stopping: list[bool]) -> None:
    while not stopping:
        for host in hosts:
            _reconcile(host)
        time.sleep(2)


def _reconcile(host: Phoenix) -> None:
    try:
        host.alive().fire("reconcile")
    except (OSError, ChildError):
        return


def _finish(hosts: list[Phoenix], azurite: Azurite) -> None:
    """Reconcile until no claim is open any more, for a minute at the most."""
    until = time.monotonic() + 60
    with _table(azurite, "modeltriggerreleases") as releases:
        query = "state eq 'starting' or state eq 'waiting' or state eq 'failed'"
        while time.monotonic() < until and any(releases.query_entities(query)):
            _reconcile(hosts[0])
            time.sleep(0.5)


def _outcomes(azurite: Azurite) -> Mapping[tuple[str, str, str], set[str]]:
    outcomes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    with _table(azurite, "modeltriggerdecisions") as decisions:
        for row in decisions.list_entities():
            key = (row.get("rule", ""), row["model"], row["version"])
            outcomes[key].add(row["outcome"])
    return outcomes


def _table(azurite: Azurite, name: str) -> TableClient:
    return TableClient.from_connection_string(azurite.connection_string, name)
