"""One event, from its text to the decisions that are logged and stored."""

import json
import socket
from dataclasses import replace
from functools import partial

import pytest
from azure.data.tables import TableServiceClient

from model_trigger import handlers
from model_trigger.claims.claim import Partition, State
from model_trigger.claims.store import LedgerError
from model_trigger.handlers import DeliverAgainError, handle_event
from model_trigger.ledger.ledger import Ledger
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.text import LONGEST_LINE
from tests.support.build import WORKSPACE, WORKSPACE_ID, deadline, event, event_text, rulebook
from tests.support.trial import FailingClaims, with_changes

DECISION = "decision "


@pytest.fixture(name="decisions")
def _decisions(caplog):
    """Return the decisions logged since the last call."""
    caplog.set_level("INFO", "model_trigger")

    def read():
        lines = [record.message for record in caplog.records if record.message.startswith(DECISION)]
        caplog.clear()
        return [json.loads(line.removeprefix(DECISION)) for line in lines]

    return read


def rows_of(services):
    return list(services.ledger.decisions.table.client.list_entities())


def test_an_event_that_a_rule_matches_starts_its_release(make_services, azure_devops, decisions):
    handle_event(event_text(17), make_services())

    (decision,), (release,) = decisions(), azure_devops.releases
    assert {
        "outcome": "started",
        "rule": "churn",
        "model": "churn",
        "version": "17",
        "workspace": WORKSPACE_ID,
        "reason": decision["reason"],
        "release_id": release["id"],
        "release_url": release["_links"]["web"]["href"],
        "event_id": "churn-17",
        "source": "event",
        "milliseconds": decision["milliseconds"],
    } == decision


def test_the_log_line_is_what_the_ledger_keeps(make_services, decisions):
    services = make_services()
    handle_event(event_text(17), services)

    (line,), (row,) = decisions(), rows_of(services)
    kept = {name: row[name] for name in line}
    assert {**line, "release_id": str(line["release_id"])} == {
        **kept,
        "release_id": str(row["release_id"]),
    }


def test_an_event_that_no_rule_matches_names_the_closest_rule_and_why(make_services, decisions):
    rules = partial(
        rulebook, new={"version": ">=10", "tags": {"stage": "prod"}}, old={"version": "<5"}
    )
    services = make_services(rules=rules)
    handle_event(event_text(9, tags={"stage": "prod"}), services)

    (decision,), (row,) = decisions(), rows_of(services)
    assert ("not_matched", None) == (decision["outcome"], decision["rule"])
    assert "closest is 'new': version 9 is not in >=10" in decision["reason"]
    assert ["new.version", "old.version"] == [
        clause["clause"] for clause in json.loads(row["clauses"])
    ]


def test_garbage_is_rejected_kept_and_not_delivered_again(make_services, decisions):
    services = make_services()
    handle_event("garbage", services)

    (decision,), (row,) = decisions(), rows_of(services)
    assert "rejected" == decision["outcome"]
    assert "garbage" == row["event"]


def test_an_event_of_a_workspace_that_is_not_listed_is_rejected(make_services, decisions):
    handle_event(event_text(17), make_services(workspaces=[replace(WORKSPACE, id="/some/other")]))

    (decision,) = decisions()
    assert "rejected" == decision["outcome"]
    assert "add it there" in decision["reason"]


def test_workspace_ids_are_case_insensitive(make_services, decisions):
    shouted = json.dumps({**event(17), "topic": WORKSPACE_ID.upper()})
    handle_event(shouted, make_services(workspaces=[WORKSPACE]))

    assert ["started"] == [each["outcome"] for each in decisions()]


def test_each_matching_rule_decides_separately(make_services, azure_devops, decisions):
    rules = partial(rulebook, a={}, b={"release": {"definition": 4711}}, c={"version": ">=100"})
    handle_event(event_text(17), make_services(rules=rules))

    assert {"a": "started", "b": "failed"} == {
        each["rule"]: each["outcome"] for each in decisions()
    }
    assert 1 == len(azure_devops.releases)


def test_a_pending_event_is_delivered_again_and_repeats_nothing_else(
    make_services, azure_devops, decisions
):
    services = make_services(rules=partial(rulebook, a={}, b={"release": {"definition": 2}}))
    azure_devops.fault("error", status=429)
    with pytest.raises(DeliverAgainError, match=r"^a: Azure DevOps is throttling"):
        handle_event(event_text(17), services)
    handle_event(event_text(17), services)

    assert ["pending", "started", "started", "duplicate"] == [
        each["outcome"] for each in decisions()
    ]
    assert 2 == len(azure_devops.releases)


def test_every_event_waits_while_the_rules_are_invalid(make_services):
    def unreadable():
        msg = "RULES is not JSON"
        raise RulesUnreadableError(msg)

    with pytest.raises(RulesUnreadableError):
        handle_event(event_text(17), make_services(rules=unreadable))


def test_a_broken_rule_affects_no_other_and_loses_no_registration(
    make_services, azure_devops, decisions
):
    services = make_services(rules=partial(rulebook, good={}, bad={"start": "newst"}))
    handle_event(event_text(17), services)

    decided = {each["rule"]: each for each in decisions()}
    kept = services.ledger.claims.read(Partition("bad", WORKSPACE, "churn"), "17", deadline())
    assert ("started", "failed") == (decided["good"]["outcome"], decided["bad"]["outcome"])
    assert "did you mean 'newer'" in decided["bad"]["reason"]
    assert (State.KEPT, None) == (kept.claim.state, kept.mark)
    assert 1 == len(azure_devops.releases)


