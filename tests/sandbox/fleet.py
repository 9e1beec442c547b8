"""Several hosts of one app, and deliveries to them as by Event Grid, while everything fails.

Shared by chaos.py, black_box.py and burst.py.
"""

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableClient

from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.azurite import Azurite
from tests.sandbox.flaky import FlakyProxy
from tests.sandbox.mail import Answer, Mail
from tests.sandbox.processes import ChildError, MortalHost
from tests.sandbox.stalls import watch_stalls

# A POST is sent in the first half of the lease and carried out at most a second later, and lists
# lag for half a second: so these settings are true.
TIMES = {"CLAIM_LEASE": "PT4S", "LIST_LAG": "PT2S", "RETRY_PAUSE": "PT1S"}
LIST_LAG = 0.5
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
DELIVERY_SECONDS = 30.0
FAILED_STARTS = 3
OPEN = ("kept", "held", "waiting", "starting", "unknown", "failed")


class HostDoesNotStartError(Exception):
    """A host failed to start several times in a row; the message contains its output."""


@dataclass
class Phoenix:
    """A host that is started again whenever it has died; each life has a random length."""

    settings: Mapping[str, str]
    lives: Iterator[int]
    deaths: int = 0
    printed: list[str] = field(default_factory=list)
    _host: MortalHost | None = None
    _lock: Lock = field(default_factory=Lock)

    def alive(self) -> MortalHost:
        """Return the host, or a new one if it has died. Raises HostDoesNotStartError."""
        with self._lock:
            if self._host and self._host.has_ended:
                self._host.wait()
                self._bury(self._host)
            self._host = self._host or self._start()
            return self._host

    def kill(self) -> None:
        """Kill the host, as a crash does."""
        with self._lock:
            if self._host:
                self._host.kill()
                self._bury(self._host)

    def stop(self) -> None:
        """Stop the host."""
        if self._host:
            self._host.stop()
            self.printed += self._host.lines

    def _bury(self, host: MortalHost) -> None:
        self.deaths += 1
        self.printed += host.lines
        self._host = None

    def _start(self) -> MortalHost:
        for _ in range(FAILED_STARTS):
            try:
                return MortalHost({**self.settings, "MORTAL_LINES": str(next(self.lives))})
            except ChildError as error:
                failure = error
        raise HostDoesNotStartError(str(failure)) from failure


