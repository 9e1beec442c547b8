"""Storage that does not answer, or answers with an error."""

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from azure.data.tables import TableServiceClient

from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.ledger.ledger import Ledger
from model_trigger.reconcile.progress import WorkspaceNote
from tests.sandbox.azure_devops.messages import Answer
from tests.sandbox.azure_devops.server import Server
from tests.support.build import NOON, WORKSPACE, deadline
from tests.support.rows import CLAIM, REQUEST
from tests.support.trial import CHURN


@contextmanager
def answering(status):
    """Return a ledger whose storage responds to everything with this status."""
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


def test_unresponsive_storage_is_reported_within_the_deadline():
    connection = (
        "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;"
        "TableEndpoint=http://127.0.0.1:9/a;"
    )
    with TableServiceClient.from_connection_string(connection, retry_total=0) as tables:
        lost = Ledger.open(tables, "test")

        with pytest.raises(LedgerError, match=r"^table 'testreleases' of http://127.0.0.1:9/a: "):
            lost.claims.read(CHURN, "17", deadline(1))


def test_without_time_left_storage_is_not_called(ledger):
    with pytest.raises(LedgerError, match=r"^ran out of time before reaching the ledger$"):
        ledger.claims.read(CHURN, "17", deadline(0))


def read(ledger):
    ledger.claims.read(CHURN, "17", deadline())


def read_page(ledger):
    ledger.claims.on_target(REQUEST, deadline())


def record(ledger):
    ledger.decisions.record(Decision(Outcome.STARTED, "because"), 12, NOON, deadline())


def note(ledger):
    ledger.notes().note_workspace(WorkspaceNote(WORKSPACE, NOON), deadline())


def write(ledger):
    ledger.claims.write(CHURN, CLAIM, None, deadline())


def clean_up(ledger):
    ledger.decisions.delete_before(NOON, deadline())


@pytest.mark.parametrize("status", [404, 409, 412])
@pytest.mark.parametrize("call", [read, read_page, record, note, clean_up])
def test_an_unconditional_write_has_no_conflict(call, status):
    with answering(status) as ledger, pytest.raises(LedgerError, match="Being deleted"):
        call(ledger)


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_conditional_write_can_have_a_conflict(status):
    with answering(status) as ledger, pytest.raises(ConflictError, match="Being deleted"):
        write(ledger)
