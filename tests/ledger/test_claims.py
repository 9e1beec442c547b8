"""Claims and marks in the ledger, on the real storage protocol."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.claims.claim import Mark, Partition, State
from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.ledger.claims import (
    claim_key,
    claim_row,
    mark_row,
    partition_key,
    read_claim,
    read_mark,
)
from tests.support.build import WORKSPACE, deadline, registration
from tests.support.rows import BASELINE, CLAIM, MARK, REQUEST
from tests.support.trial import CHURN


def test_what_is_written_is_read_back_whole(ledger):
    ledger.claims.write(CHURN, CLAIM, MARK, deadline())
    snapshot = ledger.claims.read(CHURN, "17", deadline())

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
    ledger.claims.write(CHURN, bare, Mark("17", None, "integer version"), deadline())
    snapshot = ledger.claims.read(CHURN, "17", deadline())

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
    ledger.claims.write(CHURN, None, mark, deadline())

    assert mark == replace(ledger.claims.read(CHURN, "17", deadline()).mark, etag="")


def test_nothing_is_read_from_tables_that_do_not_exist_yet(ledger):
    snapshot = ledger.claims.read(CHURN, "17", deadline())

    assert (None, None) == (snapshot.claim, snapshot.mark)


def test_leases_are_judged_by_the_clock_of_the_storage_service(ledger):
    before = datetime.now(UTC) - timedelta(seconds=2)
    read_at = ledger.claims.read(CHURN, "17", deadline()).read_at

    assert before <= read_at <= datetime.now(UTC)


def test_a_claim_is_written_once_however_many_write_it_at_the_same_time(ledger):
    def write(number):
        try:
            ledger.claims.write(CHURN, replace(CLAIM, owner=str(number)), None, deadline())
        except ConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert 1 == sum(pool.map(write, range(32)))


def test_claim_and_mark_are_written_both_or_not_at_all(ledger):
    ledger.claims.write(CHURN, None, MARK, deadline())

    with pytest.raises(ConflictError):
        ledger.claims.write(CHURN, CLAIM, MARK, deadline())
    assert ledger.claims.read(CHURN, "17", deadline()).claim is None


def test_what_has_changed_since_it_was_read_is_not_overwritten(ledger):
    first, _ = ledger.claims.write(CHURN, CLAIM, None, deadline())
    second, _ = ledger.claims.write(CHURN, replace(first, owner="second"), None, deadline())

    with pytest.raises(ConflictError):
        ledger.claims.write(CHURN, replace(first, owner="late"), None, deadline())
    assert "second" == ledger.claims.read(CHURN, "17", deadline()).claim.owner
    assert second.etag == ledger.claims.read(CHURN, "17", deadline()).claim.etag


def test_what_has_been_removed_since_it_was_read_is_a_conflict(ledger):
    written, _ = ledger.claims.write(CHURN, CLAIM, None, deadline())
    ledger.claims.table.client.delete_entity(partition_key(CHURN), claim_key("17"))

    with pytest.raises(ConflictError):
        ledger.claims.write(CHURN, written, None, deadline())


def test_all_claims_of_a_partition_are_read_and_no_others(ledger):
    for version in ("1", "2", "3"):
        claim = replace(CLAIM, registration=registration(version))
        ledger.claims.write(CHURN, claim, None, deadline())
    ledger.claims.write(CHURN, None, MARK, deadline())
    ledger.claims.write(replace(CHURN, model="fraud"), CLAIM, None, deadline())

    found = ledger.claims.all_in(CHURN, deadline())

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
    partition = replace(CHURN, model=version)
    claim = replace(CLAIM, registration=registration(version, model=version))
    ledger.claims.write(partition, claim, MARK, deadline())

    assert version == ledger.claims.read(partition, version, deadline()).claim.version


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_different_versions_have_different_keys(versions):
    first, second = (claim_key(version) for version in versions)

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
    first, second = (partition_key(partition) for partition in partitions)

    assert first != second


def test_a_workspace_id_in_another_case_is_the_same_partition():
    upper = replace(WORKSPACE, id=WORKSPACE.id.upper(), name=WORKSPACE.name.upper())

    assert partition_key(CHURN) == partition_key(replace(CHURN, workspace=upper))


def test_texts_longer_than_a_property_are_kept_whole(ledger):
    claim = replace(
        CLAIM,
        reason="r" * 50_000,
        registration=registration(tags={"notes": "\N{GRINNING FACE}" * 40_000}),
        request=replace(REQUEST, body={"description": "d" * 100_000}),
    )
    ledger.claims.write(CHURN, claim, None, deadline())

    assert claim == replace(ledger.claims.read(CHURN, "17", deadline()).claim, etag="")


def test_a_claim_fits_into_a_row_however_long_its_reason_is(ledger):
    one = replace(CLAIM, reason="\U0001f600" * 500_000)
    ledger.claims.write(CHURN, one, None, deadline())

    assert ledger.claims.read(CHURN, CLAIM.version, deadline()).claim.reason.endswith("…")


def test_a_row_of_the_first_version_is_read(ledger):
    row = dict(claim_row(CHURN, replace(CLAIM, state=State.STARTING)))
    row["post_until"] = row["lease_until"]
    row["lease_until"] = row["claimed_at"]
    del row["tried_at"]
    read = read_claim(row, "")
    ledger.claims.table.client.create_table()
    ledger.claims.table.client.upsert_entity({**row, "state": "unreadable"})
    ((_, kept),), _ = ledger.claims.open_claims(deadline())

    assert (CLAIM.lease_until, CLAIM.claimed_at) == (read.lease_until, read.tried_at)
    assert State.KEPT is kept.state


def test_a_row_that_cannot_be_read_is_named_and_hides_no_other(ledger, caplog):
    for version in ("17", "18"):
        one = replace(CLAIM, state=State.WAITING, registration=registration(version))
        ledger.claims.write(CHURN, one, None, deadline())
    row = ledger.claims.table.client.get_entity(partition_key(CHURN), claim_key("17"))
    ledger.claims.table.client.update_entity({**row, "registration": "{"})
    found, _ = ledger.claims.open_claims(deadline())

    assert ["18"] == [claim.version for _, claim in found]
    assert "and RowKey 'claim|17' cannot be read" in caplog.text
    with pytest.raises(LedgerError, match=r"and RowKey 'claim\|17' cannot be read"):
        ledger.claims.read(CHURN, "17", deadline())


@pytest.mark.parametrize(
    ("compared", "baseline"),
    [
        pytest.param("1.0.0", BASELINE, id="of a version"),
        pytest.param(None, None, id="of nothing that could be compared"),
    ],
)
def test_a_baseline_that_the_first_version_wrote_as_the_mark_is_a_baseline(compared, baseline):
    row = {
        **mark_row(CHURN, Mark("9", compared, "semver version")),
        "baseline": True,
    }

    assert Mark("", None, "semver version", baseline) == read_mark(row, "")


def test_a_mark_that_the_first_version_moved_is_a_mark():
    row = {**mark_row(CHURN, MARK), "baseline": False}

    assert MARK == read_mark(row, "")
