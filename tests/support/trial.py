"""The app in its environment, and a rule under test: what the protocol tests act on."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Semaphore
from typing import Any

from model_trigger.claims.claim import Partition
from model_trigger.claims.lookup import Freshness
from model_trigger.claims.policy import Policy
from model_trigger.handlers import handle_event, reconcile
from model_trigger.ledger.claims import Claims
from model_trigger.ledger.ledger import Ledger
from model_trigger.reconcile.missing import find_missing
from model_trigger.reconcile.open_claims import finish_claims
from model_trigger.targets.request import TargetDefaults
from tests.support.build import WORKSPACE, deadline, event_text, registration, rule, rulebook

DECISION = "decision "
LEASE = timedelta(minutes=2)
CHURN = Partition("churn", WORKSPACE, "churn")


_DURATIONS = {one.name for one in fields(Policy)}
_DEFAULTS = {one.name for one in fields(TargetDefaults)}
_STORES = {one.name for one in fields(Ledger)}


def with_changes(services, **changes):
    """Return services with other settings, parts or stores, each by its own name."""

    if "notes" in changes:
        store = changes["notes"]
        changes["notes"] = lambda: store

    def of(names):
        return {name: changes.pop(name) for name in names & changes.keys()}

    return replace(
        services,
        policy=replace(services.policy, **of(_DURATIONS)),
        defaults=replace(services.defaults, **of(_DEFAULTS)),
        ledger=changes.pop("ledger", None) or replace(services.ledger, **of(_STORES)),
        **changes,
    )


def find_missed(book, services, limit):
    """Look for missed registrations, as a pass of reconcile does."""
    notes, workspaces = services.ledger.notes(), services.workspaces
    return find_missing(book, services.starter, notes, workspaces, limit)


def finish(book, services, limit):
    """Finish open claims, as a pass of reconcile does."""
    return finish_claims(book, services.starter, services.workspaces, limit)


@dataclass
class App:
    """The app, its environment, and its decisions since they were last read."""

    services: Any
    azure_devops: Any
    azure_ml: Any
    caplog: Any

    def with_rules(self, **rules):
        self.services = with_changes(self.services, rules=partial(rulebook, **rules))
        return self

    def deliver(self, version="17", **options):
        handle_event(event_text(int(version), **options), self.services)

    def register_before(self, model, version):
        """Register a version a minute ago, because the storage clock shows whole seconds only."""
        created = datetime.now(UTC) - timedelta(minutes=1)
        self.azure_ml.register(model, version, created=created)

    def reconcile(self):
        """Run once and return the outcomes as (rule, version, outcome)."""
        self.caplog.clear()
        reconcile(self.services)
        return [(each["rule"], each["version"], each["outcome"]) for each in self.decisions]

    @property
    def decisions(self):
        lines = [each.message for each in self.caplog.records if each.message.startswith(DECISION)]
        return [json.loads(line.removeprefix(DECISION)) for line in lines]

    @property
    def versions(self):
        return [each["variables"]["modelVersion"]["value"] for each in self.azure_devops.releases]

    def claim(self, version="17", partition=CHURN):
        return self.services.ledger.claims.read(partition, version, deadline()).claim

    def let_pass(self, passed, version="17", partition=CHURN):
        """Let time pass for a claim, by moving all its times back."""
        claim = self.claim(version, partition)
        earlier = {
            name: getattr(claim, name) - passed
            for name in (
                "claimed_at",
                "lease_until",
                "tried_at",
                "not_before",
                "failed_since",
                "absent_since",
            )
            if getattr(claim, name)
        }
        self.services.ledger.claims.write(partition, replace(claim, **earlier), None, deadline())

    def let_a_pass_be(self, older_by):
        """Make the rules, the workspace and its last pass that much older."""
        ledger = self.services.ledger
        notes, _ = ledger.notes().workspaces(deadline())
        note = notes[WORKSPACE.key]
        passed_at = note.passed_at and note.passed_at - older_by
        older = replace(note, since=note.since - older_by, passed_at=passed_at)
        ledger.notes().note_workspace(older, deadline())
        memory = ledger.notes().memory(WORKSPACE, deadline())
        for name, noted in memory.rules.items():
            earlier = replace(noted, since=noted.since - older_by)
            ledger.notes().note_rule(WORKSPACE, name, earlier, deadline())
        for model in memory.models.values():
            times = {name: getattr(model, name) - older_by for name in ("listed_at", "settles_at")}
            ledger.notes().note_model(WORKSPACE, replace(model, **times), deadline())


@dataclass
class Trial:
    """A rule for churn, and what was done for it."""

    services: Any
    azure_devops: Any

    @property
    def partition(self):
        return Partition("churn", WORKSPACE, "churn")

    def attend_at_once(self, version):
        """Deliver a version that does not wait for the start of another one."""
        return self.start(version, services=with_changes(self.services, waiting_room=Semaphore(0)))

    def start(self, version="17", *, limit=None, retry=False, tags=None, services=None, **fields):
        of_version = registration(version, tags=tags or {})
        evaluation = rule(**fields).evaluate(of_version)
        limit = limit or deadline()
        freshness = Freshness(limit.clock()) if retry else None
        starter = (services or self.services).starter
        return starter.start(evaluation, of_version, limit, retry=freshness)

    def snapshot(self, version="17"):
        return self.services.ledger.claims.read(self.partition, version, deadline())

    def state(self, version="17"):
        return self.snapshot(version).claim.state

    @property
    def posts(self):
        return [each for each in self.azure_devops.requests if each.method == "POST"]

    @property
    def versions(self):
        return [each["variables"]["modelVersion"]["value"] for each in self.azure_devops.releases]

    def let_pass(self, time, version="17"):
        """Let time pass for a claim and for the slot, by moving all their times back."""
        snapshot = self.snapshot(version)
        claim, mark = snapshot.claim, snapshot.mark
        earlier = {
            name: getattr(claim, name) - time
            for name in ("claimed_at", "lease_until", "tried_at", "not_before", "failed_since")
            if getattr(claim, name)
        }
        if mark.in_flight_until:
            mark = replace(mark, in_flight_until=mark.in_flight_until - time)
        self.services.ledger.claims.write(
            self.partition, replace(claim, **earlier), mark, deadline()
        )


class Interposed:
    """A real part that runs something `before` or `after` one of its calls, or both."""

    def __init__(self, part, call, before=None, after=None):
        self._part, self._call, self._before, self._after = part, call, before, after

    def __getattr__(self, name):
        real = getattr(self._part, name)
        if name != self._call:
            return real

        def call(*arguments, **options):
            if self._before:
                self._before()
            result = real(*arguments, **options)
            if self._after:
                self._after()
            return result

        return call


@dataclass(frozen=True)
class FailingClaims(Claims):
    """Claims of which those of some rules cannot be read, chosen by the rule's name."""

    is_failing: Callable[[str], bool]
    error: Exception

    def claim(self, partition, version, deadline):
        self.fail(partition)
        return super().claim(partition, version, deadline)

    def mark(self, partition, deadline):
        self.fail(partition)
        return super().mark(partition, deadline)

    def fail(self, partition):
        if self.is_failing(partition.rule):
            raise self.error


def with_reads(claims, after):
    """Return the claims such that something runs after each read of a row."""
    return replace(claims, table=Interposed(claims.table, "read", after=after))


def once(do):
    """Do something only the first time."""
    calls = []

    def do_once():
        if not calls:
            calls.append(1)
            do()

    return do_once


def raising(error):
    def fail():
        raise error

    return fail


class Crash(BaseException):
    """The process has died."""
