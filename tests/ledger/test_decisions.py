"""Decisions in the ledger: kept under their day, and never larger than a row."""

import json
from datetime import timedelta

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.ledger.decisions import decision_row, read_decision
from model_trigger.ledger.ledger import Ledger
from model_trigger.rules.rule import Clause
from model_trigger.targets.request import Release
from model_trigger.text import utf16_units
from tests.sandbox.flaky import FlakyProxy
from tests.support.build import NOON, deadline, registration


def test_a_decision_is_stored_with_its_clauses_under_its_day(ledger):
    clause = Clause("version", ">=10", "9", met=False, sentence="version 9 is not in >=10")
    decision = Decision(
        Outcome.NOT_MATCHED, "because", registration=registration("9"), clauses=(clause,)
    )
    ledger.decisions.record(decision, 12, NOON, deadline())

    (row,) = ledger.decisions.table.client.query_entities("PartitionKey eq '2026-11-22'")
    assert ("not_matched", "churn", "9", "because", 12) == tuple(
        row[name] for name in ("outcome", "model", "version", "reason", "milliseconds")
    )
    assert '"expected": ">=10", "actual": "9"' in row["clauses"]


def test_the_newest_decision_of_a_day_comes_first(ledger):
    for second in (1, 3, 2):
        decision = Decision(Outcome.REJECTED, f"at {second}")
        ledger.decisions.record(decision, 0, NOON + timedelta(seconds=second), deadline())

    found = ledger.decisions.table.client.query_entities("PartitionKey eq '2026-11-22'")
    assert ["at 3", "at 2", "at 1"] == [row["reason"] for row in found]


def test_a_decision_with_the_longest_event_is_stored(ledger):
    decision = Decision(Outcome.REJECTED, "r" * 100_000, event="\N{GRINNING FACE}" * 50_000)
    ledger.decisions.record(decision, 0, NOON, deadline())

    (row,) = ledger.decisions.table.client.query_entities("PartitionKey eq '2026-11-22'")
    assert row["event"].startswith("\N{GRINNING FACE}")


def size_of(value) -> int:
    """Return the bytes that a property takes; text is stored in UTF-16."""
    return 2 * utf16_units(value) + 4 if isinstance(value, str) else 8


def entity_size(row) -> int:
    """Return the bytes of an entity, as they count towards 1 MiB.

    https://learn.microsoft.com/archive/blogs/avkashchauhan/how-the-size-of-an-entity-is-caclulated-in-windows-azure-table-storage
    """
    return 4 + sum(8 + 2 * len(name) + size_of(value) for name, value in row.items())


long_texts = st.builds(
    lambda text, times: text * times,
    st.sampled_from(["x", '"', "\\", "\n", "\x00", "\N{GRINNING FACE}", "\U000e0001", "\ud800"])
    | st.text(st.characters(codec=None), min_size=1, max_size=3),
    st.sampled_from([0, 1, 200, 16_000, 16_001, 32_768, 100_000, 600_000]),
)
decisions_of_any_size = st.builds(
    Decision,
    outcome=st.sampled_from(Outcome),
    reason=long_texts,
    rule=long_texts,
    registration=st.none()
    | st.builds(registration, long_texts, long_texts, event_id=long_texts, source=long_texts),
    clauses=st.builds(
        lambda clause, times: (clause,) * times,
        st.builds(Clause, long_texts, long_texts, long_texts, st.booleans(), long_texts),
        st.sampled_from([0, 1, 2, 5]),
    ),
    release=st.none() | st.builds(Release, st.integers(0, 2**63), long_texts),
    closest=long_texts,
    event=long_texts,
)


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(decisions_of_any_size)
def test_a_decision_fits_in_an_entity_whatever_it_contains(decision):
    row = decision_row(decision, 12, NOON, "u" * 32)

    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    assert {} == {name: text for name, text in texts.items() if utf16_units(text) > 32_768}
    assert entity_size(row) <= 2**20
    assert len(json.dumps({**row, "decided_at": str(NOON)})) <= 2**20
    assert len(row) <= 252
    for text in texts.values():
        text.encode()
    assert decision.outcome == read_decision(row, "").outcome


@pytest.mark.parametrize(
    "text", ["\N{GRINNING FACE}" * 100_000, '"\\' * 100_000, "\x07" * 100_000, "\ud800" * 100_000]
)
def test_the_longest_decision_is_stored(ledger, text):
    clause = Clause(text[:200], text[:200], text[:200], met=False, sentence=text)
    decision = Decision(
        Outcome.REJECTED,
        text,
        rule=text,
        registration=registration(text, text, event_id=text, source=text),
        clauses=(clause,) * 300,
        release=Release(2**60, text),
        closest=text,
        event=text,
    )
    ledger.decisions.record(decision, 12, NOON, deadline())

    (row,) = ledger.decisions.table.client.query_entities("PartitionKey eq '2026-11-22'")
    kept = read_decision(row, "")
    assert kept.reason.endswith("…")
    assert kept.event.endswith("…")
    assert 2 < len(kept.clauses) < 300


def test_if_not_all_clauses_fit_the_first_ones_are_stored():
    clauses = tuple(
        Clause(str(number), "x" * 1_000, "y", met=False, sentence="") for number in range(300)
    )
    row = decision_row(Decision(Outcome.FAILED, "because", clauses=clauses), 1, NOON, "u")

    kept = [clause["clause"] for clause in read_decision(row, "").clauses]
    assert 90 < len(kept) < 100
    assert kept == [clause.clause for clause in clauses[: len(kept)]]


def test_expired_decisions_are_deleted_without_reading_more_than_is_deleted(azurite, ledger):
    for day, count in ((2, 130), (1, 3), (0, 2)):
        for second in range(count):
            moment = NOON - timedelta(days=day) + timedelta(seconds=second)
            ledger.decisions.record(Decision(Outcome.STARTED, "x" * 900), 0, moment, deadline())
    address = azurite.connection_string.split("TableEndpoint=")[1].split(";")[0]
    with FlakyProxy(address, seed=0, chance=0) as proxy:
        through = azurite.connection_string.replace(proxy.target, proxy.address)
        with TableServiceClient.from_connection_string(through, retry_total=0) as tables:
            prefix = ledger.claims.table.client.table_name.removesuffix("releases")
            deleted = Ledger.open(tables, prefix).decisions.delete_before(NOON, deadline())
        reads = [each for each in proxy.requests if each.startswith("GET")]

    left = [*ledger.decisions.table.client.list_entities()]
    assert (133, 2) == (deleted, len(left))
    assert 3 == len(reads)
    assert all("$select=PartitionKey,RowKey" in each for each in reads)


def test_without_time_no_expired_decision_is_read(ledger):
    ledger.decisions.record(Decision(Outcome.STARTED, "x"), 0, NOON - timedelta(days=1), deadline())

    assert 0 == ledger.decisions.delete_before(NOON, deadline(1))
