"""Guarantees where parts meet: within one second, around a lease, and between two claims."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from azure.data.tables import TableServiceClient

from model_trigger.claims import transitions
from model_trigger.claims.claim import Partition, State
from model_trigger.claims.lookup import Freshness
from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from model_trigger.ledger.ledger import Ledger
from tests.sandbox.flaky import FlakyProxy
from tests.support.build import OTHER, deadline, registration, rule
from tests.support.organization import DEPLOY_CHURN, KEYLESS, changed, stand_in
from tests.support.slow import Clock
from tests.support.trial import CHURN, LEASE, Interposed, once, raising, with_changes


def commit_and_lose(churn):
    """Let the next POST be carried out without a response, and hide what it started from lists."""
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("error", status=500, commit=True)


@contextmanager
def losing_one_answer(azurite, ledger):
    """Return a ledger that loses the response to the first transaction after `arm()`."""
    address = azurite.connection_string.split("TableEndpoint=")[1].split(";")[0]
    with FlakyProxy(address, 1, 0.0) as proxy:
        armed = []

        def draw(request):
            return "close after" if "$batch" in request and armed and armed.pop() else "pass"

        proxy.draw = draw
        through = azurite.connection_string.replace(
            address, address.replace(proxy.target, proxy.address)
        )
        with TableServiceClient.from_connection_string(through, retry_total=0) as tables:
            prefix = ledger.claims.table.client.table_name.removesuffix("releases")
            yield Ledger.open(tables, prefix), lambda: armed.append(True)


def test_a_delivery_whose_write_is_lost_never_sends_a_post_under_the_claim_of_another(
    churn, azurite
):
    with losing_one_answer(azurite, churn.services.ledger) as (ledger, arm):
        commit_and_lose(churn)
        first = churn.start()
        arm()
        second = churn.start(services=with_changes(churn.services, claims=ledger.claims))
        third = churn.start()

    assert [Outcome.PENDING] * 3 == [each.outcome for each in (first, second, third)]
    assert (State.UNKNOWN, ["17"]) == (churn.state(), churn.versions)


@pytest.mark.parametrize("write", range(1, 4))
def test_each_release_starts_once_whichever_storage_response_is_lost(churn, azurite, write):
    with losing_one_answer(azurite, churn.services.ledger) as (ledger, arm):
        counted = iter(range(1, 100))

        def count():
            if next(counted) == write:
                arm()

        lossy = Interposed(ledger.claims, "write", before=count)
        churn.azure_devops.fault("error", status=429, retry_after=0)
        outcomes = [
            churn.start(services=with_changes(churn.services, claims=lossy)).outcome
            for _ in range(3)
        ]

    assert Outcome.STARTED in outcomes
    assert ["17"] == churn.versions


def test_a_turn_counts_from_before_the_reading_that_led_to_the_claim(churn):
    services = with_changes(churn.services, claim_lease=timedelta(seconds=4))
    slow = Interposed(services.ledger.claims, "read", after=once(lambda: time.sleep(2.1)))
    decision = churn.start(services=with_changes(services, claims=slow))

    assert (Outcome.PENDING, State.WAITING, []) == (decision.outcome, churn.state(), churn.posts)


def test_a_definition_that_is_read_slowly_uses_up_the_turn(churn):
    services = with_changes(churn.services, claim_lease=timedelta(seconds=4))
    slow = Interposed(services.targets(), "definition", after=once(lambda: time.sleep(2.1)))
    decision = churn.start(services=with_changes(services, targets=lambda: slow))

    assert (Outcome.PENDING, []) == (decision.outcome, churn.posts)
    assert Outcome.STARTED is churn.start().outcome


def test_a_registration_with_a_fault_before_its_claim_is_in_the_ledger_and_found_by_reconcile(app):
    app.azure_devops.fault("error", verb="GET", status=503, times=None)
    with pytest.raises(Exception, match="503"):
        app.deliver("17")
    app.azure_devops.clear_faults()

    assert [("churn", "17", "started")] == app.reconcile()


def test_a_version_that_waits_for_another_is_in_the_ledger_and_moves_the_mark(churn):
    commit_and_lose(churn)
    churn.start("17")
    waiting = churn.attend_at_once("18")

    assert (Outcome.PENDING, State.WAITING) == (waiting.outcome, churn.state("18"))
    mark = churn.snapshot("18").mark
    assert ("18", "17") == (mark.version, mark.in_flight)


def test_a_version_that_waits_with_little_time_left_is_still_in_the_ledger(churn):
    commit_and_lose(churn)
    churn.start("17")
    clock = Clock()
    slow = Interposed(churn.services.ledger.claims, "read", after=lambda: clock.pass_by(0.3))
    services = with_changes(churn.services, claims=slow)
    waiting = churn.start("18", limit=clock.deadline(4), services=services)

    assert (Outcome.PENDING, State.WAITING) == (waiting.outcome, churn.state("18"))


def test_a_limited_number_of_threads_waits_for_another_start(churn):
    services = with_changes(churn.services, waiting_room=threading.Semaphore(0))
    churn.azure_devops.fault("hang", path="releases", verb="POST", seconds=1)
    first = threading.Thread(target=churn.start)
    first.start()
    while not churn.snapshot().claim:
        time.sleep(0.02)
    paused = []
    limit = replace(deadline(), sleep=paused.append)
    one = registration()
    second = services.starter.start(rule().evaluate(one), one, limit)
    first.join()

    assert (Outcome.DUPLICATE, []) == (second.outcome, paused)


def started(version, services, name="churn", project=None, **fields):
    """Deliver a version to a rule that starts the pipeline."""
    one = registration(version, **fields)
    target = {"id": DEPLOY_CHURN.id, **({"project": project} if project else {})}
    to_pipeline = rule(name, release=None, pipeline=target)
    return services.starter.start(to_pipeline.evaluate(one), one, deadline())


def test_a_refusal_of_the_key_alone_is_corrected_within_the_delivery(make_services):
    with stand_in(DEPLOY_CHURN) as azure_devops:
        services = make_services(organization_url=azure_devops.url)
        first = started("16", services)
        with changed(azure_devops, KEYLESS):
            second = started("17", services)
    claim = services.ledger.claims.read(CHURN, "17", deadline()).claim

    assert [Outcome.STARTED] * 2 == [first.outcome, second.outcome]
    assert "modelTriggerKey" not in claim.request.body["templateParameters"]


def test_a_run_without_a_key_is_never_taken_from_another_claim(make_services):
    with stand_in(KEYLESS) as azure_devops:
        services = make_services(organization_url=azure_devops.url)
        azure_devops.fault("error", verb="POST", path="runs", status=500)
        first = started("17", services)

        class LosesCompletion:
            """The run of the other workspace is not in the ledger yet."""

            def __getattr__(self, name):
                return getattr(services.ledger.claims, name)

            def write(self, partition, claim, mark, limit):
                if claim and claim.state is State.STARTED:
                    msg = "storage is busy"
                    raise LedgerError(msg)
                return services.ledger.claims.write(partition, claim, mark, limit)

        busy = with_changes(services, claims=LosesCompletion())
        second = started("17", busy, workspace=OTHER)
        third = started("17", services)

    assert [Outcome.PENDING, Outcome.PENDING, Outcome.FAILED] == [
        each.outcome for each in (first, second, third)
    ]
    assert "another start of churn 17 sent an indistinguishable request" in third.reason
    assert 1 == len(azure_devops.runs)


def test_a_run_without_a_key_is_found_if_no_other_claim_may_have_started_it(make_services):
    with stand_in(KEYLESS) as azure_devops:
        services = make_services(organization_url=azure_devops.url)
        other = started("17", services, workspace=OTHER)
        azure_devops.fault("error", verb="POST", path="runs", status=500, commit=True)
        mine = started("17", services)

    assert [Outcome.STARTED] * 2 == [other.outcome, mine.outcome]
    assert 2 == len({other.release.id, mine.release.id})


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param(lambda _: "ML", id="in another case"),
        pytest.param(lambda service: service.organizations[0].projects[0].id, id="by its id"),
    ],
)
def test_a_run_without_a_key_is_not_taken_from_a_claim_with_another_project_spelling(
    make_services, spelled
):
    with stand_in(KEYLESS) as azure_devops:
        services = make_services(organization_url=azure_devops.url)
        azure_devops.fault("error", verb="POST", path="runs", status=500)
        lost = started("17", services, "mine")
        theirs = started("17", services, "other", spelled(azure_devops))
        looked_up = started("17", services, "mine")

    assert [Outcome.PENDING, Outcome.STARTED, Outcome.PENDING] == [
        each.outcome for each in (lost, theirs, looked_up)
    ]


def test_a_run_without_a_key_is_not_taken_from_a_claim_that_was_given_up(make_services):
    with stand_in(KEYLESS) as azure_devops:
        services = make_services(organization_url=azure_devops.url)
        azure_devops.list_lag = 3600
        azure_devops.fault("error", verb="POST", path="runs", status=500, commit=True)
        started("17", services, workspace=OTHER)
        other = Partition("churn", OTHER, "churn")
        claim = services.ledger.claims.read(other, "17", deadline()).claim
        given_up = replace(claim, state=State.GIVEN_UP)
        services.ledger.claims.write(other, given_up, None, deadline())
        azure_devops.list_lag = 0
        azure_devops.fault("error", verb="POST", path="runs", status=500)
        started("17", services)
        looked_up = started("17", services)

    assert Outcome.FAILED is looked_up.outcome
    assert "another start of churn 17 sent an indistinguishable request" in looked_up.reason


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(
            lambda claim: transitions.not_started(claim, "a lookup found no release"), id="waiting"
        ),
        pytest.param(lambda claim: replace(claim, state=State.GIVEN_UP), id="given up"),
        pytest.param(lambda claim: replace(claim, state=State.CLOSED), id="closed"),
        pytest.param(lambda claim: replace(claim, reason="looked up again"), id="unknown"),
    ],
)
def test_a_release_that_was_seen_is_recorded_despite_concurrent_writes(churn, write):
    commit_and_lose(churn)
    churn.start()
    churn.azure_devops.list_lag = 0
    churn.let_pass(LEASE * 2 + timedelta(minutes=1))

    def meanwhile():
        claim = write(churn.snapshot().claim)
        churn.services.ledger.claims.write(churn.partition, claim, None, deadline())

    seeing = Interposed(churn.services.targets(), "find", after=once(meanwhile))
    done = churn.start(services=with_changes(churn.services, targets=lambda: seeing))

    assert (Outcome.STARTED, State.STARTED) == (done.outcome, churn.state())
    assert ["17"] == churn.versions


def test_a_claim_that_changes_while_it_is_looked_up_is_read_again(churn):
    commit_and_lose(churn)
    churn.start()
    snapshot = churn.snapshot()
    hold = churn.services.starter.hold(churn.partition, "17", deadline(), Freshness(0.0))
    churn.services.ledger.claims.write(
        churn.partition, replace(snapshot.claim, reason="meanwhile"), None, deadline()
    )

    with pytest.raises(ConflictError):
        hold.look_up(snapshot.claim, snapshot, record=True)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_lease_expires_one_second_after_its_end(churn, seconds):
    commit_and_lose(churn)
    gone = Interposed(churn.services.targets(), "start", before=raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        churn.start(services=with_changes(churn.services, targets=lambda: gone))
    claim = churn.snapshot().claim

    standing = claim.standing(claim.lease_until + timedelta(seconds=seconds))
    assert (State.UNKNOWN if seconds else State.STARTING) is standing


def test_a_newer_version_is_started_after_an_older_one_whose_outcome_is_unknown(churn):
    commit_and_lose(churn)
    churn.start("17")
    churn.attend_at_once("18")
    churn.let_pass(LEASE + timedelta(seconds=1))
    newer = churn.start("18")
    churn.azure_devops.list_lag = 0
    older = churn.start("17")

    assert [Outcome.STARTED] * 2 == [newer.outcome, older.outcome]
    assert ["17", "18"] == churn.versions


def test_a_second_release_that_a_lookup_sees_is_recorded_and_reported(churn, caplog):
    commit_and_lose(churn)
    churn.start()
    claim = churn.snapshot().claim
    churn.services.targets().start(claim.request, deadline(), claim.key)
    churn.azure_devops.list_lag = 0
    churn.start()

    first, second = churn.azure_devops.releases
    found = churn.snapshot().claim
    assert (first["id"], second["id"]) == (found.release.id, found.second_release.id)
    assert "duplicate_release" in caplog.text


def test_what_was_started_is_recorded_even_after_the_deadline(churn):
    now = [0.0]
    limit = Deadline(25, lambda: now[0], lambda _: None)
    late = Interposed(churn.services.targets(), "start", after=partial(now.__setitem__, 0, 60.0))
    churn.start(limit=limit, services=with_changes(churn.services, targets=lambda: late))

    assert (State.STARTED, ["17"]) == (churn.state(), churn.versions)
