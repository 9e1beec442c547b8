r"""One table in Azure Table Storage: a few verbs, each within a deadline, and two kinds of error.

A text property holds at most 64 KiB of UTF-16, a key at most 1 KiB and none of / \ # ? or control
characters, an entity at most 1 MiB:
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.data.tables import TableClient, UpdateMode

from model_trigger.claims.store import ConflictError, LedgerError, UnreadableRowError
from model_trigger.deadline import Deadline
from model_trigger.text import cut, utf16_units, well_formed

_LARGEST_PAGE = 1000
LONGEST_CALL = 5.0
_CONFLICTS = (404, 409, 412)
_TRANSIENT = (408, 429)
_SERVER_ERRORS = 500
_PAUSES = (0.1, 0.4, 1.0)
_LARGEST_TRANSACTION = 100
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9._:@+=, -]")
_LONGEST_READABLE = 200
# Counted in UTF-16, where a character may take two units.
_LONGEST_TEXT = 16_000
_PLAIN = re.compile(r"[ -~\n\r\t]+")

Row = Mapping[str, Any]
Operation = tuple[Any, ...]
Result = TypeVar("Result")

_log = logging.getLogger("model_trigger")


@dataclass(frozen=True, slots=True)
class Table:
    """One table, created when it is missing. Every method raises LedgerError.

    A query is OData with parameters:
    https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities
    """

    client: TableClient

    def query(
        self,
        text: str,
        parameters: Mapping[str, Any],
        deadline: Deadline,
        **options: Any,  # noqa: ANN401 - the SDK's own
    ) -> list[Any]:
        """Read all rows that a query selects; `options` are those of the SDK."""

        def read(**limits: Any) -> list[Any]:  # noqa: ANN401 - the SDK's own
            return list(
                self.client.query_entities(text, parameters=dict(parameters), **options, **limits)
            )

        return self._call(read, deadline)

    def read(self, partition: str, key: str, deadline: Deadline) -> tuple[Any, datetime]:
        """Read one row, None if it does not exist, with the storage time."""
        text = "PartitionKey eq @partition and RowKey eq @key"
        found, read_at = self.query_at(text, {"partition": partition, "key": key}, deadline)
        return next(iter(found), None), read_at

    def query_at(
        self, text: str, parameters: Mapping[str, Any], deadline: Deadline
    ) -> tuple[list[Any], datetime]:
        """Read all rows that a query selects, with the storage time, in UTC and whole seconds.

        Leases are judged by this clock.
        """
        dates: list[datetime] = []

        def note(response: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineResponse
            date = response.http_response.headers.get("Date", "")
            try:
                dates.append(parsedate_to_datetime(date))
            except ValueError as error:
                msg = f"storage did not send its time (Date: {date!r}), by which leases are judged"
                raise LedgerError(msg) from error

        found = self.query(text, parameters, deadline, raw_response_hook=note)
        return found, dates[0]

    def pages(
        self,
        text: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
        size: int | None = None,
    ) -> Iterator[Any]:
        """Yield the rows that a query selects, reading each page when it is reached.

        A page has `size` rows, or as many as the service allows.
        """

        def read(token: Any, **limits: Any) -> tuple[list[Any], Any]:  # noqa: ANN401 - the SDK's own
            found: Any = self.client.query_entities(
                text,
                parameters=dict(parameters),
                results_per_page=min(size or _LARGEST_PAGE, _LARGEST_PAGE),
                **limits,
            ).by_page(token)
            return list(next(found)), found.continuation_token

        page, token = self._call(partial(read, None), deadline)
        yield from page
        while token is not None:
            page, token = self._call(partial(read, token), deadline)
            yield from page

    def submit(self, operations: Sequence[Operation], deadline: Deadline) -> list[str]:
        """Change rows of one partition in one transaction, and return their new etags.

        Raises ConflictError if a row is not as its operation expects it.
        """
        send = partial(self.client.submit_transaction, operations)
        return [str(each["etag"]) for each in self._call(send, deadline, conflicts=True)]

    def put(self, row: Row, deadline: Deadline) -> None:
        """Write a row, replacing any."""
        self._call(partial(self.client.upsert_entity, row, UpdateMode.REPLACE), deadline)

    def remove(self, partition: str, key: str, deadline: Deadline) -> None:
        """Remove a row; the SDK ignores that it does not exist."""
        self._call(partial(self.client.delete_entity, partition, key), deadline)

    def remove_unchanged(self, row: Any, deadline: Deadline) -> bool:  # noqa: ANN401 - the SDK's own
        """Remove a row that was read, and return whether it was unchanged."""
        condition = {"etag": row.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
        try:
            remove = partial(self.client.delete_entity, row, **condition)
            self._call(remove, deadline, conflicts=True)
        except ConflictError:
            return False
        return True

    def keys(self, text: str, parameters: Mapping[str, Any], deadline: Deadline) -> list[Any]:
        """Read the keys of the first rows that a query selects, as many as a transaction takes."""

        def read(**limits: Any) -> list[Any]:  # noqa: ANN401 - the SDK's own
            pages: Any = self.client.query_entities(
                text,
                parameters=dict(parameters),
                select=["PartitionKey", "RowKey"],
                results_per_page=_LARGEST_TRANSACTION,
                **limits,
            ).by_page()
            for page in pages:  # one may be empty though others follow
                if rows := list(page):
                    return rows
            return []

        return self._call(read, deadline)

    def remove_all(self, rows: Sequence[Row], deadline: Deadline) -> int:
        """Remove rows of one partition, as many as a transaction takes, and return their number.

        Raises ConflictError if another process does the same.
        """
        send = partial(self.client.submit_transaction, [("delete", row) for row in rows])
        return len(self._call(send, deadline, conflicts=True))

    def _call(
        self, call: Callable[..., Result], deadline: Deadline, *, conflicts: bool = False
    ) -> Result:
        """Call the service within the deadline, and retry transient faults.

        A conditional call has `conflicts` set, and may raise ConflictError; any other call raises
        only LedgerError.

        The SDK's own retries are off: they know no deadline, and sleep as long as Retry-After says.
        If the response to a write is lost, its retry conflicts with the write itself; the caller
        reads the row to find out who wrote it.
        """
        for pause in (*_PAUSES, None):
            try:
                return self._once(call, deadline)
            except AzureError as error:
                status = error.status_code if isinstance(error, HttpResponseError) else None
                msg = self._described(error, status)
                if conflicts and status in _CONFLICTS:
                    raise ConflictError(msg) from error
                is_transient = status is None or status in _TRANSIENT or status >= _SERVER_ERRORS
                if pause is None or not is_transient or not deadline.allows(pause + 1):
                    raise LedgerError(msg) from error
                deadline.pause(pause)
        raise AssertionError  # unreachable: the last round returns or raises

    def _once(self, call: Callable[..., Result], deadline: Deadline) -> Result:
        seconds = min(LONGEST_CALL, deadline.remaining)
        if not seconds:
            msg = "ran out of time before reaching the ledger"
            raise LedgerError(msg)
        options = {"connection_timeout": seconds, "read_timeout": seconds}
        try:
            return call(**options)
        except HttpResponseError as error:
            if "TableNotFound" not in str(error):
                raise
        with suppress(ResourceExistsError):  # another process has just created it
            self.client.create_table(**options)
        return call(**options)

    def _described(self, error: AzureError, status: int | None) -> str:
        cause = error.message.splitlines()[0] if error.message else type(error).__name__
        text = f"table {self.client.table_name!r} of {self.client.url}: {cause}"
        if status in {401, 403}:
            return f"{text}; grant the app's identity the role Storage Table Data Contributor there"
        return text


def conditional(row: Row, etag: str) -> Operation:
    """Return the operation that writes a row if it has this etag, or without one, if it is new."""
    if not etag:
        return ("create", row)
    condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", row, {"mode": UpdateMode.REPLACE, **condition})


def parsed(read: Callable[[Any, str], Result], row: Any) -> Result:  # noqa: ANN401 - the SDK's own
    """Parse a row with its etag. Raises UnreadableRowError that names the row."""
    try:
        return read(row, row.metadata["etag"])
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"the row with PartitionKey {row['PartitionKey']!r} and RowKey {row['RowKey']!r} "
            f"cannot be read ({type(error).__name__}: {error}): remove it, or restore its content"
        )
        raise UnreadableRowError(msg) from error


def readable(read: Callable[[Any, str], Result], rows: Iterable[Any]) -> Iterator[Result]:
    """Yield the parsed rows; an invalid one is logged and skipped."""
    for row in rows:
        try:
            yield parsed(read, row)
        except UnreadableRowError as error:
            _log.error("%s", error)


def without_none(row: Row) -> Row:
    """Return a row without the properties that are None: storage has no null."""
    return {name: value for name, value in row.items() if value is not None}


def readable_key(*texts: str) -> str:
    """Return texts as a key may hold them, cut; only with a digest is the key unique."""
    return "|".join(_NOT_IN_KEYS.sub("~", text) for text in texts)[:_LONGEST_READABLE]


def digest(*texts: str) -> str:
    """Return 32 hexadecimal digits that identify these texts, in this order."""
    framed = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(framed.encode()).hexdigest()[:32]


def shortened(text: str, longest: int) -> str:
    """Return a text, cut if it takes more than `longest` bytes of an entity."""
    return cut(well_formed(text), longest, entity_bytes)


def entity_bytes(text: str) -> int:
    """Return how many bytes of an entity a text takes.

    Azure counts two bytes for each unit of UTF-16. Azurite counts the bytes of the request, which
    are six for a unit that JSON escapes.
    """
    return 2 * utf16_units(text) + 4 * utf16_units(_PLAIN.sub("", text))


def spread(name: str, text: str) -> dict[str, str]:
    """Return a long text as the properties `name`, `name_2` and so on."""
    parts = [text[at : at + _LONGEST_TEXT] for at in range(0, len(text), _LONGEST_TEXT)]
    return {
        f"{name}_{number}" if number > 1 else name: part for number, part in enumerate(parts, 1)
    }


def gathered(row: Row, name: str) -> str:
    """Read what `spread` wrote."""
    parts = [row.get(name, "")]
    while (part := row.get(f"{name}_{len(parts) + 1}")) is not None:
        parts.append(part)
    return "".join(parts)


def utc(moment: datetime) -> datetime:
    """Return a time of the SDK's own class as a plain datetime in UTC."""
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def utc_or_none(moment: datetime | None) -> datetime | None:
    """Return a time as `utc` does, or None."""
    return None if moment is None else utc(moment)
