"""Keep claims, marks and decisions in Azure Table Storage: every change is one conditional write.

`<prefix>releases` holds one partition per (rule, workspace, model): a row `mark`, and a row for
each claim. `<prefix>decisions` holds one partition per day, the newest decision first.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.data.tables import TableClient, TableServiceClient, UpdateMode

from model_trigger.claims.claim import Claim, Mark, Partition, Snapshot, State
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision
from model_trigger.decisions.history import Cursor, DecisionSearch, PastDecision
from model_trigger.ledger import rows
from model_trigger.ports import ConflictError, LedgerError, UnreadableRowError
from model_trigger.reconcile.progress import Memory, ModelNote, RuleNote, WorkspaceNote
from model_trigger.registrations.registration import Workspace
from model_trigger.targets.request import StartRequest

_CONFLICTS = (404, 409, 412)
_PAUSES = (0.1, 0.4, 1.0)
_LONGEST_CALL = 5.0
_LARGEST_TRANSACTION = 100
# More claims than this are not shown, and not read.
_MOST_CLAIMS = 1000
_LARGEST_PAGE = 1000

Result = TypeVar("Result")

_log = logging.getLogger("model_trigger")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The two tables; they are made when they are missing."""

    releases: TableClient
    decisions: TableClient

    @classmethod
    def open(cls, service: TableServiceClient, prefix: str) -> "Ledger":
        """Give the ledger with this prefix; nothing is called yet."""
        return cls(
            service.get_table_client(f"{prefix}releases"),
            service.get_table_client(f"{prefix}decisions"),
        )

    def read(self, partition: Partition, version: str, deadline: Deadline) -> Snapshot:
        """Read the claim of one version and the mark, in one call, and storage's time.

        Raises LedgerError.
        """
        dates: list[datetime] = []
        found = self._query(
            # Without brackets: the SDK takes a parameter for a word, and `@claim)` for another.
            "PartitionKey eq @partition and RowKey eq @mark "
            "or PartitionKey eq @partition and RowKey eq @claim",
            {
                "partition": rows.partition_key(partition),
                "mark": rows.MARK_KEY,
                "claim": rows.claim_key(version),
            },
            deadline,
            raw_response_hook=_date_into(dates),
        )
        by_key = {row["RowKey"]: row for row in found}
        claim = by_key.get(rows.claim_key(version))
        mark = by_key.get(rows.MARK_KEY)
        return Snapshot(
            claim=_parsed(rows.read_claim, claim) if claim else None,
            mark=_parsed(rows.read_mark, mark) if mark else None,
            read_at=dates[0],
        )

    def claims(self, partition: Partition, deadline: Deadline) -> list[Claim]:
        """Read all claims of one partition. Raises LedgerError."""
        found = self._query(
            "PartitionKey eq @partition and RowKey ne @mark",
            {"partition": rows.partition_key(partition), "mark": rows.MARK_KEY},
            deadline,
        )
        return [_parsed(rows.read_claim, row) for row in found]

    def write(
        self, partition: Partition, claim: Claim | None, mark: Mark | None, deadline: Deadline
    ) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both in one transaction, as long as neither has changed.

        What carries no etag must not exist yet. Gives both back with their new etags. Raises
        ConflictError and LedgerError.
        """
        operations: list[tuple[Any, ...]] = []
        if claim:
            operations.append(_operation(rows.claim_row(partition, claim), claim.etag))
        if mark:
            operations.append(_operation(rows.mark_row(partition, mark), mark.etag))
        send = partial(self.releases.submit_transaction, operations)
        etags = [
            str(written["etag"]) for written in _call(self.releases, send, deadline, conflicts=True)
        ]
        return (
            replace(claim, etag=etags[0]) if claim else None,
            replace(mark, etag=etags[-1]) if mark else None,
        )

    def record(
        self, decision: Decision, milliseconds: int, now: datetime, deadline: Deadline
    ) -> None:
        """Keep a decision. Raises LedgerError."""
        row = rows.decision_row(decision, milliseconds, now, uuid4().hex)
        keep = partial(self.decisions.upsert_entity, row, UpdateMode.REPLACE)
        _call(self.decisions, keep, deadline)

    def open_claims(self, deadline: Deadline) -> tuple[list[tuple[Partition, Claim]], datetime]:
        """Read the claims that are not final, of all partitions, with the storage time.

        Raises LedgerError.
        """
        dates: list[datetime] = []
        states = " or ".join(f"state eq '{state}'" for state in rows.OPEN_STATES)
        found = self._query(states, {}, deadline, raw_response_hook=_date_into(dates))
        return list(_claims_of(found)), dates[0]

    def claims_of(
        self, model: str, version: str, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read a thousand claims of a model, of all rules and workspaces, or of one version of it.

        Raises LedgerError.
        """
        # The rows of models as they are listed have no state.
        text, parameters = "model eq @model and state ge @any", {"model": model, "any": ""}
        if version:
            text, parameters = f"{text} and version eq @version", {**parameters, "version": version}
        return self._claims(text, parameters, deadline)

    def troubled_claims(self, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read a thousand claims that are not at their end, were given up, or started twice.

        Raises LedgerError.
        """
        states = " or ".join(f"state eq '{state}'" for state in (*rows.OPEN_STATES, State.GIVEN_UP))
        return self._claims(f"{states} or second_release_url ge @any", {"any": ""}, deadline)

    def past_decisions(
        self, search: DecisionSearch, deadline: Deadline
    ) -> tuple[list[PastDecision], Cursor]:
        """Read decisions, the newest first, and where to go on.

        Stops where it is when the time runs out. Raises LedgerError.
        """
        found: list[PastDecision] = []
        cursor = search.start
        while cursor.day >= search.oldest and deadline.allows(_LONGEST_CALL / 2):
            text, parameters = rows.decision_filter(search, cursor)
            for row in self._paged(self.decisions, text, parameters, search.limit, deadline):
                if len(found) == search.limit:
                    return found, cursor
                cursor = rows.decision_cursor(row)
                found.extend(_readable(rows.read_decision, [row]))
            cursor = cursor.day_before
        return found, cursor

    def claims_on_target(
        self, request: StartRequest, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read the claims on the request's definition that started something, or may have.

        Raises LedgerError.
        """
        parameters = {"target": rows.target_key(request)}
        found = self._paged(self.releases, "target eq @target", parameters, _LARGEST_PAGE, deadline)
        # None may be left out: a run that it holds could be taken for another's.
        return [_claim_of(row) for row in found]

    def remove(self, partition: Partition, version: str | None, deadline: Deadline) -> list[str]:
        """Remove one claim, or all claims and the mark; give the row keys that were removed.

        Raises LedgerError.
        """
        key = rows.partition_key(partition)
        text, parameters = "PartitionKey eq @partition", {"partition": key}
        if version is not None:
            text, parameters = (
                f"{text} and RowKey eq @row",
                {**parameters, "row": rows.claim_key(version)},
            )
        return [
            row["RowKey"]
            for row in self._query(text, parameters, deadline)
            if _removed(self.releases, row, deadline)
        ]

    def clean_up(self, before: datetime, deadline: Deadline) -> int:
        """Remove the decisions of the days before; give how many.

        Raises LedgerError, and ConflictError when another process does the same.
        """
        old = self._query(
            "PartitionKey lt @day", {"day": f"{before:%Y-%m-%d}"}, deadline, table=self.decisions
        )
        for _, of_one_day in groupby(old, key=itemgetter("PartitionKey")):
            day = list(of_one_day)
            for at in range(0, len(day), _LARGEST_TRANSACTION):
                removals = [("delete", row) for row in day[at : at + _LARGEST_TRANSACTION]]
                send = partial(self.decisions.submit_transaction, removals)
                _call(self.decisions, send, deadline, conflicts=True)
        return len(old)

    def workspace_notes(self, deadline: Deadline) -> tuple[Mapping[str, WorkspaceNote], datetime]:
        """Read what is noted of each workspace, by its key, with the storage time.

        Raises LedgerError.
        """
        dates: list[datetime] = []
        found = self._query(
            "PartitionKey eq @partition",
            {"partition": rows.WORKSPACES_KEY},
            deadline,
            raw_response_hook=_date_into(dates),
        )
        notes = _readable(rows.read_workspace, found)
        return {note.workspace.key: note for note in notes}, dates[0]

    def note_workspace(self, note: WorkspaceNote, deadline: Deadline) -> None:
        """Write what is noted of a workspace. Raises LedgerError."""
        self._note(rows.workspace_row(note), deadline)

    def forget_workspace(self, workspace: Workspace, deadline: Deadline) -> None:
        """Remove what is noted of a workspace: when it returns, it is new. Raises LedgerError."""
        self._forget(rows.WORKSPACES_KEY, rows.workspace_key(workspace), deadline)

    def memory(self, workspace: Workspace, deadline: Deadline) -> Memory:
        """Read what is noted of the rules and models of a workspace. Raises LedgerError."""
        parameters = {"partition": rows.workspace_key(workspace)}
        text = "PartitionKey eq @partition"
        found = list(self._paged(self.releases, text, parameters, _LARGEST_PAGE, deadline))
        rules = _readable(rows.read_rule, (row for row in found if "rule" in row))
        models = _readable(rows.read_model, (row for row in found if "model" in row))
        return Memory(dict(rules), {note.model.name: note for note in models})

    def note_rule(
        self, workspace: Workspace, rule: str, note: RuleNote, deadline: Deadline
    ) -> None:
        """Write since when a rule selects as it does in a workspace. Raises LedgerError."""
        self._note(rows.rule_row(workspace, rule, note), deadline)

    def forget_rule(self, workspace: Workspace, rule: str, deadline: Deadline) -> None:
        """Remove what is noted of a rule: when it returns, it is new. Raises LedgerError."""
        self._forget(rows.workspace_key(workspace), rows.rule_key(rule), deadline)

    def note_model(self, workspace: Workspace, note: ModelNote, deadline: Deadline) -> None:
        """Write how a model was listed. Raises LedgerError."""
        self._note(rows.model_row(workspace, note), deadline)

    def _note(self, row: rows.Row, deadline: Deadline) -> None:
        keep = partial(self.releases.upsert_entity, row, UpdateMode.REPLACE)
        _call(self.releases, keep, deadline)

    def _forget(self, partition: str, row: str, deadline: Deadline) -> None:
        """Remove a row, whatever it holds; the SDK takes one that is gone for removed."""
        _call(self.releases, partial(self.releases.delete_entity, partition, row), deadline)

    def _claims(
        self, text: str, parameters: Mapping[str, str], deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        found = self._paged(self.releases, text, parameters, _LARGEST_PAGE, deadline)
        return list(islice(_claims_of(found), _MOST_CLAIMS))

    def _paged(
        self,
        table: TableClient,
        text: str,
        parameters: Mapping[str, str],
        size: int,
        deadline: Deadline,
    ) -> Iterator[Any]:
        """Read page by page, as far as rows are asked for, each page within the deadline."""
        token = None
        while True:
            read = partial(_page, table, text, dict(parameters), min(size, _LARGEST_PAGE), token)
            page, token = _call(table, read, deadline)
            yield from page
            if token is None:
                return

    def _query(
        self,
        text: str,
        parameters: Mapping[str, Any],
        deadline: Deadline,
        table: TableClient | None = None,
        **options: Any,  # noqa: ANN401 - the SDK's own
    ) -> list[Any]:
        queried = table or self.releases

        def read(**limits: Any) -> list[Any]:  # noqa: ANN401
            found = queried.query_entities(text, parameters=dict(parameters), **options, **limits)
            return list(found)

        return _call(queried, read, deadline)


def _claim_of(row: Any) -> tuple[Partition, Claim]:  # noqa: ANN401 - the SDK's own
    return _parsed(rows.read_partition, row), _parsed(rows.read_claim, row)


def _claims_of(found: Iterable[Any]) -> Iterator[tuple[Partition, Claim]]:
    return _readable(
        lambda row, etag: (rows.read_partition(row, etag), rows.read_claim(row, etag)), found
    )


def _readable(read: Callable[[Any, str], Result], found: Iterable[Any]) -> Iterator[Result]:
    """Parse rows; one that cannot be read is logged and hides no other."""
    for row in found:
        try:
            yield _parsed(read, row)
        except UnreadableRowError as error:
            _log.error("%s", error)


def _parsed(read: Callable[[Any, str], Result], row: Any) -> Result:  # noqa: ANN401 - the SDK's own
    """Parse a row. Raises UnreadableRowError that names it."""
    try:
        return read(row, row.metadata["etag"])
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"the row with PartitionKey {row['PartitionKey']!r} and RowKey {row['RowKey']!r} "
            f"cannot be read ({type(error).__name__}: {error}): remove it, or restore what it held"
        )
        raise UnreadableRowError(msg) from error


def _page(
    table: TableClient,
    text: str,
    parameters: dict[str, str],
    size: int,
    token: Any,  # noqa: ANN401 - the SDK's own
    **limits: Any,  # noqa: ANN401
) -> tuple[list[Any], Any]:
    """Read one page, and what the next one is asked for with, None after the last."""
    pages: Any = table.query_entities(
        text, parameters=parameters, results_per_page=size, **limits
    ).by_page(token)
    return list(next(pages)), pages.continuation_token


def _removed(table: TableClient, row: Any, deadline: Deadline) -> bool:  # noqa: ANN401
    """Remove a row as long as it has not changed; tell whether it was."""
    condition = {"etag": row.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
    try:
        _call(table, partial(table.delete_entity, row, **condition), deadline, conflicts=True)
    except ConflictError:
        return False
    return True


def _operation(row: rows.Row, etag: str) -> tuple[Any, ...]:
    if not etag:
        return ("create", row)
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", row, {"mode": UpdateMode.REPLACE, **condition})


def _call(
    table: TableClient, call: Callable[..., Result], deadline: Deadline, *, conflicts: bool = False
) -> Result:
    """Call the service within the deadline; a fault that may pass is retried.

    `conflicts` is whether the call is conditional, so that it raises ConflictError. Any other one
    raises LedgerError only.

    The SDK's own retries are off: they know no deadline, and sleep as long as Retry-After says.
    A write that is tried again after its answer was lost meets itself as a conflict; who wrote is
    then seen by reading.
    """
    for pause in (*_PAUSES, None):
        try:
            return _once(table, call, deadline)
        except AzureError as error:
            if conflicts and _status(error) in _CONFLICTS:
                raise ConflictError(_told(table, error)) from error
            if pause is None or not _may_pass(error) or not deadline.allows(pause + 1):
                raise LedgerError(_told(table, error)) from error
            deadline.pause(pause)
    raise AssertionError  # unreachable: the last round returns or raises


def _once(table: TableClient, call: Callable[..., Result], deadline: Deadline) -> Result:
    seconds = min(_LONGEST_CALL, deadline.remaining)
    if not seconds:
        msg = "no time was left to reach the ledger"
        raise LedgerError(msg)
    options = {"connection_timeout": seconds, "read_timeout": seconds}
    try:
        return call(**options)
    except HttpResponseError as error:
        if "TableNotFound" not in str(error):
            raise
    _create(table, options)
    return call(**options)


def _create(table: TableClient, options: Mapping[str, float]) -> None:
    try:
        table.create_table(**options)
    except ResourceExistsError:
        return


def _status(error: AzureError) -> int | None:
    return error.status_code if isinstance(error, HttpResponseError) else None


def _may_pass(error: AzureError) -> bool:
    status = _status(error)
    return status is None or status in {408, 429} or status >= 500  # noqa: PLR2004


def _told(table: TableClient, error: AzureError) -> str:
    cause = error.message.splitlines()[0] if error.message else type(error).__name__
    told = f"table {table.table_name!r} of {table.url}: {cause}"
    if _status(error) in {401, 403}:
        return f"{told}; grant the app's identity the role Storage Table Data Contributor there"
    return told


def _date_into(dates: list[datetime]) -> Callable[[Any], None]:
    """Note the service's clock, by which leases are judged; it shows whole seconds."""

    def note(response: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineResponse
        date = response.http_response.headers.get("Date", "")
        try:
            dates.append(parsedate_to_datetime(date))
        except ValueError as error:
            msg = f"storage answered without its time (Date: {date!r}), by which leases are judged"
            raise LedgerError(msg) from error

    return note
