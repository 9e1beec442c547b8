"""The answer to "where is its release?", from claims and decisions in the real ledger."""

from dataclasses import replace
from datetime import timedelta

import pytest

from model_trigger.claims.claim import State
from model_trigger.claims.store import LedgerError
from model_trigger.decisions.decision import Outcome
from model_trigger.decisions.history import Cursor
from model_trigger.ledger import table as ledger_module
from model_trigger.pages.lookup import Question, find, past_decisions
from model_trigger.registrations.registration import Workspace
from tests.support.build import NOON, WORKSPACE_ID, deadline
from tests.support.kept import DAY, HOUR, NO_TIME, RELEASE, keep_claim, keep_decision, reading

OTHER = Workspace.parse(WORKSPACE_ID.replace("ml-prod-ws", "elsewhere"))


@pytest.fixture(name="services")
def _services(make_services):
    return make_services()


def asked(services, model="churn", version="17", **fields):
    return find(Question(model, version, **fields), reading(services))


def versions(found):
    return [one.version for one in found]


def test_a_started_version_is_found_with_its_release(services):
    keep_claim(services, State.STARTED, release=RELEASE)
    (answer,) = asked(services).answers

    assert ("started", "Rule churn started it") == (answer.state, answer.text)
    assert (RELEASE.id, RELEASE.url) == (answer.release_id, answer.release_url)
    assert NOON - HOUR == answer.since


@pytest.mark.parametrize(
    ("state", "fields", "answer", "next_step"),
    [
        pytest.param(
            State.OBSERVED, {}, "Rule churn would have started it, but only observes", "", id="seen"
        ),
        pytest.param(
            State.STARTING,
            {"lease_until": NOON + HOUR},
            "Rule churn is starting it now: why",
            "waiting for Azure DevOps to respond",
            id="starting",
        ),
        pytest.param(
            State.STARTING,
            {"lease_until": NOON - timedelta(seconds=1)},
            "It is not yet known whether rule churn started it: why",
            "reconcile will look up its release",
            id="lease expired",
        ),
        pytest.param(
            State.WAITING,
            {},
            "Rule churn has not started it yet: why",
            "the next delivery or reconcile will start it",
            id="waiting",
        ),
        pytest.param(
            State.FAILED,
            {"failed_since": NOON - 2 * HOUR},
            "Rule churn could not start it: why",
            "reconcile will retry it until 2026-11-23 10:00 UTC",
            id="failed, and given up a day after it began",
        ),
        pytest.param(
            State.KEPT,
            {},
            "Rule churn will be applied to it once the rule is fixed: why",
            "reconcile will evaluate it once the rule is fixed",
            id="stored",
        ),
        pytest.param(State.SUPERSEDED, {}, "Rule churn did not start it: why", "", id="superseded"),
        pytest.param(
            State.GIVEN_UP,
            {},
            "Rule churn gave up trying to start it: why",
            "nothing more will happen until you run python -m model_trigger forget",
            id="given up",
        ),
        pytest.param(State.CLOSED, {}, "Rule churn will not start it: why", "", id="closed"),
    ],
)
def test_every_state_of_a_claim_has_an_answer(services, state, fields, answer, next_step):
    reason = "" if state is State.OBSERVED else "why"
    keep_claim(services, state, reason=reason, **fields)
    found = asked(services)

    assert [answer] == [one.text for one in found.answers]
    assert [next_step] == [one.next_step for one in found.claims]


def test_every_rule_that_claimed_the_version_answers(services):
    keep_claim(services, State.STARTED, rule="live", release=RELEASE)
    keep_claim(services, State.OBSERVED, rule="shadow", observed=True)

    assert {"Rule live started it", "Rule shadow would have started it, but only observes"} == {
        answer.text for answer in asked(services).answers
    }


def test_without_a_claim_the_newest_decision_of_each_rule_answers(services):
    keep_decision(services, Outcome.NOT_MATCHED, "no rule matched", rule="", ago=3 * HOUR)
    keep_decision(services, Outcome.PENDING, "throttled", rule="a", ago=2 * HOUR)
    keep_decision(services, Outcome.PENDING, "no answer", rule="a")

    assert {
        ("not_matched", "No release was started: no rule matched"),
        ("pending", "Rule a has not started it yet: no answer"),
    } == {(answer.state, answer.text) for answer in asked(services).answers}


def test_an_unknown_registration_gets_advice(services):
    keep_claim(services, State.STARTED, release=RELEASE)
    (answer,) = asked(services, model="Churn").answers

    assert answer.text.startswith("Nothing is known about Churn 17: no event has arrived for it")
    assert "Names are case-sensitive" in answer.text