@dataclass
class Fleet:
    """The hosts and everything that they call; `answers` has the responses to all deliveries."""

    azurite: Azurite
    azure_devops: AzureDevOps
    proxy: FlakyProxy
    hosts: Sequence[Phoenix]
    answers: list[Answer] = field(default_factory=list)
    mail: Mail = field(default_factory=lambda: Mail([]))
    stalls: list[str] = field(default_factory=list)

    def deliver(
        self,
        events: Iterable[Mapping[str, Any]],
        at_once: int,
        pauses: Sequence[float] = (0.5,),
        *,
        reconcile_every: float = 2.0,
    ) -> None:
        """Deliver each event until it is received, and reconcile in the meantime.

        A pause follows a failed attempt; the last of `pauses` repeats.
        """
        self.mail = Mail(events)
        with self._reconciling(reconcile_every), ThreadPoolExecutor(at_once) as pool:
            posts = [
                pool.submit(self._deliver_from, self.hosts[number % len(self.hosts)], pauses)
                for number in range(at_once)
            ]
        for each in posts:
            each.result()

    def finish(self, seconds: float) -> bool:
        """Reconcile until no claim is open, for at most `seconds`. Return whether none is."""
        until = time.monotonic() + seconds
        while self.open_claims():
            if time.monotonic() > until:
                return False
            reconcile(self.hosts[0])
            time.sleep(0.5)
        return True

    def open_claims(self) -> int:
        """Return the number of claims that are not final."""
        query = " or ".join(f"state eq '{state}'" for state in OPEN)
        with self._table("releases") as releases, suppress(ResourceNotFoundError):
            return sum(1 for _ in releases.query_entities(query, select="state"))
        return 0

    def outcomes(self) -> Mapping[tuple[str, str, str], set[str]]:
        """Return the recorded outcomes by rule, model and version."""
        outcomes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        with self._table("decisions") as decisions:
            for row in decisions.list_entities():
                outcomes[row.get("rule", ""), row["model"], row["version"]].add(row["outcome"])
        return outcomes

    @property
    def deaths(self) -> int:
        """How often a host has died."""
        return sum(host.deaths for host in self.hosts)

    def _table(self, name: str) -> TableClient:
        table = f"modeltrigger{name}"
        return TableClient.from_connection_string(self.azurite.connection_string, table)

    def _deliver_from(self, phoenix: Phoenix, pauses: Sequence[float]) -> None:
        while next_one := self.mail.take():
            number, attempts, event = next_one
            try:
                answer = delivered(phoenix, event)
            except HostDoesNotStartError:
                self.mail.abandon()
                raise
            self.answers.append(answer)
            if answer.is_received:
                self.mail.close()
            else:
                pause = pauses[min(attempts, len(pauses) - 1)]
                self.mail.give_back(number, attempts + 1, event, pause)

    @contextmanager
    def _reconciling(self, pause: float) -> Iterator[None]:
        done = Event()

        def go_on() -> None:
            while not done.wait(pause):
                for host in self.hosts:
                    reconcile(host)

        thread = Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def delivered(phoenix: Phoenix, event: Mapping[str, Any]) -> Answer:
    """Deliver an event once."""
    host = phoenix.alive()
    sent = time.monotonic()
    try:
        status = host.deliver([event], seconds=DELIVERY_SECONDS).status
    except OSError:
        status = 0
    return Answer(sent, time.monotonic() - sent, status)


def reconcile(phoenix: Phoenix) -> None:
    """Fire a host's timer; it does not matter if the host dies."""
    try:
        phoenix.alive().fire("reconcile")
    except OSError:
        return


@contextmanager
def launch(
    rules: Mapping[str, Any],
    azure_devops: AzureDevOps,
    *,
    seed: int,
    storage_chance: float = 0.0,
    life: int = 0,
    **settings: str,
) -> Iterator[Fleet]:
    """Start everything, with two hosts.

    Each host executes at most `life` lines; with 0 it does not die.
    """
    with ExitStack() as parts:
        azurite = parts.enter_context(Azurite())
        parts.enter_context(azure_devops)
        table_address = azurite.connection_string.split("TableEndpoint=")[1].split(";")[0]
        proxy = parts.enter_context(FlakyProxy(table_address, seed, storage_chance))
        connection = azurite.connection_string.replace(
            table_address, table_address.replace(proxy.target, proxy.address)
        )
        every = {
            **TIMES,
            "AzureWebJobsStorage": connection,
            "AZURE_DEVOPS_ORG_URL": azure_devops.url,
            "AZURE_DEVOPS_PROJECT": "ml",
            "AZURE_DEVOPS_PAT": "any",
            "RULES": json.dumps(rules),
            **settings,
        }
        fleet = Fleet(
            azurite,
            azure_devops,
            proxy,
            [Phoenix(every, _lives(f"{seed}-{number}", life)) for number in (1, 2)],
        )
        parts.callback(_stop, fleet)
        done = Event()
        parts.callback(done.set)
        Thread(target=watch_stalls, args=(fleet.stalls.append, done)).start()
        yield fleet


def _lives(seed: str, life: int) -> Iterator[int]:
    """Yield the number of lines of each life of a host; the first one is short enough to end."""
    chances = random.Random(seed)  # noqa: S311 - reproducible randomness
    yield chances.randint(1, life // 10) if life else 0
    while True:
        yield chances.randint(1, life) if life else 0


def _stop(fleet: Fleet) -> None:
    for host in fleet.hosts:
        host.stop()
    for host in fleet.hosts:
        fleet.stalls += [line for line in host.printed if line.startswith("stalled ")]
