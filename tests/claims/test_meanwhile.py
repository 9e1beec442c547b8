"""What is written when a claim has changed concurrently, and together with a mark."""

from dataclasses import replace
from datetime import timedelta

import pytest

from model_trigger.claims import sighting, transitions
from model_trigger.claims.claim import Baseline, Mark, State
from model_trigger.targets.request import Found, Release, StartRequest
from tests.support.build import NOON, claim

LEASE = timedelta(minutes=2)
RELEASE = Release(7, "https://dev.azure.com/contoso/ml/_release?releaseId=7")
SECOND = Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8")
ORDERING = "integer version"
COMPLETED = transitions.started(claim(owner="me"), RELEASE)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        pytest.param(None, None, id="forgotten in the meantime"),
        pytest.param(
            claim(owner="me", etag="new", second_release=SECOND),
            replace(COMPLETED, etag="new", second_release=SECOND),
            id="only a note added in the meantime",
        ),
        pytest.param(COMPLETED, None, id="already written"),
        pytest.param(
            claim(State.STARTED, release=SECOND, second_release=RELEASE),
            None,
            id="already recorded",
        ),
        pytest.param(
            claim(State.STARTED, release=SECOND),
            claim(State.STARTED, release=SECOND, second_release=RELEASE),
            id="another has started it: ours is the second",
        ),
        pytest.param(
            claim(), claim(second_release=RELEASE), id="another is starting it: ours is the second"
        ),
        pytest.param(
            claim(State.UNKNOWN, etag="new"),
            claim(State.UNKNOWN, etag="new", second_release=RELEASE),
            id="another may have started it, too: it is still looked up",
        ),
        pytest.param(
            claim(State.UNKNOWN, owner="me", etag="new"),
            replace(COMPLETED, etag="new"),
            id="our own turn has expired",
        ),
        pytest.param(
            claim(State.WAITING, etag="new"),
            replace(COMPLETED, etag="new"),
            id="another has found nothing, and not started it yet",
        ),
        pytest.param(
            claim(State.SUPERSEDED, etag="new"), replace(COMPLETED, etag="new"), id="superseded"
        ),
    ],
)
def test_a_release_of_ours_is_never_ignored(current, expected):
    assert expected == transitions.after_conflict(current, COMPLETED)


def test_a_refusal_is_dropped_when_others_have_taken_the_claim():
    refused = transitions.refused(claim(owner="me"), "no", NOON, LEASE)

    assert transitions.after_conflict(claim(), refused) is None


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        pytest.param(None, None, id="forgotten in the meantime"),
        pytest.param(claim(State.STARTED, release=RELEASE), None, id="already written"),
        pytest.param(
            claim(State.STARTED, release=SECOND, second_release=RELEASE),
            None,
            id="already recorded",
        ),
        pytest.param(
            claim(State.STARTED, release=SECOND),
            claim(State.STARTED, release=SECOND, second_release=RELEASE),
            id="another one is recorded: it is the second",
        ),
        pytest.param(claim(owner="a later turn"), None, id="a later turn is starting it"),
        pytest.param(
            claim(State.UNKNOWN, owner="a later turn"), None, id="a later turn may have started it"
        ),
        pytest.param(
            claim(owner="me", etag="new"),
            claim(State.STARTED, owner="me", release=RELEASE, etag="new"),
            id="its own turn has expired",
        ),
        *[
            pytest.param(
                claim(state, owner="a later turn", etag="new", not_before=NOON, reason="because"),
                claim(State.STARTED, owner="a later turn", etag="new", release=RELEASE),
                id=state,
            )
            for state in State
            if state not in {State.STARTED, State.STARTING, State.UNKNOWN}
        ],
    ],
)
def test_a_release_that_was_found_is_never_ignored(current, expected):
    assert expected == sighting.after_sighting(current, claim(owner="me"), Found(RELEASE))


NINE, TEN = Baseline("9", "9", ORDERING), Baseline("10", "10", ORDERING)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, Mark("", None, ORDERING, TEN), id="no mark"),
        pytest.param(
            Mark("17", "17", ORDERING, in_flight="17", in_flight_until=NOON, etag="etag"),
            Mark("17", "17", ORDERING, TEN, "17", NOON, "etag"),
            id="next to a mark",
        ),
        pytest.param(
            Mark("17", "17", "semver version", NINE),
            Mark("17", "17", "semver version", TEN),
            id="in place of an older one",
        ),
        pytest.param(Mark("17", "17", ORDERING, TEN), None, id="unchanged"),
    ],
)
def test_a_baseline_is_written_next_to_the_mark(before, after):
    assert after == transitions.with_baseline(before, TEN)


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(transitions.not_started(claim(owner="me"), "429"), id="nothing was started"),
        pytest.param(transitions.refused(claim(owner="me"), "no", NOON, LEASE), id="refused"),
    ],
)
def test_a_failed_start_keeps_the_release_of_a_frozen_process(ended):
    current = claim(owner="me", etag="new", second_release=SECOND)

    completed = transitions.after_conflict(current, ended)
    assert (State.STARTED, SECOND, None) == (
        completed.state,
        completed.release,
        completed.second_release,
    )


def test_a_known_second_release_is_not_recorded_again():
    known = claim(State.UNKNOWN, second_release=SECOND)

    assert sighting.sighted(known, Found(SECOND)).second_release is None
    assert SECOND == sighting.sighted(known, Found(RELEASE)).second_release


def test_a_release_found_for_a_claim_that_was_given_up_is_recorded_with_its_request():
    request = StartRequest("pipeline", "https://dev.azure.com/contoso", "ml", 5, {})
    sought = claim(State.UNKNOWN, owner="me", request=request)
    recorded = sighting.after_sighting(claim(State.GIVEN_UP), sought, Found(RELEASE))

    assert (State.STARTED, RELEASE, request) == (
        recorded.state,
        recorded.release,
        recorded.request,
    )