def test_a_broken_rule_has_the_same_reason_in_every_delivery(make_services, decisions):
    services = make_services(rules=partial(rulebook, bad={"start": "newst"}))
    for _ in range(2):
        handle_event(event_text(17), services)
    first, second = (each["reason"] for each in decisions())

    assert first == second


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({}, id="where it starts"),
        pytest.param({"start": "newst"}, id="where it stores"),
    ],
)
def test_an_unexpected_fault_in_one_rule_does_not_stop_the_others(make_services, decisions, odd):
    services = make_services(rules=partial(rulebook, odd=odd, good={"release": {"definition": 2}}))
    table = services.ledger.claims.table
    failing = FailingClaims(table, lambda rule: rule == "odd", ZeroDivisionError())

    with pytest.raises(DeliverAgainError, match=r"^odd: unexpected error in .*ZeroDivisionError"):
        handle_event(event_text(17), with_changes(services, claims=failing))

    assert {"odd": "pending", "good": "started"} == {
        each["rule"]: each["outcome"] for each in decisions()
    }


def test_a_broken_rule_for_another_model_stores_nothing(make_services, decisions):
    rules = partial(rulebook, good={}, bad={"model": "fraud", "start": "newst"})
    handle_event(event_text(17), make_services(rules=rules))

    assert ["good"] == [each["rule"] for each in decisions()]


def test_a_registration_stored_for_a_broken_rule_starts_once_it_is_fixed(make_services, decisions):
    services = make_services(rules=partial(rulebook, churn={"start": "newst"}))
    handle_event(event_text(17), services)
    handle_event(event_text(17), services)
    fixed = with_changes(services, rules=partial(rulebook, churn={}))
    handle_event(event_text(17), fixed)

    assert ["failed", "failed", "started"] == [each["outcome"] for each in decisions()]


def test_without_storage_nothing_starts_and_the_event_is_delivered_again(
    make_services, azure_devops, decisions
):
    connection = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;"
        "TableEndpoint=http://127.0.0.1:9/a;"
    )
    with TableServiceClient.from_connection_string(connection, retry_total=0) as tables:
        services = make_services(ledger=Ledger.open(tables, "test"))
        with pytest.raises(DeliverAgainError, match=r"^churn: table 'testreleases' of http://"):
            handle_event(event_text(17), services)
        with pytest.raises(DeliverAgainError, match=r"^the event: no rule covers model 'fraud'"):
            handle_event(event_text(17, model="fraud"), services)

    assert ["pending", "not_matched"] == [each["outcome"] for each in decisions()]
    assert [] == azure_devops.releases


@pytest.mark.parametrize(
    ("outcome", "level"),
    [("started", "INFO"), ("not_matched", "INFO"), ("failed", "ERROR"), ("rejected", "ERROR")],
)
def test_decisions_that_need_attention_are_logged_as_errors(make_services, caplog, outcome, level):
    caplog.set_level("INFO", "model_trigger")
    events = {
        "started": event_text(17),
        "not_matched": event_text(17, model="fraud"),
        "failed": event_text(17, model="churn$"),
        "rejected": "{}",
    }
    handle_event(events[outcome], make_services(rules=partial(rulebook, churn={"model": "churn*"})))

    (record,) = [each for each in caplog.records if each.message.startswith(DECISION)]
    assert (outcome, level) == (
        json.loads(record.message.removeprefix(DECISION))["outcome"],
        record.levelname,
    )


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        pytest.param("OPTIONS", "", id="discovery"),
        pytest.param("GET", "/definitions/", id="the definition"),
        pytest.param("POST", "/releases", id="the start"),
        pytest.param("GET", "/releases", id="the lookup"),
    ],
)
def test_an_event_is_answered_in_time_while_azure_devops_is_silent(
    make_services, azure_devops, monkeypatch, verb, path
):
    monkeypatch.setattr(handlers, "_SECONDS", 5.0)
    azure_devops.fault("error", status=500)
    azure_devops.fault("hang", verb=verb, path=path, seconds=600, times=None)

    with pytest.raises(DeliverAgainError):
        handle_event(event_text(17), make_services())


def test_an_event_is_answered_in_time_while_storage_is_silent(make_services, monkeypatch):
    monkeypatch.setattr(handlers, "_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;"
            f"TableEndpoint=http://127.0.0.1:{silent.getsockname()[1]}/a;"
        )
        with TableServiceClient.from_connection_string(connection, retry_total=0) as tables:
            services = make_services(ledger=Ledger.open(tables, "test"))
            with pytest.raises(DeliverAgainError):
                handle_event(event_text(17), services)


@pytest.mark.parametrize(
    ("kilobytes", "outcome"),
    [(60, "started"), (90, "started"), (200, "rejected"), (700, "rejected")],
)
def test_an_event_is_decided_and_stored_however_large_its_tags(
    make_services, decisions, kilobytes, outcome
):
    services = make_services()
    tags = {f"t{number}": "x" * 1_000 for number in range(kilobytes)}
    handle_event(event_text(17, tags=tags), services)

    (decision,), (row,) = decisions(), rows_of(services)
    assert (outcome, outcome) == (decision["outcome"], row["outcome"])
    if outcome == "rejected":
        assert decision["reason"].startswith("data.modelTags has ")


def test_a_redelivery_is_logged_on_one_line_of_limited_length(make_services):
    class Broken:
        """A ledger whose error contains text that anyone who registers a model can write."""

        def __getattr__(self, _name):
            def fail(*_):
                msg = 'busy\ndecision {"outcome": "started"}' + "x" * 100_000
                raise LedgerError(msg)

            return fail

    with pytest.raises(DeliverAgainError) as raised:
        handle_event(event_text(17), make_services(claims=Broken()))

    assert str(raised.value).isprintable()
    assert LONGEST_LINE >= len(str(raised.value))
