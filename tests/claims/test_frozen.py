"""A process that was frozen between its last check and the POST, and what the others make of it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from model_trigger.claims import sighting, transitions
from model_trigger.claims.claim import Done, State
from model_trigger.claims.lookup import Freshness
from model_trigger.claims.store import LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from model_trigger.handlers import DeliverAgainError
from model_trigger.targets.request import Absent, Candidates, Found, Release, StartRequest
from tests.support.build import POLICY, claim, deadline
from tests.support.slow import Clock
from tests.support.trial import CHURN, Crash, Interposed, once, raising, with_changes

LATER = timedelta(minutes=5)
RELEASE = Release(7, "https://dev.azure.com/contoso/ml/_release?releaseId=7")
SECOND = Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8")
THIRD = Release(9, "https://dev.azure.com/contoso/ml/_release?releaseId=9")


@dataclass
class Frozen:
    """A store whose every write is answered a minute later."""

    store: Any
    clock: Clock

    def read(self, *arguments):
        return self.store.read(*arguments)

    def write(self, *arguments):
        try:
            return self.store.write(*arguments)
        finally:
            self.clock.pass_by(60)


def recorded_beside_a_dead_owner(churn):
    """Let a frozen process record its release on the claim of one that died before its own POST."""
    targets = churn.services.targets()

    def meanwhile():
        churn.let_pass(LATER)
        dying = Interposed(targets, "start", before=raising(Crash()))
        with pytest.raises(Crash):
            churn.start(services=with_changes(churn.services, targets=lambda: dying))

    frozen = Interposed(targets, "start", before=meanwhile)
    churn.start(services=with_changes(churn.services, targets=lambda: frozen))
    churn.let_pass(LATER)


def test_a_release_that_a_frozen_process_recorded_is_not_started_again(churn, caplog):
    recorded_beside_a_dead_owner(churn)
    churn.azure_devops.list_lag = 3600
    decision = churn.start()

    (release,) = churn.azure_devops.releases
    assert (Outcome.STARTED, release["id"]) == (decision.outcome, decision.release.id)
    assert (State.STARTED, None) == (churn.state(), churn.snapshot().claim.second_release)
    assert "duplicate_release" not in caplog.text


def test_a_release_that_a_frozen_process_recorded_is_never_given_up(settled):
    settled.azure_devops.fault("error", status=500, commit=True)
    settled.azure_devops.list_lag = 3600
    with pytest.raises(DeliverAgainError):
        settled.deliver()
    unknown = replace(settled.claim(), second_release=SECOND)
    settled.services.ledger.claims.write(CHURN, unknown, None, deadline())
    settled.azure_devops.fault("error", verb="GET", path="releases", status=503, times=100)
    settled.let_pass(LATER)
    settled.reconcile()
    settled.let_pass(2 * POLICY.retry_for)

    assert [("churn", "17", "started")] == settled.reconcile()
    assert SECOND == settled.claim().release


@pytest.mark.parametrize("lag", [0, 3600])
def test_the_lost_start_of_a_later_turn_is_detected_beside_that_of_a_frozen_process(
    churn, caplog, lag
):
    targets = churn.services.targets()

    def meanwhile():
        churn.let_pass(LATER)
        churn.azure_devops.list_lag = 3600
        churn.azure_devops.fault("error", status=500, commit=True)
        churn.start()
        churn.azure_devops.list_lag = lag

    frozen = Interposed(targets, "start", before=meanwhile)
    churn.start(services=with_changes(churn.services, targets=lambda: frozen))
    churn.let_pass(LATER)
    churn.azure_devops.list_lag = 0
    decision = churn.start()

    first, second = (one["id"] for one in churn.azure_devops.releases)
    claim = churn.snapshot().claim
    assert (Outcome.STARTED, State.STARTED) == (decision.outcome, claim.state)
    assert {first, second} == {claim.release.id, claim.second_release.id}
    assert "duplicate_release" in caplog.text


def test_a_release_is_recorded_however_often_the_claim_changes_meanwhile(churn):
    churn.start()
    stale, whole = churn.snapshot(), churn.services.ledger.claims
    starting = replace(stale.claim, state=State.STARTING, owner="a later turn", release=None)
    written, _ = whole.write(churn.partition, starting, None, deadline())
    later = transitions.started(written, RELEASE)
    change = once(lambda: whole.write(churn.partition, later, None, deadline()))
    changing = Interposed(whole, "read", after=change)
    starter = with_changes(churn.services, claims=changing).starter
    hold = starter.hold(churn.partition, "17", deadline(), Freshness(0.0))
    late = replace(transitions.started(stale.claim, SECOND), owner="a frozen one")
    hold.complete(late, stale.mark, Done(Outcome.STARTED, "", SECOND))

    claim = churn.snapshot().claim
    assert (RELEASE, SECOND) == (claim.release, claim.second_release)


@pytest.mark.parametrize("retry", [False, True], ids=["delivery", "reconcile"])
def test_a_release_listed_before_the_other_one_proves_nothing_about_it(churn, caplog, retry):
    targets = churn.services.targets()

    def meanwhile():
        churn.let_pass(LATER)
        churn.azure_devops.list_lag = 3600
        churn.azure_devops.fault("error", status=500, commit=True)
        churn.start()

    frozen = Interposed(targets, "start", before=meanwhile)
    churn.start(services=with_changes(churn.services, targets=lambda: frozen))
    of_first = churn.snapshot().claim.second_release
    only_one = Interposed(targets, "find")
    only_one.find = lambda *_: Found(of_first)
    early = churn.start(
        services=with_changes(churn.services, targets=lambda: only_one), retry=retry
    )
    churn.let_pass(LATER)
    churn.azure_devops.list_lag = 0
    late = churn.start()

    claim = churn.snapshot().claim
    assert (Outcome.PENDING, Outcome.STARTED) == (early.outcome, late.outcome)
    assert {one["id"] for one in churn.azure_devops.releases} == {
        claim.release.id,
        claim.second_release.id,
    }
    assert "duplicate_release" in caplog.text


def test_what_a_later_turn_sees_at_once_may_be_the_release_of_a_frozen_process(churn):
    targets = churn.services.targets()

    def meanwhile():
        churn.let_pass(LATER)
        churn.azure_devops.fault("error", status=500, commit=True)
        lossy = Interposed(targets, "find")
        lossy.find = lambda *_: Found(RELEASE) if churn.posts else Absent()
        churn.start(services=with_changes(churn.services, targets=lambda: lossy))

    frozen = Interposed(targets, "start", before=meanwhile)
    churn.start(services=with_changes(churn.services, targets=lambda: frozen))

    assert State.UNKNOWN is churn.state()


def test_the_slot_stays_with_a_later_turn_while_a_frozen_process_records_its_release(churn):
    targets = churn.services.targets()
    slots = []

    def in_flight():
        resume()
        slots.append(churn.snapshot().mark.in_flight)

    def meanwhile():
        churn.let_pass(LATER)
        later = Interposed(targets, "start", before=in_flight)
        churn.start(services=with_changes(churn.services, targets=lambda: later))

    def resume():
        claim = replace(stale[0].claim, etag='W/"old"')
        hold = churn.services.starter.hold(churn.partition, "17", deadline(), Freshness(0.0))
        done = Done(Outcome.STARTED, "", SECOND)
        hold.complete(transitions.started(claim, SECOND), stale[0].mark, done)

    stale = []

    def remember():
        stale.append(churn.snapshot())
        meanwhile()

    frozen = Interposed(targets, "start", before=remember)
    churn.start(services=with_changes(churn.services, targets=lambda: frozen))

    assert ["17"] == slots


@pytest.mark.parametrize("call", ["write", "read"])
def test_a_process_that_is_frozen_again_while_it_records_its_release_goes_on(churn, call):
    churn.start()
    clock, stale = Clock(), churn.snapshot()
    churn.let_pass(timedelta(seconds=1))
    whole = churn.services.ledger.claims
    frozen = Interposed(whole, "read", after=lambda: clock.pass_by(60))
    slow = frozen if call == "read" else Frozen(whole, clock)
    starter = with_changes(churn.services, claims=slow).starter
    hold = starter.hold(churn.partition, "17", clock.deadline(25), Freshness(0.0))
    clock.pass_by(60)
    late = replace(transitions.started(stale.claim, SECOND), owner="a frozen one")
    hold.complete(late, stale.mark, Done(Outcome.STARTED, "", SECOND))

    assert SECOND == churn.snapshot().claim.second_release


def request(definition):
    return StartRequest("pipeline", "https://dev.azure.com/contoso", "ml", definition, {})


@pytest.mark.parametrize("state", [State.WAITING, State.FAILED, State.GIVEN_UP])
def test_what_is_found_is_recorded_with_the_request_by_which_it_was_found(state):
    current = claim(state, owner="a later turn", request=request(6))
    seen = sighting.after_sighting(current, claim(owner="me", request=request(5)), Found(RELEASE))

    assert request(5) == seen.request


@pytest.mark.parametrize(
    ("current", "found", "second"),
    [
        pytest.param(
            claim(State.STARTED, release=RELEASE), Found(RELEASE, SECOND), SECOND, id="of the list"
        ),
        pytest.param(
            claim(State.UNKNOWN, second_release=SECOND, owner="me"),
            Found(RELEASE),
            SECOND,
            id="recorded before",
        ),
        pytest.param(
            claim(State.STARTED, release=RELEASE, second_release=SECOND),
            Found(THIRD),
            None,
            id="full",
        ),
    ],
)
def test_a_second_release_is_neither_passed_over_nor_overwritten(current, found, second):
    seen = sighting.after_sighting(current, claim(owner="me"), found)

    assert second == (seen and seen.second_release)


def test_a_third_release_drops_neither_of_the_first_two_and_is_logged(churn, caplog):
    churn.start()
    stale = churn.snapshot()
    recorded = replace(stale.claim, second_release=SECOND)
    churn.services.ledger.claims.write(churn.partition, recorded, None, deadline())
    late = replace(transitions.started(stale.claim, THIRD), owner="a frozen one")
    hold = churn.services.starter.hold(churn.partition, "17", deadline(), Freshness(0.0))
    hold.complete(late, None, Done(Outcome.STARTED, "", THIRD))

    assert SECOND == churn.snapshot().claim.second_release
    assert THIRD.url in caplog.text


def test_a_later_turn_that_may_have_started_a_third_release_is_still_looked_up():
    current = claim(State.UNKNOWN, owner="a later turn", second_release=SECOND, etag="new")

    assert (
        transitions.after_conflict(current, transitions.started(claim(owner="me"), RELEASE)) is None
    )


def test_a_recorded_run_without_a_key_is_not_attributed_to_a_later_turn():
    both, sent = Candidates((RELEASE, SECOND)), request(5)

    assert Found(SECOND) == sighting.resolve(both, sent, [], RELEASE)
    assert Absent() == sighting.resolve(Candidates((RELEASE,)), sent, [], RELEASE)


def test_after_its_deadline_a_call_gets_its_reserve_once_and_is_not_retried():
    late = Deadline(0.0, lambda: 60.0, lambda _: None, reserve=3.0)

    assert (3.0, False) == (late.remaining, late.allows(0.1))
    assert 3.0 == late.within(1).remaining


@pytest.mark.parametrize("state", [State.WAITING, State.FAILED])
def test_what_another_frozen_process_recorded_stays_recorded(state):
    current = claim(state, owner="a later turn", second_release=SECOND, etag="new")
    written = transitions.after_conflict(current, transitions.started(claim(owner="me"), RELEASE))

    assert (RELEASE, SECOND) == (written.release, written.second_release)


def test_a_look_up_that_cannot_read_the_other_claims_finds_nothing_at_once(churn):
    churn.azure_devops.fault("error", status=500, commit=True)
    whole = churn.services.ledger.claims
    blind = Interposed(churn.services.targets(), "find", before=raising(LedgerError("busy")))
    services = with_changes(churn.services, targets=lambda: blind, claims=whole)
    decision = churn.start(services=services)

    assert (Outcome.PENDING, State.UNKNOWN) == (decision.outcome, churn.state())
