"""A pass stops where its time is over and goes on there, and no part of it stops the others."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from model_trigger.claims import State
from model_trigger.deadline import Deadline
from model_trigger.decisions import Outcome
from model_trigger.events import Workspace
from model_trigger.handlers import reconcile
from model_trigger.open_claims import finish_claims
from model_trigger.passes import ModelSummary
from model_trigger.ports import AzureDevOpsError, AzureMLError, WorkspaceAccessError
from model_trigger.starting import attend
from model_trigger.targets import Absent, Definition, NotStarted, Refused, Release, Started
from model_trigger.workspaces import find_missing
from tests.build import WORKSPACE, deadline, registration, rulebook

PASS = 240.0
HEALTHY, DEAD = "https://dev.azure.com/healthy", "https://dev.azure.com/dead"
OTHER = Workspace.parse(WORKSPACE.id.replace("ml-prod-ws", "ml-test-ws"))
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


@dataclass
class Clock:
    """A clock that only moves when something takes its time."""

    now: float = 0.0

    def deadline(self, seconds=PASS):
        return Deadline(self.now + seconds, lambda: self.now, self.pass_by)

    def pass_by(self, seconds):
        self.now += seconds


@dataclass
class Models:
    """A workspace's models, each of which takes so many seconds to list.

    `faults` maps a model to what listing it raises.
    """

    clock: Clock
    names: list[str]
    seconds: float = 0.5
    registered_at: Any = LONG_AGO
    faults: dict[str, Exception] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)

    def models(self, _workspace, _deadline):
        for name in self.names:
            yield ModelSummary(name, "1", None)

    def versions(self, workspace, model, _deadline):
        self.clock.pass_by(self.seconds)
        self.listed.append(model)
        if model in self.faults:
            raise self.faults[model]
        yield registration("1", model, workspace=workspace, registered_at=self.registered_at)


@dataclass
class Organizations:
    """Azure DevOps, one organization of which does not answer while it is dead.

    `seconds` is how long an answer takes, `refuses` whether it is no.
    """

    clock: Clock
    dead: str = ""
    seconds: float = 0.0
    refuses: bool = False
    started: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def _ask(self, organization, deadline):
        self.asked.append(organization)
        if organization == self.dead:
            self.clock.pass_by(deadline.remaining)
            msg = "timed out"
            raise AzureDevOpsError(msg, answered=False)
        self.clock.pass_by(self.seconds)

    def definition(self, address, deadline):
        self._ask(address.organization_url, deadline)
        return Definition(1, "deploy", variables={"modelName": True})

    def start(self, request, _deadline, _key):
        if self.refuses:
            return Refused("no")
        model = request.body["variables"]["modelName"]["value"]
        self.started.append(model)
        return Started(Release(len(self.started), "https://dev.azure.com/release"))

    def find(self, request, _key, _since, _began_after, deadline):
        self._ask(request.organization_url, deadline)
        return Absent()


@pytest.fixture(name="clock")
def _clock():
    return Clock()


def progress(services, workspace=WORKSPACE):
    notes, _ = services.ledger.workspace_notes(deadline())
    return notes[workspace.key].progress


def test_a_large_workspace_is_checked_to_its_end_in_the_passes_that_are_announced(
    make_services, clock
):
    models = Models(clock, [f"model-{number:04}" for number in range(2000)])
    services = make_services(workspaces=[WORKSPACE], azure_ml=lambda: models)
    book = rulebook(all={"model": "*"})
    list(find_missing(book, services, clock.deadline()))
    announced = progress(services).passes_left
    assert announced
    for left in reversed(range(announced)):
        list(find_missing(book, services, clock.deadline()))
        assert left == progress(services).passes_left
    notes, _ = services.ledger.workspace_notes(deadline())

    assert notes[WORKSPACE.key].passed_at is not None
    assert sorted(models.names) == sorted(models.listed)


def test_every_workspace_gets_its_turn_beside_one_that_takes_all_the_time(make_services, clock):
    models = Models(clock, [f"model-{number:03}" for number in range(100)], seconds=20)
    services = make_services(workspaces=[WORKSPACE, OTHER], azure_ml=lambda: models)
    list(find_missing(rulebook(all={"model": "*"}), services, clock.deadline()))

    assert progress(services).checked
    assert progress(services, OTHER).checked


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(AzureMLError("503"), id="that cannot be listed just now"),
        pytest.param(WorkspaceAccessError("404"), id="that may not be listed"),
        pytest.param(OverflowError("date value out of range"), id="with an unreadable date"),
    ],
)
def test_one_model_stops_no_other(make_services, clock, fault, caplog):
    organizations = Organizations(clock)
    models = Models(clock, ["a", "b", "c"], registered_at=datetime.now(UTC) + timedelta(seconds=9))
    services = make_services(
        workspaces=[WORKSPACE],
        azure_ml=lambda: models,
        azure_devops=lambda: organizations,
        organization_url=HEALTHY,
    )
    book = rulebook(all={"model": "*"})
    models.names, models.faults = ["a", "b", "c"], {"b": fault}
    list(find_missing(book, services, clock.deadline()))

    assert ["a", "c"] == organizations.started
    assert "'b'" in caplog.text or str(fault) in caplog.text
    assert (1, 0) == (progress(services).failed, progress(services).left)


def test_a_workspace_that_cannot_be_listed_at_all_is_not_asked_for_each_model(make_services, clock):
    names = [f"model-{number}" for number in range(50)]
    models = Models(clock, names, faults=dict.fromkeys(names, AzureMLError("503")))
    services = make_services(workspaces=[WORKSPACE], azure_ml=lambda: models)
    list(find_missing(rulebook(all={"model": "*"}), services, clock.deadline()))

    assert 3 == len(models.listed)


def claims_of(services, organizations, **models_of):
    """Claim a version of each model; nothing is started yet."""
    book = rulebook(
        **{
            rule: {
                "model": f"{rule}-*",
                "release": {"definition": 1, "organization_url": organization},
            }
            for rule, (organization, _) in models_of.items()
        }
    )
    organizations.start = lambda *_: NotStarted("429")
    for rule, (_, number) in models_of.items():
        for each in range(number):
            one = registration("1", f"{rule}-{each}")
            (evaluation,) = book.evaluate(one)
            decision = attend(evaluation, one, services, organizations.clock.deadline(25))
            assert Outcome.PENDING is decision.outcome
    del organizations.start
    organizations.asked.clear()
    return book


def test_a_healthy_organization_is_served_in_the_first_pass_beside_a_dead_one(make_services, clock):
    organizations = Organizations(clock)
    services = make_services(azure_devops=lambda: organizations)
    book = claims_of(services, organizations, dead=(DEAD, 50), healthy=(HEALTHY, 1))
    organizations.dead = DEAD
    list(finish_claims(book, services, clock.deadline(120)))

    assert ["healthy-0"] == organizations.started
    assert 1 == organizations.asked.count(DEAD)


def test_claims_that_keep_failing_take_turns(make_services, clock):
    organizations = Organizations(clock)
    services = make_services(
        azure_devops=lambda: organizations, retry_pause=timedelta(microseconds=1)
    )
    book = claims_of(services, organizations, slow=(HEALTHY, 9))
    organizations.seconds, organizations.refuses = 20.0, True
    tried: list[str] = []
    for _ in range(3):
        for partition, claim in services.ledger.open_claims(deadline())[0]:
            earlier = replace(claim, tried_at=claim.tried_at - timedelta(hours=1))
            services.ledger.write(partition, earlier, None, deadline())
        decisions = finish_claims(book, services, clock.deadline(120))
        tried += [one.registration.model for one in decisions]

    assert [f"slow-{number}" for number in range(9)] == sorted(set(tried))


def test_a_claim_with_an_unexpected_fault_is_logged_by_its_name_and_stops_no_other(
    make_services, clock, caplog
):
    organizations = Organizations(clock)
    services = make_services(azure_devops=lambda: organizations)
    book = claims_of(services, organizations, odd=(HEALTHY, 2), fine=(HEALTHY, 1))
    whole = organizations.definition

    def definition(address, limit):
        if not organizations.asked:
            organizations.asked.append("")
            raise ZeroDivisionError
        return whole(address, limit)

    organizations.definition = definition
    list(finish_claims(book, services, clock.deadline(120)))

    assert 2 == len(organizations.started)
    assert "'1' could not be finished" in caplog.text


def test_open_claims_leave_time_for_missed_registrations(make_services, monkeypatch, caplog):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    organizations = Organizations(clock)
    models = Models(clock, ["missed"], registered_at=datetime.now(UTC) + timedelta(seconds=9))
    services = make_services(
        azure_devops=lambda: organizations,
        azure_ml=lambda: models,
        organization_url=HEALTHY,
        workspaces=[WORKSPACE],
    )
    claims_of(services, organizations, slow=(HEALTHY, 20))
    organizations.seconds = 20.0
    slow = {"model": "slow-*", "release": {"definition": 1, "organization_url": HEALTHY}}
    book = partial(rulebook, slow=slow, missed={"model": "missed"})

    reconcile(replace(services, rules=book))

    assert "missed" in organizations.started
    assert State.WAITING in {one.state for _, one in services.ledger.open_claims(deadline())[0]}