def test_a_model_alone_finds_all_its_versions_the_newest_claim_first(services):
    for hours, version in enumerate(("17", "16", "15"), 1):
        keep_claim(services, State.STARTED, version, ago=hours * HOUR)
    keep_claim(services, State.STARTED, "1", model="churn-2")
    found = asked(services, version="")

    assert ["17", "16", "15"] == versions(found.claims)
    assert [] == found.answers


def test_a_workspace_leaves_out_the_others(services):
    for workspace in (OTHER, Workspace.parse(WORKSPACE_ID)):
        keep_claim(services, State.STARTED, workspace=workspace)
        keep_decision(services, Outcome.STARTED, workspace=workspace)
    found = asked(services, workspace=f"{OTHER.id.upper()}/")

    assert [OTHER.id] == [claim.workspace for claim in found.claims]
    assert [OTHER.id] == [decision.workspace for decision in found.decisions]


def test_claims_are_read_over_all_pages_of_storage(services, monkeypatch):
    monkeypatch.setattr(ledger_module, "_LARGEST_PAGE", 2)
    for version in range(7):
        keep_claim(services, State.STARTED, str(version))

    assert set("0123456") == set(versions(asked(services, version="").claims))


def test_more_claims_than_are_shown_are_counted(services):
    for version in range(52):
        keep_claim(services, State.STARTED, str(version), ago=version * HOUR)
    found = asked(services, version="")

    assert (50, 2) == (len(found.claims), found.more_claims)


@pytest.mark.parametrize(
    "model",
    ["o'brien", "a' or model ne '", "größe", "@any", "a b & c=d?#", "%27"],
)
def test_any_name_is_searched_as_it_is(services, model):
    keep_claim(services, State.STARTED, model=model, release=RELEASE)
    keep_claim(services, State.STARTED, model="other")
    keep_decision(services, Outcome.STARTED, model=model)
    keep_decision(services, Outcome.STARTED, model="other")
    found = asked(services, model=model)

    assert [model] == [claim.model for claim in found.claims]
    assert [model] == [decision.model for decision in found.decisions]


def test_decisions_are_returned_newest_first_across_days_and_gaps(services):
    for days in (0, 3, 1, 20):
        keep_decision(services, Outcome.STARTED, version=str(days), ago=days * DAY)
    found, _ = past_decisions(Question(), reading(services))

    assert ["0", "1", "3", "20"] == versions(found)


def test_paging_returns_every_decision_once(services):
    for hours in range(120):
        keep_decision(services, Outcome.STARTED, version=str(hours), ago=hours * HOUR)
    pages, before = [], None
    while before or not pages:
        cursor = Cursor.parse(before) if before else None
        found, before = past_decisions(Question(before=cursor), reading(services))
        pages.append(versions(found))

    assert [str(hours) for hours in range(120)] == [one for page in pages for one in page]
    assert [50, 50, 20] == [len(page) for page in pages if page]


def test_looking_back_ends_at_the_retention_limit(make_services):
    services = make_services(decision_retention=3 * DAY)
    for days in (2, 5):
        keep_decision(services, Outcome.STARTED, version=str(days), ago=days * DAY)
    found, older = past_decisions(Question(), reading(services))

    assert (["2"], None) == (versions(found), older)


def test_one_page_looks_back_a_month_and_has_a_cursor(services):
    keep_decision(services, Outcome.STARTED, ago=40 * DAY)
    found, older = past_decisions(Question(), reading(services))
    assert ([], "2026-10-22") == (found, older)

    found, _ = past_decisions(Question(before=Cursor.parse(older)), reading(services))
    assert ["17"] == versions(found)


def test_a_day_in_the_future_is_today(services):
    keep_decision(services, Outcome.STARTED, ago=NO_TIME)
    found, _ = past_decisions(Question(before=Cursor.parse("2099-01-01")), reading(services))

    assert ["17"] == versions(found)


def test_looking_back_stops_at_the_deadline_and_can_be_continued(services):
    keep_decision(services, Outcome.STARTED)
    hurried = replace(reading(services), deadline=deadline(1))

    assert ([], "2026-11-23") == past_decisions(Question(), hurried)


def test_a_claim_that_is_not_read_in_time_is_an_error(services):
    with pytest.raises(LedgerError, match="ran out of time"):
        find(Question("churn", "17"), replace(reading(services), deadline=deadline(0)))


def test_the_question_is_parsed_from_the_query():
    query = {"model": " churn ", "version": "17", "before": "2026-11-22", "code": "key"}
    expected = Question("churn", "17", before=Cursor(NOON.date() - timedelta(days=1)))

    assert expected == Question.parse(query)


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="model has 1,001 characters; the limit is 1,000"):
        Question.parse({"model": "m" * 1001})
