"""The exactly-once protocol, as values."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.claims import protocol, sighting, transitions
from model_trigger.claims.claim import Baseline, Candidate, Done, Mark, Snapshot, State
from model_trigger.claims.protocol import Busy, LookUp, Proceed, RemakeMark, Settle, Take
from model_trigger.claims.transitions import Turn
from model_trigger.decisions.decision import Outcome
from model_trigger.matching.versions import Scheme, parse_version
from model_trigger.targets.request import Release
from tests.support.build import NOON, claim, registration

LEASE = timedelta(minutes=2)
TURN = Turn("me", "key", LEASE, began=0.0)
SECOND_LATER = timedelta(seconds=1)
RELEASE = Release(7, "https://dev.azure.com/contoso/ml/_release?releaseId=7")
SECOND = Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8")
ORDERING = "integer version"


def integer(text):
    return parse_version(text, Scheme.INTEGER)


def candidate(version="17", *, exclusive=True, ordering=ORDERING):
    return Candidate(
        registration=registration(version),
        compared=integer(version),
        ordering=ordering,
        exclusive=exclusive,
        read=integer,
        compare=lambda found: integer(found.version),
    )


def mark(version="17", **fields):
    return Mark(**{"compared": version, "ordering": ORDERING, **fields}, version=version)


def before(version, compared=None):
    """Return a mark of what was registered before the rule: nothing is claimed."""
    return Mark("", None, ORDERING, baseline=Baseline(version, compared or version, ORDERING))


def step(of_claim=None, of_mark=None, now=NOON, **options):
    retry = options.pop("retry", False)
    owner = options.pop("owner", "me")
    snapshot = Snapshot(of_claim, of_mark, now)
    return protocol.next_step(snapshot, candidate(**options), owner, retry=retry)


def outcome(found):
    """Return the name of a step's type, or the outcome of an answer, settled or not."""
    done = found.done if isinstance(found, Settle) else found
    return done.outcome if isinstance(done, Done) else type(done)


@pytest.mark.parametrize(
    ("expected", "of_claim", "of_mark"),
    [
        pytest.param(Take, None, None, id="the first version of a model is taken"),
        pytest.param(Take, None, mark("9"), id="a newer version is taken"),
        pytest.param(
            Take, None, mark("17"), id="the mark's own version without a claim: forgotten"
        ),
        pytest.param(Outcome.SUPERSEDED, None, mark("18"), id="an older version never starts"),
        pytest.param(
            Outcome.SUPERSEDED, None, mark("16", compared="17"), id="an equal version is not newer"
        ),
        pytest.param(Take, None, before("17"), id="the baseline's own version, by its event"),
        pytest.param(
            Take,
            None,
            before("16", compared="17"),
            id="equal to the baseline, since a baseline blocks only older versions",
        ),
        pytest.param(Outcome.SUPERSEDED, None, before("18"), id="older than the baseline"),
        pytest.param(
            Take,
            claim(State.KEPT),
            before("18"),
            id="stored for a broken rule: no baseline blocks it",
        ),
        pytest.param(
            Outcome.SUPERSEDED,
            claim(State.KEPT),
            mark("18"),
            id="stored, but a newer one is claimed",
        ),
        pytest.param(
            Busy,
            None,
            mark("16", in_flight="16", in_flight_until=NOON + LEASE),
            id="another version is being started",
        ),
        pytest.param(
            Take,
            None,
            mark("16", in_flight="16", in_flight_until=NOON - SECOND_LATER),
            id="the slot's lease has expired",
        ),
        pytest.param(
            Busy,
            None,
            mark("16", in_flight="16", in_flight_until=NOON),
            id="the slot's lease may have expired: the clock shows whole seconds",
        ),
        pytest.param(
            Outcome.SUPERSEDED,
            None,
            mark("18", in_flight="18", in_flight_until=NOON + LEASE),
            id="a newer version is being started: no need to wait for it",
        ),
        pytest.param(RemakeMark, None, mark("16", ordering="semver tag:v"), id="another ordering"),
        pytest.param(
            RemakeMark,
            None,
            mark("", compared=None, ordering="semver tag:v"),
            id="another ordering, under which no claim is readable",
        ),
        pytest.param(Take, claim(State.KEPT), None, id="stored while its rule was broken"),
        pytest.param(Busy, claim(), mark(), id="another delivery is starting it"),
        pytest.param(Proceed, claim(owner="me"), mark(), id="the response to our write was lost"),
        pytest.param(
            Proceed,
            claim(owner="me", lease_until=NOON - SECOND_LATER),
            mark(),
            id="even if its lease has expired, since nothing was sent under it",
        ),
        pytest.param(
            LookUp,
            claim(lease_until=NOON - SECOND_LATER),
            mark(),
            id="a lease has expired: unknown",
        ),
        pytest.param(
            Busy,
            claim(lease_until=NOON),
            mark(),
            id="a lease may have expired: the clock shows whole seconds",
        ),
        pytest.param(LookUp, claim(State.UNKNOWN), mark(), id="a POST may have been sent"),
        pytest.param(
            LookUp,
            claim(State.UNKNOWN, owner="me"),
            mark(),
            id="a POST of our own may have been sent",
        ),
        pytest.param(LookUp, claim(State.UNKNOWN), mark("18"), id="unknown, and superseded"),
        pytest.param(Take, claim(State.WAITING), mark(), id="not started"),
        pytest.param(
            Outcome.PENDING,
            claim(State.WAITING, not_before=NOON + LEASE),
            mark(),
            id="not started, before Retry-After",
        ),
        pytest.param(
            Outcome.SUPERSEDED,
            claim(State.WAITING),
            mark("18"),
            id="waited until it was superseded",
        ),
        pytest.param(Outcome.FAILED, claim(State.FAILED), mark(), id="refused"),
        pytest.param(Outcome.DUPLICATE, claim(State.STARTED), mark("18"), id="started"),
        pytest.param(Outcome.DUPLICATE, claim(State.OBSERVED), mark(), id="observed"),
        pytest.param(Outcome.SUPERSEDED, claim(State.SUPERSEDED), mark("18"), id="superseded"),
        pytest.param(Outcome.GIVEN_UP, claim(State.GIVEN_UP), mark(), id="given up"),
        pytest.param(Outcome.CLOSED, claim(State.CLOSED), mark(), id="closed"),
    ],
)
def test_the_next_step_of_a_rule_that_starts_newer_versions(expected, of_claim, of_mark):
    assert expected == outcome(step(of_claim, of_mark))


