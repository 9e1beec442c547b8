"""Whole passes: a fault in one claim, rule or step does not stop the others."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from model_trigger.claims.claim import Partition, State
from model_trigger.claims.store import LedgerError
from model_trigger.handlers import DeliverAgainError, reconcile
from model_trigger.ledger.claims import MARK_KEY, claim_key, partition_key
from model_trigger.registrations.listing import AzureMLError
from model_trigger.targets.request import AzureDevOpsError, Unknown
from tests.ledger.test_unreadable_rows import change
from tests.support.build import WORKSPACE, deadline, rulebook
from tests.support.slow import (
    DEAD,
    HEALTHY,
    Clock,
    Models,
    Organizations,
    claims_of,
    in_organization,
)
from tests.support.trial import (
    FailingClaims,
    Interposed,
    find_missed,
    finish,
    raising,
    with_changes,
    with_reads,
)

SOON = datetime.now(UTC) + timedelta(minutes=9)


@pytest.fixture(name="clock")
def _clock(monkeypatch):
    """Return a clock that the handlers use too."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    monkeypatch.setattr("time.sleep", clock.pass_by)
    return clock


@pytest.fixture(name="run")
def _run(make_services, clock):
    """Run a few passes over these models and organizations."""

    def run(book, models, organizations):
        services = make_services(
            workspaces=[WORKSPACE],
            models=lambda: models,
            targets=lambda: organizations,
            rules=lambda: book,
        )
        for _ in range(3):
            reconcile(services)

    return run


def failing_for(organizations, is_affected, fail):
    """Make reading a definition fail for these addresses."""
    whole = organizations.definition

    def definition(address, limit):
        if is_affected(address):
            fail()
        return whole(address, limit)

    organizations.definition = definition


def test_an_open_claim_of_an_unlistable_model_hides_no_missed_registration(
    make_services, clock, run
):
    organizations = Organizations(clock)
    models = Models(clock, ["latest-0", "latest-new"], registered_at=SOON)
    models.faults = {"latest-0": AzureMLError("500")}
    claims_of(make_services(), organizations, latest=(HEALTHY, 1))
    run(
        rulebook(latest=in_organization(HEALTHY, model="latest-*", start="latest")),
        models,
        organizations,
    )

    assert ["latest-new"] == organizations.started


def test_an_open_claim_that_times_out_in_each_pass_hides_no_missed_registration(
    make_services, clock, run
):
    def time_out():
        clock.pass_by(20)
        msg = "HTTP 504"
        raise AzureDevOpsError(msg)

    organizations = Organizations(clock)
    failing_for(organizations, lambda address: address.definition == 9, time_out)
    claims_of(make_services(), organizations, bad=(HEALTHY, 1))
    bad = {"model": "bad-*", "release": {"definition": 9, "organization_url": HEALTHY}}
    book = rulebook(bad=bad, good=in_organization(HEALTHY, model="new"))
    run(book, Models(clock, ["new"], registered_at=SOON), organizations)

    assert ["new"] == organizations.started


def test_an_unexpected_fault_in_one_rule_does_not_stop_another_for_the_model(clock, run):
    organizations = Organizations(clock)
    failing_for(
        organizations,
        lambda address: address.organization_url == DEAD,
        raising(ZeroDivisionError()),
    )
    book = rulebook(
        odd=in_organization(DEAD, model="churn"), fine=in_organization(HEALTHY, model="churn")
    )
    run(book, Models(clock, ["churn"], registered_at=SOON), organizations)

    assert ["churn"] == organizations.started


def test_storage_that_fails_for_one_rule_keeps_no_other_rule_from_a_model(settled, caplog):
    table = settled.services.ledger.claims.table
    failing = FailingClaims(table, lambda rule: rule == "a", LedgerError("timed out"))
    settled.with_rules(a={}, b={"release": {"definition": 2}}).reconcile()
    settled.let_a_pass_be(timedelta(minutes=5))
    settled.azure_ml.register("churn", "17")
    settled.services = with_changes(settled.services, claims=failing)

    assert [("b", "17", "started")] == settled.reconcile()
    assert "rule 'a', model 'churn': timed out" in caplog.text


