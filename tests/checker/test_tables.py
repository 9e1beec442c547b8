"""The checker's tables respond like Azurite's to any call."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import count

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.data.tables import TableServiceClient, UpdateMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checker.calls import Call
from tests.checker.client import SimulatedTable
from tests.checker.processes import Process
from tests.checker.scenario import Scenario
from tests.checker.world import World

_numbers = count(1)

KEYS = st.sampled_from(["a", "b", "b|c"])
TEXTS = st.sampled_from(["", "a", "b", "it's"])
MOMENTS = st.integers(0, 10**9).map(lambda one: datetime.fromtimestamp(one, UTC))
# Each property has one type, as in the ledger's rows.
ROWS = st.fixed_dictionaries(
    {"PartitionKey": st.sampled_from(["p", "q"]), "RowKey": KEYS},
    optional={
        "state": TEXTS,
        "flag": st.booleans(),
        "number": st.integers(-(2**31), 2**31 - 1),
        "at": st.one_of(st.none(), MOMENTS),
    },
)
MODES = st.sampled_from([UpdateMode.REPLACE, UpdateMode.MERGE])
# The earlier reply whose etag a change is conditional on; None for no condition.
ETAGS = st.one_of(st.none(), st.integers(0, 8))
OPERATIONS = st.one_of(
    st.tuples(st.just("create"), ROWS),
    st.tuples(st.just("upsert"), ROWS, MODES),
    st.tuples(st.just("update"), ROWS, MODES, ETAGS),
    st.tuples(st.just("delete"), ROWS, ETAGS),
)
FILTERS = st.sampled_from(
    [
        ("", {}),
        ("PartitionKey eq @p", {"p": "p"}),
        ("PartitionKey eq @p and RowKey eq @r", {"p": "p", "r": "b"}),
        ("PartitionKey eq @p and RowKey ne @r", {"p": "p", "r": "b"}),
        (
            "PartitionKey eq @p and RowKey eq @a or PartitionKey eq @p and RowKey eq @b",
            {"p": "p", "a": "a", "b": "b|c"},
        ),
        ("PartitionKey eq @p and RowKey gt @a and RowKey lt @b", {"p": "p", "a": "a", "b": "b}"}),
        ("PartitionKey ge 'p' and PartitionKey lt 'q'", {}),
        ("PartitionKey eq @p and ( RowKey eq @a or RowKey eq @b )", {"p": "p", "a": "a", "b": "b"}),
        ("state eq 'a' or state eq @b", {"b": "it's"}),
        ("state ge @any", {"any": ""}),
        ("state ne 'a'", {}),
        ("flag eq true", {}),
        ("flag eq @flag", {"flag": False}),
        ("number ge 0", {}),
        ("at lt @then", {"then": datetime(2026, 6, 1, tzinfo=UTC)}),
        ("PartitionKey eq 'p' and (state eq 'a' or state eq 'b')", {}),
    ]
)
CALLS = st.one_of(
    OPERATIONS,
    st.tuples(
        st.just("transaction"),
        st.lists(OPERATIONS, min_size=1, max_size=3, unique_by=lambda one: one[1]["RowKey"]),
    ),
    st.tuples(st.just("query"), FILTERS, st.integers(1, 3)),
    st.tuples(st.just("get"), ROWS),
)


class Simulated:
    """A table of the checker; each call gets a reply at once."""

    def __init__(self):
        self.world = World(Scenario())
        self.table = SimulatedTable("any")

    def __getattr__(self, name):
        return lambda *arguments, **options: self.asked(
            lambda: getattr(self.table, name)(*arguments, **options)
        )

    def asked(self, call):
        answers = []
        process = Process("test", lambda: answers.append(answered(call)), self.world.now)
        asked = process.switch()
        while isinstance(asked, Call):
            asked = process.switch((self.world.answer(asked, 0, "", "test"), self.world.now))
        assert not asked.problem
        (answer,) = answers
        if isinstance(answer, Exception):
            raise answer
        return answer


def answered(call):
    """Call, and read all rows of a query while a process may still make calls."""
    try:
        return call()
    except (AzureError, ValueError) as error:
        return error


class Asked:
    """One of the two tables, with the etags that it has returned."""

    def __init__(self, table):
        self.table, self.etags = table, []

    def call(self, verb, *arguments):
        """Return what can be compared: rows, which etags are equal, errors."""
        try:
            return getattr(self, verb)(*arguments)
        except HttpResponseError as error:
            return type(error).__name__, error.status_code
        except ValueError as error:
            return type(error).__name__

    def create(self, row):
        return self.noted([self.table.create_entity(row)])

    def upsert(self, row, mode):
        return self.noted([self.table.upsert_entity(row, mode)])

    def update(self, row, mode, etag):
        return self.noted([self.table.update_entity(row, mode, **self.condition(etag))])

    def delete(self, row, etag):
        return self.table.delete_entity(row, **self.condition(etag))

    def get(self, row):
        return dict(self.table.get_entity(row["PartitionKey"], row["RowKey"]))

    def transaction(self, operations):
        return self.noted(self.table.submit_transaction([*map(self.operation, operations)]))

    def query(self, filtered, size):
        text, parameters = filtered
        pages, token = [], None
        while True:
            page, token = self.page(text, parameters, size, token)
            pages.append(page)
            if token is None:
                return pages

    def page(self, text, parameters, size, token):
        def read():
            found = self.table_of_pages.query_entities(
                text, parameters=parameters, results_per_page=size
            ).by_page(token)
            rows = [(dict(one), one.metadata["etag"]) for one in next(found)]
            return rows, found.continuation_token

        rows, token = self.table.asked(read) if isinstance(self.table, Simulated) else read()
        return [(row, self.alike(etag)) for row, etag in rows], token

    @property
    def table_of_pages(self):
        return self.table.table if isinstance(self.table, Simulated) else self.table

    def operation(self, one):
        verb, row, *rest = one
        if verb == "create":
            return verb, row
        if verb == "upsert":
            return verb, row, {"mode": rest[0]}
        mode = {"mode": rest[0]} if verb == "update" else {}
        return verb, row, {**mode, **self.condition(rest[-1])}

    def condition(self, index):
        if index is None:
            return {}
        etag = self.etags[index] if index < len(self.etags) else "W/\"datetime'2026-01-01'\""
        return {"etag": etag, "match_condition": MatchConditions.IfNotModified}

    def noted(self, written):
        etags = [one.get("etag") for one in written]
        self.etags += [etag for etag in etags if etag]
        return [self.alike(etag) for etag in etags]

    def alike(self, etag):
        return etag and self.etags.index(etag)


@pytest.fixture
def azurite_tables(azurite):
    with TableServiceClient.from_connection_string(
        azurite.connection_string, retry_total=0
    ) as tables:
        yield tables


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,  # reproducible: must not fail by chance
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(calls=st.lists(CALLS, min_size=1, max_size=12))
def test_both_tables_give_the_same_replies(azurite_tables, calls):
    real = Asked(azurite_tables.create_table(f"alike{next(_numbers)}"))
    simulated = Asked(Simulated())
    simulated.table.create_table()

    for call in calls:
        assert real.call(*call) == simulated.call(*call), call


def test_a_missing_table_is_reported_and_created_once(azurite_tables):
    real = azurite_tables.get_table_client(f"alike{next(_numbers)}")
    for table in (Asked(real), Asked(Simulated())):
        row = {"PartitionKey": "p", "RowKey": "r"}
        missing = table.call("create", row)
        assert ("ResourceNotFoundError", 404) == missing
        table.table.create_table()
        with pytest.raises(HttpResponseError) as caught:
            table.table.create_table()
        assert ("ResourceExistsError", 409) == (
            type(caught.value).__name__,
            caught.value.status_code,
        )
        assert [0] == table.call("create", row)


def test_the_service_shows_its_clock_in_whole_seconds(azurite_tables):
    dates = []

    def note(response):
        dates.append(parsedate_to_datetime(response.http_response.headers["Date"]))

    simulated = Simulated()
    simulated.world.now = 1_999
    for table in (azurite_tables.get_table_client(f"alike{next(_numbers)}"), simulated):
        with suppress(HttpResponseError):
            table.create_table()
        table.upsert_entity({"PartitionKey": "p", "RowKey": "r"}, raw_response_hook=note)

    assert timedelta(0) <= datetime.now(UTC) - dates[0] < timedelta(minutes=1)
    assert datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC) == dates[1]
