"""The exactly-once protocol, as values."""

from datetime import timedelta

import pytest

from model_trigger.claims.claim import Done, State
from model_trigger.claims.protocol import Busy, LookUp, Proceed, RemakeMark, Take
from model_trigger.decisions.decision import Outcome
from model_trigger.targets.request import Release
from tests.support.build import NOON, claim
from tests.support.protocol import LEASE, before, mark, outcome, step

SECOND_LATER = timedelta(seconds=1)
RELEASE = Release(7, "https://dev.azure.com/contoso/ml/_release?releaseId=7")
SECOND = Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8")


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
        ("version 18 is already claimed and is newer", mark("18")),
        ("version 16 (17) is already claimed and is not older", mark("16", compared="17")),
        (
            "version 18 is newer and was registered before the rule was known",
            before("18"),
        ),
    ],
)
def test_the_superseding_version_is_named(sentence, of_mark):
    assert sentence == step(None, of_mark).done.reason
