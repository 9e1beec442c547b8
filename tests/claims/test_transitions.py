"""What a step writes: the claim that is taken, the mark that moves, the pause after a refusal."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.claims import sighting, transitions
from model_trigger.claims.claim import Baseline, Done, Mark, Snapshot, State
from model_trigger.claims.protocol import Busy, LookUp, Take
from model_trigger.claims.transitions import Turn
from model_trigger.decisions.decision import Outcome
from tests.support.build import NOON, claim
from tests.support.protocol import LEASE, ORDERING, TURN, before, candidate, mark, outcome, step


def test_what_is_superseded_is_written_down():
    settle = step(None, mark("18"))
    settled = transitions.settled(settle.claim, settle.done)

    assert Done(Outcome.SUPERSEDED, settled.reason) == step(settled, mark("18"))


def take(of_claim=None, of_mark=None, **options):
    snapshot = Snapshot(of_claim, of_mark, NOON)
    return transitions.take(snapshot, candidate(**options), TURN, None)


def test_a_claim_that_is_taken_has_a_lease_from_the_reading_on():
    taken, _ = take()

    assert (State.STARTING, "me", NOON + LEASE, NOON) == (
        taken.state,
        taken.owner,
        taken.lease_until,
        taken.tried_at,
    )


def test_a_post_is_sent_in_the_first_half_of_the_lease_counted_from_before_the_reading():
    assert 60 == Turn("me", "key", LEASE, began=0.0).post_until()


def test_a_claim_that_was_sent_under_is_no_longer_taken_for_an_unsent_one():
    assert isinstance(step(claim(owner="me"), mark(), owner=""), Busy)


def test_a_version_that_is_in_no_ledger_is_kept_before_it_is_answered_as_pending():
    busy = mark("16", in_flight="16", in_flight_until=NOON + LEASE)

    assert step(None, busy).must_keep
    assert step(claim(State.KEPT), busy).must_keep
    assert not step(claim(State.WAITING), busy).must_keep


def test_a_claim_under_which_nothing_is_sent_moves_the_mark_and_leaves_the_slot():
    busy = mark("16", in_flight="16", in_flight_until=NOON + LEASE, etag="etag")
    snapshot = Snapshot(None, busy, NOON)
    _, moved = transitions.take_unstarted(snapshot, candidate(), TURN)

    assert replace(busy, version="17", compared="17") == moved


def test_a_claim_that_is_taken_again_keeps_its_key_its_age_and_its_count():
    former = claim(State.WAITING, claimed_at=NOON - LEASE, failed_since=NOON - LEASE)
    taken, _ = take(former, mark())

    assert ("its key", NOON - LEASE, NOON - LEASE, 2, "etag") == (
        taken.key,
        taken.claimed_at,
        taken.failed_since,
        taken.attempts,
        taken.etag,
    )


def test_what_was_kept_for_a_broken_rule_is_taken_as_if_it_had_come_just_now():
    kept = claim(State.KEPT, claimed_at=NOON - LEASE)
    taken, _ = take(kept, None)

    assert ("key", NOON, 1, "etag") == (taken.key, taken.claimed_at, taken.attempts, taken.etag)


def test_the_mark_moves_with_the_claim_and_holds_its_start_in_flight():
    _, moved = take(None, mark("16", etag="etag"))

    assert mark("17", in_flight="17", in_flight_until=NOON + LEASE, etag="etag") == moved


def test_the_mark_never_moves_back():
    _, moved = take(None, mark("18"), exclusive=False)

    assert moved is None


def test_a_claim_moves_the_mark_and_leaves_the_baseline():
    _, moved = take(claim(State.KEPT), before("19"))

    assert ("17", "19") == (moved.version, moved.baseline.version)
    assert Outcome.SUPERSEDED == outcome(step(None, moved, version="18"))


def test_a_baseline_of_another_ordering_blocks_nothing():
    other = Mark("", None, ORDERING, baseline=Baseline("18", "18", "semver tag:v"))

    assert isinstance(step(None, other), Take)


def test_what_was_never_started_supersedes_nothing_under_another_ordering():
    known = [claim(state=state, version="18") for state in (State.SUPERSEDED, State.CLOSED)]
    remade = transitions.remade_mark(mark("1.2.3", ordering="semver version"), known, candidate())

    assert isinstance(step(None, remade), Take)


def test_a_rule_that_starts_every_version_moves_the_mark_but_takes_no_slot():
    busy = mark("16", in_flight="16", in_flight_until=NOON + LEASE, etag="etag")
    _, moved = take(None, busy, exclusive=False)

    assert replace(busy, version="17", compared="17") == moved


def test_a_remade_mark_is_the_newest_of_all_claims_that_can_be_read():
    known = [
        claim(version="9"),
        claim(version="10", state=State.FAILED),
        claim(version="11", state=State.KEPT),
        claim(version="1.2.3"),
    ]
    old = mark("1.2.3", ordering="semver version", in_flight="10", in_flight_until=NOON, etag="e")

    remade = transitions.remade_mark(old, known, candidate())

    assert mark("10", in_flight="10", in_flight_until=NOON, etag="e") == remade


def test_a_remade_mark_from_claims_that_cannot_be_read_holds_nothing_back():
    remade = transitions.remade_mark(mark("1.2.3", ordering="semver version"), [], candidate())

    assert isinstance(step(None, remade), Take)


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (10_000, 60)]
)
def test_the_pauses_after_a_refusal_grow_to_an_hour(attempts, minutes):
    pause = timedelta(minutes=5)
    refused = transitions.refused(claim(attempts=attempts), "no", NOON, pause)

    assert NOON + timedelta(minutes=minutes) == refused.not_before


def test_a_pause_longer_than_an_hour_stays_as_it_was_set():
    pause = timedelta(hours=3)

    assert NOON + pause == transitions.refused(claim(), "no", NOON, pause).not_before


def test_a_refusal_remembers_when_it_began():
    again = transitions.refused(claim(failed_since=NOON - LEASE), "no", NOON, LEASE)

    assert NOON - LEASE == again.failed_since


def test_an_unknown_outcome_may_be_looked_up_by_the_next_delivery():
    released = transitions.unknown(claim(), "lost", NOON)

    assert isinstance(step(released, mark(), NOON), LookUp)


@given(st.integers(min_value=-600, max_value=600))
def test_only_well_after_the_last_possible_post_may_a_look_up_prove_absence(seconds):
    lag = timedelta(minutes=2)
    unknown = transitions.unknown(claim(), "lost", NOON + timedelta(hours=1))
    looked_up_at = NOON + LEASE + lag + timedelta(seconds=seconds)

    assert (seconds >= 1) == sighting.may_prove_absence(unknown, looked_up_at, lag)


def test_only_the_version_in_flight_frees_the_slot():
    busy = mark("18", in_flight="17", in_flight_until=NOON)

    assert mark("18") == transitions.without_slot(busy, "17")
    assert transitions.without_slot(busy, "18") is None
    assert transitions.without_slot(None, "17") is None