@pytest.mark.parametrize("count", [1, 2, 4])
def test_storage_that_is_down_ends_the_check_of_a_workspace_and_is_shown(
    make_services, clock, caplog, count
):
    models = Models(clock, [f"model-{number}" for number in range(10)], registered_at=SOON)
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    table = services.ledger.claims.table
    down = FailingClaims(table, lambda _: True, LedgerError("storage is down"))
    book = rulebook(**{f"rule{number}": {"model": "*"} for number in range(count)})
    list(find_missed(book, with_changes(services, claims=down), clock.deadline()))
    note = services.ledger.notes().workspaces(deadline())[0][WORKSPACE.key]

    assert (3, 7) == (note.progress.failed, note.progress.left)
    assert "storage is down" == note.problem
    assert 3 * min(count, 3) == caplog.text.count("storage is down")


@pytest.mark.parametrize("rules", [("a", "fine"), ("fine", "a", "b", "c")], ids=["one", "three"])
def test_a_rule_whose_storage_always_fails_stops_no_other_rule_on_any_model(
    make_services, clock, rules
):
    names = [f"model-{number}" for number in range(8)]
    models, organizations = Models(clock, names, registered_at=SOON), Organizations(clock)
    services = make_services(
        workspaces=[WORKSPACE], models=lambda: models, targets=lambda: organizations
    )
    table = services.ledger.claims.table
    failing = FailingClaims(table, lambda rule: rule != "fine", LedgerError("timed out"))
    book = rulebook(**{name: in_organization(HEALTHY, model="model-*") for name in rules})
    list(find_missed(book, with_changes(services, claims=failing), clock.deadline(240)))
    note = services.ledger.notes().workspaces(deadline())[0][WORKSPACE.key]

    assert names == sorted(organizations.started)
    assert (8, "timed out") == (note.progress.failed, note.problem)


@pytest.mark.parametrize("limit", [26, 60])
def test_running_out_of_time_is_no_problem_of_a_workspace(make_services, clock, limit):
    models = Models(clock, ["model-1"], registered_at=SOON, many={"model-1": 3})
    organizations = Organizations(clock)
    start = organizations.start

    def slow(request, within, key=""):
        clock.pass_by(min(17.0, within.remaining))
        return start(request, within, key)

    organizations.start = slow
    services = make_services(
        workspaces=[WORKSPACE], models=lambda: models, targets=lambda: organizations
    )
    every = in_organization(HEALTHY, model="model-*", start="every")
    list(find_missed(rulebook(a=every, b=every), services, clock.deadline(limit)))

    assert "" == services.ledger.notes().workspaces(deadline())[0][WORKSPACE.key].problem


def test_a_missed_registration_is_started_as_long_as_there_is_time_for_a_start(settled):
    settled.azure_ml.register("churn", "17")
    services = settled.services
    outcomes = [one.outcome for one in find_missed(services.rules(), services, deadline(32))]

    assert ["started"] == outcomes


@pytest.mark.parametrize("row", [MARK_KEY, claim_key("16")])
def test_an_unreadable_row_of_one_rule_does_not_stop_another_for_the_model(settled, row):
    settled.register_before("churn", "16")
    settled.with_rules(a={}, b={"release": {"definition": 2}}).reconcile()
    settled.deliver("16")
    partition = partition_key(Partition("a", WORKSPACE, "churn"))
    broken = {"ordering": None} if row == MARK_KEY else {"registration": "{"}
    change(settled.services.ledger, partition, row, **broken)
    settled.let_a_pass_be(timedelta(minutes=5))
    settled.with_rules(a={"version": ">=1"}, b={"release": {"definition": 2}})
    settled.azure_ml.register("churn", "17")

    assert ("b", "17", "started") in settled.reconcile()