@pytest.mark.parametrize(
    ("expected", "of_claim", "of_mark"),
    [
        pytest.param(Take, None, mark("18"), id="an older version is taken too"),
        pytest.param(
            Take,
            None,
            mark("18", in_flight="18", in_flight_until=NOON + LEASE),
            id="while another version is being started",
        ),
        pytest.param(RemakeMark, None, mark("16", ordering="semver tag:v"), id="another ordering"),
        pytest.param(Outcome.DUPLICATE, claim(State.STARTED), mark("18"), id="but not twice"),
        pytest.param(Busy, claim(), mark("18"), id="nor concurrently"),
        pytest.param(Take, None, before("18"), id="one older than the baseline"),
    ],
)
def test_the_next_step_of_a_rule_that_starts_every_version(expected, of_claim, of_mark):
    assert expected == outcome(step(of_claim, of_mark, exclusive=False))


@pytest.mark.parametrize(
    ("expected", "of_claim", "of_mark", "minutes"),
    [
        pytest.param(Take, claim(State.FAILED), mark(), 0, id="without a pause"),
        pytest.param(
            Outcome.FAILED,
            claim(State.FAILED, not_before=NOON + timedelta(minutes=5)),
            mark(),
            4,
            id="within the pause",
        ),
        pytest.param(
            Take,
            claim(State.FAILED, not_before=NOON + timedelta(minutes=5)),
            mark(),
            5,
            id="after the pause",
        ),
        pytest.param(
            Outcome.SUPERSEDED,
            claim(State.FAILED),
            mark("18"),
            0,
            id="when superseded in the meantime",
        ),
    ],
)
def test_a_refused_start_is_retried_by_reconcile(expected, of_claim, of_mark, minutes):
    now = NOON + timedelta(minutes=minutes)

    assert expected == outcome(step(of_claim, of_mark, now, retry=True))


def test_a_duplicate_carries_the_link_of_what_was_started():
    assert RELEASE == step(claim(State.STARTED, release=RELEASE), mark()).release


def test_a_concurrent_delivery_ends_as_a_duplicate():
    expected = Done(Outcome.DUPLICATE, "another delivery is starting it right now")

    assert expected == step(claim(), mark()).otherwise


def test_another_version_of_the_model_ends_as_pending():
    busy = step(None, mark("16", in_flight="16", in_flight_until=NOON + LEASE))

    assert Done(Outcome.PENDING, "version 16 of the model is being started") == busy.otherwise


