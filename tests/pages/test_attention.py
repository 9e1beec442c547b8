"""What needs a person and what resolves itself, from the real ledger."""

import pytest

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.pages import attention as troubles_module
from model_trigger.pages.attention import find_troubles
from model_trigger.targets.request import Release
from tests.support.build import NOON
from tests.support.kept import DAY, HOUR, RELEASE, keep_claim, keep_decision, reading


@pytest.fixture(name="services")
def _services(make_services):
    return make_services()


def troubles(services):
    return find_troubles(reading(services))


def summary(services):
    return [(one.state, one.needs_a_person, one.version) for one in troubles(services)]


@pytest.mark.parametrize(
    ("state", "what", "needs_a_person"),
    [
        pytest.param(State.FAILED, "failed", True, id="failed"),
        pytest.param(State.GIVEN_UP, "given_up", True, id="given up"),
        pytest.param(State.KEPT, "kept", True, id="rule broken"),
        pytest.param(State.WAITING, "waiting", False, id="waiting"),
        pytest.param(State.STARTING, "unknown", False, id="lease expired"),
    ],
)
def test_a_failing_claim_is_shown_with_its_reason_and_next_attempt(
    services, state, what, needs_a_person
):
    keep_claim(services, state, reason="why", not_before=NOON + HOUR)
    (trouble,) = troubles(services)

    assert (what, needs_a_person, "why") == (trouble.state, trouble.needs_a_person, trouble.reason)
    assert (NOON - HOUR, NOON + HOUR) == (trouble.since, trouble.next_attempt)
    assert trouble.next_step


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        pytest.param(State.STARTED, {"release": RELEASE}, id="started"),
        pytest.param(State.OBSERVED, {}, id="observed"),
        pytest.param(State.SUPERSEDED, {}, id="superseded"),
        pytest.param(State.CLOSED, {}, id="closed"),
        pytest.param(State.STARTING, {"lease_until": NOON + HOUR}, id="being started"),
    ],
)
def test_a_healthy_claim_needs_no_attention(services, state, fields):
    keep_claim(services, state, **fields)

    assert [] == troubles(services)


def test_what_needs_a_person_comes_first_and_then_the_newest(services):
    keep_claim(services, State.WAITING, "1", ago=1 * HOUR)
    keep_claim(services, State.FAILED, "2", ago=3 * HOUR)
    keep_claim(services, State.FAILED, "3", ago=2 * HOUR)

    assert ["3", "2", "1"] == [one.version for one in troubles(services)]


def test_a_second_release_is_shown_with_both_links(services):
    second = Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8")
    keep_claim(services, State.STARTED, release=RELEASE, second_release=second)
    (trouble,) = troubles(services)

    assert ("duplicate_release", True) == (trouble.state, trouble.needs_a_person)
    assert (RELEASE.url, second.url) == (trouble.release_url, trouble.second_release_url)


def test_what_was_given_up_is_shown_as_long_as_decisions_are_kept(make_services):
    services = make_services(decision_retention=7 * DAY)
    for days in (6, 8):
        keep_claim(services, State.GIVEN_UP, str(days), ago=days * DAY)

    assert [("given_up", True, "6")] == summary(services)


def test_what_was_started_twice_is_shown_as_long_as_decisions_are_kept(make_services):
    services, both = make_services(decision_retention=7 * DAY), RELEASE
    for days in (6, 8):
        keep_claim(
            services, State.STARTED, str(days), ago=days * DAY, release=both, second_release=both
        )

    assert [("duplicate_release", True, "6")] == summary(services)


def test_what_still_fails_is_shown_however_old_it_is(make_services):
    services = make_services(decision_retention=7 * DAY)
    keep_claim(services, State.FAILED, ago=80 * DAY)

    assert [("failed", True, "17")] == summary(services)


def test_events_rejected_for_the_same_reason_are_shown_once_and_counted(services):
    for hours in (1, 2, 3):
        keep_decision(services, Outcome.REJECTED, "not among WORKSPACES", ago=hours * HOUR, rule="")
    keep_decision(services, Outcome.REJECTED, "not JSON", rule="", registration=None, event="{")
    found = {one.reason: one for one in troubles(services)}

    assert {"not among WORKSPACES": 3, "not JSON": 1} == {
        reason: one.count for reason, one in found.items()
    }
    assert NOON - 3 * HOUR == found["not among WORKSPACES"].since
    assert all(one.needs_a_person for one in found.values())


def test_a_rejected_event_is_found_among_many_decisions(services, monkeypatch):
    monkeypatch.setattr(troubles_module, "_MOST_DECISIONS", 3)
    keep_decision(services, Outcome.REJECTED, ago=5 * HOUR)
    for hours in (1, 2, 3, 4):
        keep_decision(services, Outcome.STARTED, ago=hours * HOUR)

    assert [("rejected", True, "17")] == summary(services)


def test_a_rejected_event_is_shown_for_a_week(services):
    for days in (6, 8):
        keep_decision(services, Outcome.REJECTED, str(days), ago=days * DAY)

    assert ["6"] == [one.reason for one in troubles(services)]


def test_a_pending_decision_without_a_claim_continues_automatically(services):
    keep_decision(services, Outcome.PENDING, "no answer", ago=2 * HOUR)
    keep_decision(services, Outcome.PENDING, "throttled", ago=1 * HOUR)
    (trouble,) = troubles(services)

    assert ("pending", False, "throttled", 2) == (
        trouble.state,
        trouble.needs_a_person,
        trouble.reason,
        trouble.count,
    )
    assert NOON - 2 * HOUR == trouble.since


def test_a_pending_decision_needs_no_attention_once_another_followed(services):
    keep_decision(services, Outcome.PENDING, ago=2 * HOUR)
    keep_decision(services, Outcome.STARTED, ago=1 * HOUR)

    assert [] == troubles(services)


def test_a_pending_decision_of_another_rule_is_not_ended_by_this_one(services):
    keep_decision(services, Outcome.PENDING, rule="a", ago=2 * HOUR)
    keep_decision(services, Outcome.STARTED, rule="b", ago=1 * HOUR)

    assert ["a"] == [one.rule for one in troubles(services)]


def test_a_pending_claim_is_shown_once(services):
    keep_claim(services, State.WAITING)
    keep_decision(services, Outcome.PENDING)

    assert [("waiting", False, "17")] == summary(services)


def test_what_was_pending_more_than_a_day_ago_is_over(services):
    keep_decision(services, Outcome.PENDING, ago=25 * HOUR)

    assert [] == troubles(services)


def test_a_second_release_is_no_duplicate_before_there_is_a_first(services):
    keep_claim(services, State.UNKNOWN, second_release=RELEASE)

    assert [("unknown", False)] == [(one.state, one.needs_a_person) for one in troubles(services)]
