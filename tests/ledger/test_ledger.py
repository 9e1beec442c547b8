"""The ledger on the real storage protocol."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_trigger.claims.claim import Baseline, Claim, Mark, Partition, State
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.ledger import rows
from model_trigger.ledger.table import Ledger
from model_trigger.ports import ConflictError, LedgerError
from model_trigger.reconcile.progress import WorkspaceNote
from model_trigger.rules.rule import Clause
from model_trigger.targets.request import Release, StartRequest
from model_trigger.text import utf16_units
from tests.sandbox.azure_devops.messages import Answer
from tests.sandbox.azure_devops.server import Server
from tests.support.build import NOON, WORKSPACE, deadline, registration

PARTITION = Partition("churn", WORKSPACE, "churn")
REQUEST = StartRequest("release", "https://dev.azure.com/contoso", "ml", 1, {"a": ["b"]})
CLAIM = Claim(
    registration=registration(tags={"stage": "prod"}),
    state=State.FAILED,
    owner="owner",
    key="key",
    claimed_at=NOON,
    lease_until=NOON + timedelta(minutes=2),
    tried_at=NOON + timedelta(minutes=1),
    request=REQUEST,
    release=Release(2**40, "https://dev.azure.com/contoso/ml/_release?releaseId=7"),
    reason="because",
    attempts=3,
    failed_since=NOON,
    not_before=NOON + timedelta(minutes=5),
    second_release=Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8"),
)
MARK = Mark("17", "1.4.0", "semver tag:semver", in_flight="17", in_flight_until=NOON)
BASELINE = Baseline("9", "1.0.0", "semver version")


def test_what_is_written_is_read_back_whole(ledger):
    ledger.write(PARTITION, CLAIM, MARK, deadline())
    snapshot = ledger.read(PARTITION, "17", deadline())

    assert CLAIM == replace(snapshot.claim, etag="")
    assert MARK == replace(snapshot.mark, etag="")


def test_a_claim_with_nothing_optional_is_read_back_whole(ledger):
    bare = replace(
        CLAIM,
        request=None,
        release=None,
        second_release=None,
        reason="",
        failed_since=None,
        not_before=None,
    )
    ledger.write(PARTITION, bare, Mark("17", None, "integer version"), deadline())
    snapshot = ledger.read(PARTITION, "17", deadline())

    assert bare == replace(snapshot.claim, etag="")
    assert snapshot.mark.compared is None


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param(replace(MARK, baseline=BASELINE), id="beside a version"),
        pytest.param(Mark("", None, "semver version", BASELINE), id="alone"),
        pytest.param(
            replace(MARK, baseline=BASELINE, compared=None), id="beside one that nothing compares"
        ),
    ],
)
def test_a_baseline_is_read_back_whole(ledger, mark):
    ledger.write(PARTITION, None, mark, deadline())

    assert mark == replace(ledger.read(PARTITION, "17", deadline()).mark, etag="")


def test_nothing_is_read_from_tables_that_do_not_exist_yet(ledger):
    snapshot = ledger.read(PARTITION, "17", deadline())

    assert (None, None) == (snapshot.claim, snapshot.mark)


def test_leases_are_judged_by_the_clock_of_the_storage_service(ledger):
    before = datetime.now(UTC) - timedelta(seconds=2)
    read_at = ledger.read(PARTITION, "17", deadline()).read_at

    assert before <= read_at <= datetime.now(UTC)


def test_a_claim_is_written_once_however_many_write_it_at_the_same_time(ledger):
    def write(number):
        try:
            ledger.write(PARTITION, replace(CLAIM, owner=str(number)), None, deadline())
        except ConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert 1 == sum(pool.map(write, range(32)))


def test_claim_and_mark_are_written_both_or_not_at_all(ledger):
    ledger.write(PARTITION, None, MARK, deadline())

    with pytest.raises(ConflictError):
        ledger.write(PARTITION, CLAIM, MARK, deadline())
    assert ledger.read(PARTITION, "17", deadline()).claim is None


def test_what_has_changed_since_it_was_read_is_not_overwritten(ledger):
    first, _ = ledger.write(PARTITION, CLAIM, None, deadline())
    second, _ = ledger.write(PARTITION, replace(first, owner="second"), None, deadline())

    with pytest.raises(ConflictError):
        ledger.write(PARTITION, replace(first, owner="late"), None, deadline())
    assert "second" == ledger.read(PARTITION, "17", deadline()).claim.owner
    assert second.etag == ledger.read(PARTITION, "17", deadline()).claim.etag


def test_what_has_been_removed_since_it_was_read_is_a_conflict(ledger):
    written, _ = ledger.write(PARTITION, CLAIM, None, deadline())
    ledger.releases.delete_entity(rows.partition_key(PARTITION), rows.claim_key("17"))

    with pytest.raises(ConflictError):
        ledger.write(PARTITION, written, None, deadline())


def test_all_claims_of_a_partition_are_read_and_no_others(ledger):
    for version in ("1", "2", "3"):
        claim = replace(CLAIM, registration=registration(version))
        ledger.write(PARTITION, claim, None, deadline())
    ledger.write(PARTITION, None, MARK, deadline())
    ledger.write(replace(PARTITION, model="fraud"), CLAIM, None, deadline())

    found = ledger.claims(PARTITION, deadline())

    assert {"1", "2", "3"} == {claim.version for claim in found}


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("a/b\\c#d?e", id="characters that keys may not hold"),
        pytest.param("1%2f2", id="percent"),
        pytest.param("it's", id="quote"),
        pytest.param("naïve 版本 \x07", id="not ASCII, and a control character"),
        pytest.param("v" * 5000, id="longer than a key"),
        pytest.param("~", id="the character that stands for others"),
    ],
)
def test_any_text_can_be_model_and_version(ledger, version):
    partition = replace(PARTITION, model=version)
    claim = replace(CLAIM, registration=registration(version, model=version))
    ledger.write(partition, claim, MARK, deadline())

    assert version == ledger.read(partition, version, deadline()).claim.version


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_different_versions_have_different_keys(versions):
    first, second = (rows.claim_key(version) for version in versions)

    assert first != second


@given(
    st.lists(
        st.builds(
            Partition,
            rule=st.sampled_from(["a", "ab", "a|b"]),
            workspace=st.just(WORKSPACE),
            model=st.text(min_size=1, max_size=4),
            observed=st.booleans(),
        ),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_different_partitions_have_different_keys(partitions):
    first, second = (rows.partition_key(partition) for partition in partitions)

    assert first != second


def test_a_workspace_id_in_another_case_is_the_same_partition():
    upper = replace(WORKSPACE, id=WORKSPACE.id.upper(), name=WORKSPACE.name.upper())

    assert rows.partition_key(PARTITION) == rows.partition_key(replace(PARTITION, workspace=upper))


def test_texts_longer_than_a_property_are_kept_whole(ledger):
    claim = replace(
        CLAIM,
        reason="r" * 50_000,
        registration=registration(tags={"notes": "\N{GRINNING FACE}" * 40_000}),
        request=replace(REQUEST, body={"description": "d" * 100_000}),
    )
    ledger.write(PARTITION, claim, None, deadline())

    assert claim == replace(ledger.read(PARTITION, "17", deadline()).claim, etag="")


def test_a_decision_is_kept_with_its_clauses_under_its_day(ledger):
    clause = Clause("version", ">=10", "9", met=False, sentence="version 9 is not in >=10")
    decision = Decision(
        Outcome.NOT_MATCHED, "because", registration=registration("9"), clauses=(clause,)
    )
    ledger.record(decision, 12, NOON, deadline())

    (row,) = ledger.decisions.query_entities("PartitionKey eq '2026-11-22'")
    assert ("not_matched", "churn", "9", "because", 12) == tuple(
        row[name] for name in ("outcome", "model", "version", "reason", "milliseconds")
    )
    assert '"expected": ">=10", "actual": "9"' in row["clauses"]


def test_the_newest_decision_of_a_day_comes_first(ledger):
    for second in (1, 3, 2):
        decision = Decision(Outcome.REJECTED, f"at {second}")
        ledger.record(decision, 0, NOON + timedelta(seconds=second), deadline())

    found = ledger.decisions.query_entities("PartitionKey eq '2026-11-22'")
    assert ["at 3", "at 2", "at 1"] == [row["reason"] for row in found]


def test_a_decision_with_the_longest_event_is_kept(ledger):
    decision = Decision(Outcome.REJECTED, "r" * 100_000, event="\N{GRINNING FACE}" * 50_000)
    ledger.record(decision, 0, NOON, deadline())

    (row,) = ledger.decisions.query_entities("PartitionKey eq '2026-11-22'")
    assert row["event"].startswith("\N{GRINNING FACE}")


@contextmanager
def answering(status):
    """A ledger whose storage answers all that is asked with this status."""
    body = b'{"odata.error": {"code": "TableBeingDeleted", "message": {"value": "Being deleted."}}}'
    server = Server(0, partial(datetime.now, UTC), lambda _: Answer(status, body))
    connection = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;"
        f"TableEndpoint=http://127.0.0.1:{server.port}/a;"
    )
    try:
        with TableServiceClient.from_connection_string(connection, retry_total=0) as tables:
            yield Ledger.open(tables, "test")
    finally:
        server.stop()


def size_of(value) -> int:
    """Return the bytes that a property takes: a text is kept in UTF-16."""
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
def test_a_decision_fits_into_an_entity_whatever_it_holds(decision):
    row = rows.decision_row(decision, 12, NOON, "u" * 32)

    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    assert {} == {name: text for name, text in texts.items() if utf16_units(text) > 32_768}
    assert entity_size(row) <= 2**20
    assert len(json.dumps({**row, "decided_at": str(NOON)})) <= 2**20
    assert len(row) <= 252
    for text in texts.values():
        text.encode()
    assert decision.outcome == rows.read_decision(row, "").outcome


@pytest.mark.parametrize(
    "text", ["\N{GRINNING FACE}" * 100_000, '"\\' * 100_000, "\x07" * 100_000, "\ud800" * 100_000]
)
def test_the_longest_decision_is_kept(ledger, text):
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
    ledger.record(decision, 12, NOON, deadline())

    (row,) = ledger.decisions.query_entities("PartitionKey eq '2026-11-22'")
    kept = rows.read_decision(row, "")
    assert kept.reason.endswith("…")
    assert kept.event.endswith("…")
    assert 2 < len(kept.clauses) < 300


def test_of_clauses_that_do_not_all_fit_the_first_ones_are_kept():
    clauses = tuple(
        Clause(str(number), "x" * 1_000, "y", met=False, sentence="") for number in range(300)
    )
    row = rows.decision_row(Decision(Outcome.FAILED, "because", clauses=clauses), 1, NOON, "u")

    kept = [clause["clause"] for clause in rows.read_decision(row, "").clauses]
    assert 90 < len(kept) < 100
    assert kept == [clause.clause for clause in clauses[: len(kept)]]


def test_storage_that_does_not_answer_is_named_within_the_deadline():
    connection = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;"
        "TableEndpoint=http://127.0.0.1:9/a;"
    )
    with TableServiceClient.from_connection_string(connection, retry_total=0) as tables:
        lost = Ledger.open(tables, "test")

        with pytest.raises(LedgerError, match=r"^table 'testreleases' of http://127.0.0.1:9/a: "):
            lost.read(PARTITION, "17", deadline(1))


def test_without_time_left_storage_is_not_called(ledger):
    with pytest.raises(LedgerError, match=r"^no time was left to reach the ledger$"):
        ledger.read(PARTITION, "17", deadline(0))


def test_a_claim_fits_into_a_row_however_long_its_reason_is(ledger):
    one = replace(CLAIM, reason="\U0001f600" * 500_000)
    ledger.write(PARTITION, one, None, deadline())

    assert ledger.read(PARTITION, CLAIM.version, deadline()).claim.reason.endswith("…")


def test_a_row_of_the_first_version_is_read(ledger):
    row = dict(rows.claim_row(PARTITION, replace(CLAIM, state=State.STARTING)))
    row["post_until"] = row["lease_until"]
    row["lease_until"] = row["claimed_at"]
    del row["tried_at"]
    read = rows.read_claim(row, "")
    ledger.releases.create_table()
    ledger.releases.upsert_entity({**row, "state": "unreadable"})
    ((_, kept),), _ = ledger.open_claims(deadline())

    assert (CLAIM.lease_until, CLAIM.claimed_at) == (read.lease_until, read.tried_at)
    assert State.KEPT is kept.state


def test_a_row_that_cannot_be_read_is_named_and_hides_no_other(ledger, caplog):
    for version in ("17", "18"):
        one = replace(CLAIM, state=State.WAITING, registration=registration(version))
        ledger.write(PARTITION, one, None, deadline())
    row = ledger.releases.get_entity(rows.partition_key(PARTITION), rows.claim_key("17"))
    ledger.releases.update_entity({**row, "registration": "{"})
    found, _ = ledger.open_claims(deadline())

    assert ["18"] == [claim.version for _, claim in found]
    assert "and RowKey 'claim|17' cannot be read" in caplog.text
    with pytest.raises(LedgerError, match=r"and RowKey 'claim\|17' cannot be read"):
        ledger.read(PARTITION, "17", deadline())


@pytest.mark.parametrize(
    ("compared", "baseline"),
    [
        pytest.param("1.0.0", BASELINE, id="of a version"),
        pytest.param(None, None, id="of nothing that could be compared"),
    ],
)
def test_a_baseline_that_the_first_version_wrote_as_the_mark_is_a_baseline(compared, baseline):
    row = {
        **rows.mark_row(PARTITION, Mark("9", compared, "semver version")),
        "baseline": True,
    }

    assert Mark("", None, "semver version", baseline) == rows.read_mark(row, "")


def test_a_mark_that_the_first_version_moved_is_a_mark():
    row = {**rows.mark_row(PARTITION, MARK), "baseline": False}

    assert MARK == rows.read_mark(row, "")


def read(ledger):
    ledger.read(PARTITION, "17", deadline())


def read_page(ledger):
    ledger.claims_on_target(REQUEST, deadline())


def record(ledger):
    ledger.record(Decision(Outcome.STARTED, "because"), 12, NOON, deadline())


def note(ledger):
    ledger.note_workspace(WorkspaceNote(WORKSPACE, NOON), deadline())


def write(ledger):
    ledger.write(PARTITION, CLAIM, None, deadline())


def clean_up(ledger):
    ledger.clean_up(NOON, deadline())


@pytest.mark.parametrize("status", [404, 409, 412])
@pytest.mark.parametrize("call", [read, read_page, record, note, clean_up])
def test_what_is_not_conditional_meets_no_conflict(call, status):
    with answering(status) as ledger, pytest.raises(LedgerError, match="Being deleted"):
        call(ledger)


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_conditional_write_meets_a_conflict(status):
    with answering(status) as ledger, pytest.raises(ConflictError, match="Being deleted"):
        write(ledger)