@pytest.mark.parametrize(
    ("sentence", "of_mark"),
    [
        ("version 18 is claimed, and is newer", mark("18")),
        ("version 16 (17) is claimed, and is not older", mark("16", compared="17")),
        (
            "version 18 was registered before the rule, and is newer",
            before("18"),
        ),
    ],
)
def test_the_superseding_version_is_named(sentence, of_mark):
    assert sentence == step(None, of_mark).done.reason


def test_what_is_superseded_is_recorded():
    settle = step(None, mark("18"))
    settled = transitions.settled(settle.claim, settle.done)

    assert Done(Outcome.SUPERSEDED, settled.reason) == step(settled, mark("18"))


def take(of_claim=None, of_mark=None, **options):
    snapshot = Snapshot(of_claim, of_mark, NOON)
    return transitions.take(snapshot, candidate(**options), TURN, None)


def test_a_claim_has_a_lease_that_begins_with_the_reading():
    taken, _ = take()

    assert (State.STARTING, "me", NOON + LEASE, NOON) == (
        taken.state,
        taken.owner,
        taken.lease_until,
        taken.tried_at,
    )


def test_a_post_is_sent_in_the_first_half_of_the_lease_counted_from_before_the_reading():
    assert 60 == Turn("me", "key", LEASE, began=0.0).post_until()


def test_a_claim_under_which_a_post_was_sent_no_longer_counts_as_unsent():
    assert isinstance(step(claim(owner="me"), mark(), owner=""), Busy)


def test_a_version_that_is_not_in_the_ledger_is_stored_before_it_is_pending():
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


def test_what_was_stored_for_a_broken_rule_is_claimed_as_if_it_had_just_arrived():
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


def test_an_unstarted_version_supersedes_nothing_under_another_ordering():
    known = [claim(state=state, version="18") for state in (State.SUPERSEDED, State.CLOSED)]
    remade = transitions.remade_mark(mark("1.2.3", ordering="semver version"), known, candidate())

    assert isinstance(step(None, remade), Take)


def test_a_rule_that_starts_every_version_moves_the_mark_but_takes_no_slot():
    busy = mark("16", in_flight="16", in_flight_until=NOON + LEASE, etag="etag")
    _, moved = take(None, busy, exclusive=False)

    assert replace(busy, version="17", compared="17") == moved


def test_a_rebuilt_mark_is_the_newest_of_all_readable_claims():
    known = [
        claim(version="9"),
        claim(version="10", state=State.FAILED),
        claim(version="11", state=State.KEPT),
        claim(version="1.2.3"),
    ]
    old = mark("1.2.3", ordering="semver version", in_flight="10", in_flight_until=NOON, etag="e")

    remade = transitions.remade_mark(old, known, candidate())

    assert mark("10", in_flight="10", in_flight_until=NOON, etag="e") == remade


def test_a_mark_rebuilt_from_unreadable_claims_blocks_nothing():
    remade = transitions.remade_mark(mark("1.2.3", ordering="semver version"), [], candidate())

    assert isinstance(step(None, remade), Take)


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (10_000, 60)]
)
def test_the_pauses_after_a_refusal_grow_to_an_hour(attempts, minutes):
    pause = timedelta(minutes=5)
    refused = transitions.refused(claim(attempts=attempts), "no", NOON, pause)

    assert NOON + timedelta(minutes=minutes) == refused.not_before


def test_a_configured_pause_longer_than_an_hour_is_kept():
    pause = timedelta(hours=3)

    assert NOON + pause == transitions.refused(claim(), "no", NOON, pause).not_before


def test_a_refusal_remembers_when_it_began():
    again = transitions.refused(claim(failed_since=NOON - LEASE), "no", NOON, LEASE)

    assert NOON - LEASE == again.failed_since


def test_an_unknown_outcome_can_be_looked_up_by_the_next_delivery():
    released = transitions.unknown(claim(), "lost", NOON)

    assert isinstance(step(released, mark(), NOON), LookUp)


@given(st.integers(min_value=-600, max_value=600))
def test_a_lookup_proves_absence_only_well_after_the_last_possible_post(seconds):
    lag = timedelta(minutes=2)
    unknown = transitions.unknown(claim(), "lost", NOON + timedelta(hours=1))
    looked_up_at = NOON + LEASE + lag + timedelta(seconds=seconds)

    assert (seconds >= 1) == sighting.may_prove_absence(unknown, looked_up_at, lag)


def test_only_the_version_in_flight_frees_the_slot():
    busy = mark("18", in_flight="17", in_flight_until=NOON)

    assert mark("18") == transitions.without_slot(busy, "17")
    assert transitions.without_slot(busy, "18") is None
    assert transitions.without_slot(None, "17") is None
