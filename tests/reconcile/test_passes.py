"""A pass stops when its time is up and continues later, and no part of it stops the others."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from model_trigger.claims.claim import State
from model_trigger.claims.store import LedgerError
from model_trigger.handlers import reconcile, status_page
from model_trigger.reconcile.progress import WorkspaceNote
from model_trigger.registrations.listing import AzureMLError, WorkspaceAccessError
from model_trigger.registrations.registration import Workspace
from tests.support.build import OTHER, WORKSPACE, deadline, rulebook
from tests.support.kept import keep_claim
from tests.support.slow import (
    DEAD,
    HEALTHY,
    Clock,
    Models,
    Organizations,
    claims_of,
    in_organization,
    progress,
)
from tests.support.trial import (
    Interposed,
    find_missed,
    finish,
    raising,
    with_changes,
    with_reads,
)


@pytest.fixture(name="clock")
def _clock():
    return Clock()


@dataclass
class Later:
    """A ledger whose clock advances five minutes at each pass."""

    ledger: Any
    passes: int = 0

    def __getattr__(self, name):
        return getattr(self.ledger, name)

    def workspaces(self, limit):
        self.passes += 1
        notes, now = self.ledger.workspaces(limit)
        return notes, now + self.passes * timedelta(minutes=5)


def test_a_large_workspace_is_checked_completely_in_the_announced_passes(make_services, clock):
    models = Models(clock, [f"model-{number:04}" for number in range(2000)])
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    book = rulebook(all={"model": "*"})
    list(find_missed(book, services, clock.deadline()))
    announced = progress(services).passes_left
    assert announced
    for left in reversed(range(announced)):
        list(find_missed(book, services, clock.deadline()))
        assert left == progress(services).passes_left
    notes, _ = services.ledger.notes().workspaces(deadline())

    assert notes[WORKSPACE.key].passed_at is not None
    assert sorted(models.names) == sorted(models.listed)


def test_every_workspace_gets_its_turn_despite_one_that_takes_all_the_time(make_services, clock):
    models = Models(clock, [f"model-{number:03}" for number in range(100)], seconds=20)
    services = make_services(workspaces=[WORKSPACE, OTHER], models=lambda: models)
    list(find_missed(rulebook(all={"model": "*"}), services, clock.deadline()))

    assert progress(services).checked
    assert progress(services, OTHER).checked


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(AzureMLError("503"), id="temporarily unlistable"),
        pytest.param(WorkspaceAccessError("404"), id="without permission"),
        pytest.param(OverflowError("date value out of range"), id="with an unreadable date"),
    ],
)
def test_one_model_stops_no_other(make_services, clock, fault, caplog):
    organizations = Organizations(clock)
    models = Models(clock, ["a", "b", "c"], registered_at=datetime.now(UTC) + timedelta(minutes=9))
    services = make_services(
        workspaces=[WORKSPACE],
        models=lambda: models,
        targets=lambda: organizations,
        organization_url=HEALTHY,
    )
    book = rulebook(all={"model": "*"})
    models.names, models.faults = ["a", "b", "c"], {"b": fault}
    list(find_missed(book, services, clock.deadline()))

    assert ["a", "c"] == organizations.started
    assert "'b'" in caplog.text or str(fault) in caplog.text
    assert (1, 0) == (progress(services).failed, progress(services).left)


def test_an_unlistable_workspace_is_not_queried_for_each_model(make_services, clock):
    names = [f"model-{number}" for number in range(50)]
    models = Models(clock, names, faults=dict.fromkeys(names, AzureMLError("503")))
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    list(find_missed(rulebook(all={"model": "*"}), services, clock.deadline()))

    assert 3 == len(models.listed)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(
            {"faults": {f"model-{number}": AzureMLError("500") for number in range(3)}},
            id="that can never be listed",
        ),
        pytest.param({"endless": {"model-0"}}, id="that takes longer than a pass to list"),
    ],
)
def test_no_model_repeatedly_prevents_others_from_being_checked(make_services, clock, odd):
    models = Models(clock, [f"model-{number}" for number in range(9)], **odd)
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    later = Later(services.ledger.notes())
    for number in range(4):
        new = {f"rule{number}": {"model": "*"}}
        list(find_missed(rulebook(**new), with_changes(services, notes=later), clock.deadline()))

    assert 2 <= min(models.listed.count(name) for name in models.names)


def test_the_many_new_versions_of_a_model_are_read_at_once(make_services, clock):
    soon = datetime.now(UTC) + timedelta(minutes=9)
    models = Models(clock, ["a-sweep", "b"], registered_at=soon, many={"a-sweep": 40})
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    for model, number in (("a-sweep", 40), ("b", 1)):
        for version in range(1, number + 1):
            keep_claim(services, State.STARTED, str(version), rule="all", model=model)
    slow = with_reads(services.ledger.claims, lambda: clock.pass_by(2))
    book = rulebook(all={"model": "*"})
    list(find_missed(book, with_changes(services, claims=slow), clock.deadline(60)))

    assert (2, 0) == (progress(services).checked, progress(services).left)


def test_a_version_that_is_decided_costs_one_read(make_services, clock):
    soon = datetime.now(UTC) + timedelta(minutes=9)
    services = make_services(
        workspaces=[WORKSPACE], models=lambda: Models(clock, ["churn"], registered_at=soon)
    )
    keep_claim(services, State.STARTED, "1")
    reads = []
    claims = with_reads(services.ledger.claims, lambda: reads.append(1))
    list(find_missed(rulebook(churn={}), with_changes(services, claims=claims), clock.deadline()))

    assert [1] == reads


def test_every_workspace_has_its_turn_in_some_pass(make_services, clock):
    names = [f"ws-{number}" for number in range(10)]
    models = Models(clock, [f"model-{number}" for number in range(100)], seconds=9)
    services = make_services(
        workspaces=[Workspace.parse(WORKSPACE.id.replace("ml-prod-ws", one)) for one in names],
        models=lambda: models,
    )
    for _ in range(5):
        list(find_missed(rulebook(all={"model": "*"}), services, clock.deadline()))

    assert set(names) == models.workspaces


def test_a_workspace_without_permission_shows_why_and_its_progress(settled):
    settled.register_before("churn", "17")
    settled.reconcile()
    settled.azure_ml.fault("error", status=403, times=None)
    settled.reconcile()
    answer = status_page({}, "application/json", lambda: settled.services)
    (shown,) = json.loads(answer.body)["workspaces"]

    assert "infra/subscribe.bicep" in shown["problem"]
    assert (1, 0) == (shown["models"], shown["models_left"])


def test_unlistable_models_do_not_count_as_skipped_for_lack_of_time(make_services, clock):
    models = Models(clock, ["a", "b", "c"], faults={"b": AzureMLError("500")})
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    for _ in range(2):
        list(find_missed(rulebook(all={"model": "*"}), services, clock.deadline()))

    assert (1, 0, 0) == (
        progress(services).failed,
        progress(services).left,
        progress(services).passes_left,
    )


@pytest.mark.parametrize(
    "silence",
    [
        pytest.param({}, id="that does not respond"),
        pytest.param(
            {"silence": 20, "answers": True}, id="whose gateway responds after 20 seconds"
        ),
    ],
)
def test_a_healthy_organization_is_served_in_the_first_pass_despite_a_dead_one(
    make_services, clock, silence
):
    organizations = Organizations(clock, **silence)
    services = make_services(targets=lambda: organizations)
    book = claims_of(services, organizations, dead=(DEAD, 50), healthy=(HEALTHY, 1))
    organizations.dead = DEAD
    list(finish(book, services, clock.deadline(120)))

    assert ["healthy-0"] == organizations.started
    assert 1 == organizations.asked.count(DEAD)


def test_a_claim_that_needs_no_list_is_finished_despite_a_hanging_workspace(make_services, clock):
    organizations = Organizations(clock)
    services = make_services(targets=lambda: organizations)
    claims_of(services, organizations, latest=(HEALTHY, 50), healthy=(HEALTHY, 1))
    models = Models(clock, [], endless=[f"latest-{number}" for number in range(50)])
    book = rulebook(
        latest=in_organization(HEALTHY, model="latest-*", start="latest"),
        healthy=in_organization(HEALTHY, model="healthy-*"),
    )
    services = with_changes(services, models=lambda: models)
    list(finish(book, services, clock.deadline(120)))

    assert ["healthy-0"] == organizations.started
    assert 1 == len(models.listed)


def test_missed_registrations_for_a_dead_organization_do_not_delay_others(make_services, clock):
    organizations = Organizations(clock, dead=DEAD)
    soon = datetime.now(UTC) + timedelta(minutes=9)
    names = [*(f"dead-{number:02}" for number in range(12)), "healthy"]
    models = Models(clock, names, registered_at=soon)
    services = make_services(
        workspaces=[WORKSPACE], models=lambda: models, targets=lambda: organizations
    )
    book = rulebook(
        dead=in_organization(DEAD, model="dead-*"),
        healthy=in_organization(HEALTHY, model="healthy"),
    )
    list(find_missed(book, services, clock.deadline()))

    assert ["healthy"] == organizations.started
    assert 1 == organizations.asked.count(DEAD)


def test_claims_that_keep_failing_take_turns(make_services, clock):
    organizations = Organizations(clock)
    services = make_services(targets=lambda: organizations, retry_pause=timedelta(microseconds=1))
    book = claims_of(services, organizations, slow=(HEALTHY, 9))
    organizations.seconds, organizations.refuses = 20.0, True
    tried: list[str] = []
    for _ in range(3):
        for partition, claim in services.ledger.claims.open_claims(deadline())[0]:
            earlier = replace(claim, tried_at=claim.tried_at - timedelta(hours=1))
            services.ledger.claims.write(partition, earlier, None, deadline())
        decisions = finish(book, services, clock.deadline(120))
        tried += [one.registration.model for one in decisions]

    assert [f"slow-{number}" for number in range(9)] == sorted(set(tried))


def test_a_claim_with_an_unexpected_fault_is_named_in_the_log_and_stops_no_other(
    make_services, clock, caplog
):
    organizations = Organizations(clock)
    services = make_services(targets=lambda: organizations)
    book = claims_of(services, organizations, odd=(HEALTHY, 2), fine=(HEALTHY, 1))
    whole = organizations.definition

    def definition(address, limit):
        if not organizations.asked:
            organizations.asked.append("")
            raise ZeroDivisionError
        return whole(address, limit)

    organizations.definition = definition
    list(finish(book, services, clock.deadline(120)))

    assert 2 == len(organizations.started)
    assert "'1' could not be finished" in caplog.text


def test_open_claims_leave_time_for_missed_registrations(make_services, monkeypatch, caplog):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    organizations = Organizations(clock)
    models = Models(clock, ["missed"], registered_at=datetime.now(UTC) + timedelta(minutes=9))
    services = make_services(
        targets=lambda: organizations,
        models=lambda: models,
        organization_url=HEALTHY,
        workspaces=[WORKSPACE],
    )
    claims_of(services, organizations, slow=(HEALTHY, 20))
    organizations.seconds = 20.0
    slow = in_organization(HEALTHY, model="slow-*")
    book = partial(rulebook, slow=slow, missed={"model": "missed"})

    reconcile(with_changes(services, rules=book))

    assert "missed" in organizations.started
    assert State.WAITING in {
        one.state for _, one in services.ledger.claims.open_claims(deadline())[0]
    }


@pytest.mark.parametrize(
    ("store", "call"),
    [("claims", "open_claims"), ("decisions", "delete_before"), ("notes", "forget_workspace")],
)
def test_a_failed_storage_call_stops_nothing_else(settled, store, call):
    removed = WorkspaceNote(OTHER, datetime.now(UTC))
    settled.services.ledger.notes().note_workspace(removed, deadline())
    settled.azure_ml.register("churn", "17")
    whole = getattr(settled.services.ledger, store)
    whole = whole() if store == "notes" else whole
    failing = Interposed(whole, call, before=raising(LedgerError("timed out")))
    settled.services = with_changes(settled.services, **{store: failing})
    with suppress(LedgerError):
        settled.reconcile()

    assert ["17"] == settled.versions
