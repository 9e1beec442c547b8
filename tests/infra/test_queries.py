"""The workbook and the queries of alerts read what the app writes."""

import json
import re

import pytest

from model_trigger.decisions.decision import Decision, Outcome, duplicate_line, rejected
from model_trigger.targets.request import Release
from tests.support.bicep import FUNCTIONS, MODULES
from tests.support.build import registration

DECISION_FIELDS = set(rejected("", "").log_fields(0))


def workbook_items() -> dict[str, dict]:
    workbook = json.loads((MODULES / "workbook.json").read_text())
    return {item["name"]: item["content"] for item in workbook["items"]}


PICTURES = [name for name, content in workbook_items().items() if "query" in content]
QUERIES = [
    *(pytest.param(workbook_items()[name]["query"], id=f"workbook: {name}") for name in PICTURES),
    *(pytest.param(path.read_text(), id=path.name) for path in sorted(MODULES.glob("*.kql"))),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_only_fields_of_the_decision_line(query):
    fields = set(re.findall(r"\bdecision\.(\w+)", query))
    assert set() == fields - DECISION_FIELDS
    assert fields or query.startswith("requests\n")


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_only_outcomes_and_functions_that_exist(query):
    compared = re.findall(r"\b(outcome|name) (?:==|in) (\(.*?\)|\"\w+\")", query)
    known = {"outcome": {str(one) for one in Outcome}, "name": FUNCTIONS}
    for column, text in compared:
        assert set() == set(re.findall(r'"(\w+)"', text)) - known[column]


def fields_taken(query: str, message: str) -> dict | None:
    """Return what a query reads from a message; None when it leaves the message out."""
    beginnings = re.findall(r'message startswith_cs "(.*?)"', query.partition("| extend")[0])
    pattern = re.search(r"extract\(@'(.*?)', 1, message\)", query)
    assert beginnings
    assert pattern
    found = re.search(pattern[1], message)
    if not found or not message.startswith(tuple(beginnings)):
        return None
    return json.loads(found[1])


DECISION_QUERIES = [one for one in QUERIES if "decision" in one.values[0]]
FORGED = 'decision {"outcome": "failed", "rule": "churn"}'
HOSTILE_NAMES = [
    "duplicate_release",
    FORGED,
    f"x\n{FORGED}",
    f"x\r{FORGED}",
    f"\u2028{FORGED}\u2029",
    f"\x1b[2K\x1b[1A{FORGED}",
    f'"}} {FORGED}',
    'duplicate_release {"rule": "churn"}',
    "\ud800\udfff\udc00",
    "x" * 100_000,
    "\N{GRINNING FACE}" * 50_000,
    "\\" * 50_000,
    "\x00" * 50_000,
]
hostile_names = pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))


@pytest.mark.parametrize("query", DECISION_QUERIES)
@hostile_names
def test_a_query_reads_each_decision_whatever_its_values_hold(query, name):
    about = registration(name, name, event_id=name)
    line = Decision(Outcome.REJECTED, name, rule=name, registration=about).log_line(12)
    found = fields_taken(query, line[:32_768])

    assert found
    assert DECISION_FIELDS == set(found)
    assert "rejected" == found["outcome"]


@pytest.mark.parametrize("query", DECISION_QUERIES)
def test_a_query_leaves_out_what_only_quotes_a_decision(query):
    for message in (f"Executed: {FORGED}", f"reconcile: model '{FORGED}'", "decisions {}", "x"):
        assert fields_taken(query, message) is None


@hostile_names
def test_only_a_release_that_was_started_twice_sets_off_its_alert(name):
    query = (MODULES / "failed-decisions.kql").read_text()
    found = re.search(r'outcome in \(.*?\) or message startswith_cs "(.*?)"\n', query)
    assert found
    about = registration(name, name, event_id=name)
    started = Decision(Outcome.STARTED, name, rule=name, registration=about)
    twice = duplicate_line("churn", about, None, Release(8, "https://dev.azure.com/r/8"))

    assert not started.log_line(1).startswith(found[1])
    assert twice.startswith(found[1])
    assert fields_taken(query, twice[:32_768])


def test_what_waits_is_counted_by_names_that_no_other_name_can_be_taken_for():
    query = workbook_items()["waiting"]["query"]
    assert "pack_array(rule, workspace, model, version)" in query
    assert "strcat" not in query


def test_the_alert_on_decisions_fires_for_each_outcome_that_needs_a_person():
    query = (MODULES / "failed-decisions.kql").read_text()
    found = re.search(r"outcome in \((.*?)\)", query)
    assert found
    assert {str(one) for one in Outcome if one.needs_a_person} == set(
        re.findall(r'"(\w+)"', found[1])
    )


def test_the_workbook_gives_every_outcome_a_colour():
    series = workbook_items()["decisions"]["chartSettings"]["seriesLabelSettings"]
    assert {str(one) for one in Outcome} == {one["seriesName"] for one in series}


@pytest.mark.parametrize("name", PICTURES)
def test_the_columns_that_a_picture_labels_come_from_its_query(name):
    content = workbook_items()[name]
    labelled = re.findall(r'"(?:columnId|columnMatch)": "(\w+)"', json.dumps(content))
    assert [] == [one for one in labelled if not re.search(rf"\b{one}\b", content["query"])]


def test_every_picture_follows_the_chosen_time_range():
    items = workbook_items()
    [parameter] = items["time range"]["parameters"]
    used = {items[name]["timeContextFromParameter"] for name in PICTURES}
    assert {parameter["name"]} == used