def test_a_step_that_fails_unexpectedly_does_not_stop_the_others(settled):
    settled.azure_ml.register("churn", "17")
    failing = Interposed(
        settled.services.ledger.claims, "open_claims", before=raising(KeyError("value"))
    )
    settled.services = with_changes(settled.services, claims=failing)

    with pytest.raises(KeyError):
        settled.reconcile()
    assert ["17"] == settled.versions


def test_a_claim_whose_rule_observes_something_else_is_left_alone(settled):
    settled.azure_devops.fault("error", status=403)
    settled.deliver("17")
    settled.let_pass(timedelta(minutes=10))

    assert [] == settled.with_rules(churn={"mode": "observe", "version": ">=99"}).reconcile()
    assert State.FAILED is settled.claim().state


def test_what_was_refused_before_a_downtime_is_retried_once_before_it_is_given_up(settled):
    settled.azure_devops.fault("error", status=403)
    settled.deliver("17")
    settled.let_pass(timedelta(days=3))

    assert [("churn", "17", "started")] == settled.reconcile()


def test_a_lookup_that_the_ledger_interrupts_counts_as_tried(settled):
    settled.azure_devops.list_lag = 3600
    settled.azure_devops.fault("error", status=500, commit=True)
    with suppress(Exception):
        settled.deliver("17")
    settled.let_pass(timedelta(minutes=3))
    tried_at = settled.claim().tried_at
    failing = Interposed(
        settled.services.targets(), "find", before=raising(LedgerError("a scan took too long"))
    )
    settled.services = with_changes(settled.services, targets=lambda: failing)

    assert [("churn", "17", "pending")] == settled.reconcile()
    assert settled.claim().tried_at > tried_at


def test_a_pass_without_time_left_leaves_deletion_to_the_next(settled, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    slow = Interposed(
        settled.services.ledger.notes(), "note_workspace", after=lambda: clock.pass_by(1000)
    )
    settled.services = with_changes(settled.services, notes=slow)

    assert [] == settled.reconcile()


def test_a_slow_gateway_timeout_does_not_delay_other_organizations(make_services, clock):
    organizations = Organizations(clock)
    services = make_services(targets=lambda: organizations)
    book = claims_of(services, organizations, slow=(DEAD, 50), healthy=(HEALTHY, 1))
    whole = organizations.start

    def start(request, limit, key):
        if request.organization_url == DEAD:
            clock.pass_by(15)
            return Unknown("HTTP 504")
        return whole(request, limit, key)

    organizations.start = start
    list(finish(book, services, clock.deadline(120)))

    assert ["healthy-0"] == organizations.started


def test_reading_many_claims_leaves_time_to_record_the_progress_of_a_pass(make_services, clock):
    models = Models(clock, ["churn"], registered_at=SOON, many={"churn": 20})
    services = make_services(workspaces=[WORKSPACE], models=lambda: models)
    slow = with_reads(services.ledger.claims, lambda: clock.pass_by(6))
    book = rulebook(churn={"start": "every"})
    list(find_missed(book, with_changes(services, claims=slow), clock.deadline(100)))

    assert "churn" in services.ledger.notes().memory(WORKSPACE, clock.deadline()).models


def test_one_reading_of_a_list_serves_all_claims_of_a_pass(settled):
    settled.with_rules(churn={"start": "every"})
    for version in ("17", "18", "19"):
        settled.azure_devops.fault("error", status=500)
        with pytest.raises(DeliverAgainError):
            settled.deliver(version)
        settled.let_pass(timedelta(minutes=6), version)
    before = len(settled.azure_devops.requests)
    settled.reconcile()

    sent = settled.azure_devops.requests[before:]
    assert 1 == sum("minCreatedTime" in each.query for each in sent)
    assert {"17", "18", "19"} == set(settled.versions)
