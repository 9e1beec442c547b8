"""The parts of the SDK's TableClient that the ledger uses, over simulated tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode

from tests.checker.calls import Call, ask
from tests.checker.filters import substituted
from tests.checker.tables import Operation, Stored

_WRITES = {UpdateMode.REPLACE: "replace", UpdateMode.MERGE: "merge"}


@dataclass(frozen=True, slots=True)
class SimulatedTable:
    """A table: each method makes one call to the outside, and responds like the SDK."""

    table_name: str
    url: str = "https://simulated.table.core.windows.net"

    def create_table(self, **options: Any) -> None:
        self._ask("create", {}, options)

    def query_entities(
        self,
        query_filter: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        results_per_page: int = 1000,
        **options: Any,
    ) -> "_Pages":
        text = substituted(query_filter, parameters)
        return _Pages(self, text, results_per_page, options)

    def get_entity(self, partition_key: str, row_key: str, **options: Any) -> TableEntity:
        arguments = {"key": (partition_key, row_key), "shown": f"{partition_key} {row_key}"}
        return _entity(self._ask("get", arguments, options))

    def create_entity(self, entity: Mapping[str, Any], **options: Any) -> Mapping[str, Any]:
        return self._change("write", [_operation("create", entity)], options)[0]

    def upsert_entity(
        self, entity: Mapping[str, Any], mode: UpdateMode = UpdateMode.MERGE, **options: Any
    ) -> Mapping[str, Any]:
        return self._change("write", [_operation("upsert", entity, {"mode": mode})], options)[0]

    def update_entity(
        self, entity: Mapping[str, Any], mode: UpdateMode = UpdateMode.MERGE, **options: Any
    ) -> Mapping[str, Any]:
        condition = {name: options.pop(name, None) for name in ("etag", "match_condition")}
        one = _operation("update", entity, {"mode": mode, **condition})
        return self._change("write", [one], options)[0]

    def delete_entity(self, *keys: Any, **options: Any) -> None:
        named = [options.pop(name) for name in ("partition_key", "row_key") if name in options]
        keys = (*keys, *named)
        row = dict(zip(("PartitionKey", "RowKey"), keys, strict=True)) if len(keys) > 1 else keys[0]
        condition = {name: options.pop(name, None) for name in ("etag", "match_condition")}
        one = _operation("delete", row, condition)
        self._change("delete", [one], options)

    def submit_transaction(
        self, operations: Iterable[tuple[Any, ...]], **options: Any
    ) -> Sequence[Mapping[str, Any]]:
        changes = [_operation(*one) for one in operations]
        if len({one.row["PartitionKey"] for one in changes}) > 1:
            msg = "Partition Keys in the batch must all be the same."
            raise ValueError(msg)
        return self._change("transaction", changes, options)

    def _change(
        self, verb: str, operations: Sequence[Operation], options: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        shown = "; ".join(f"{one.kind} {one.row['RowKey']}{_shown(one.row)}" for one in operations)
        written = self._ask(verb, {"operations": operations, "shown": shown}, options)
        return [{"etag": one.etag} if one else {} for one in written]

    def _ask(self, verb: str, arguments: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        seconds = options.get("read_timeout", 60.0)
        about = {"table": self.table_name, **arguments}
        value, headers = ask(Call("storage", verb, about, seconds))
        if hook := options.get("raw_response_hook"):
            hook(_Response(_HttpResponse(headers)))
        return value


@dataclass(frozen=True, slots=True)
class _HttpResponse:
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Response:
    http_response: _HttpResponse


@dataclass
class _Pages:
    """The result of a query, as rows or pages; the first one triggers the call."""

    table: SimulatedTable
    text: str
    size: int
    options: Mapping[str, Any]
    continuation_token: Any = None

    def __iter__(self) -> Iterator[TableEntity]:
        for page in self.by_page():
            yield from page

    def by_page(self, continuation_token: Any = None) -> "_PageIterator":
        return _PageIterator(self, continuation_token)


@dataclass
class _PageIterator:
    query: _Pages
    continuation_token: Any
    over: bool = False

    def __iter__(self) -> "_PageIterator":
        return self

    def __next__(self) -> Iterator[TableEntity]:
        if self.over:
            raise StopIteration
        query, after = self.query, self.continuation_token
        arguments = {"text": query.text, "size": query.size, "after": after, "shown": query.text}
        rows, self.continuation_token = query.table._ask("query", arguments, query.options)  # noqa: SLF001
        self.over = self.continuation_token is None
        return iter([_entity(row) for row in rows])


def _entity(stored: Stored) -> TableEntity:
    entity = TableEntity(stored.values)
    entity._metadata = {"etag": stored.etag, "timestamp": None}  # noqa: SLF001 - like the SDK
    return entity


def _operation(
    kind: str, row: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> Operation:
    """Return an operation from the SDK's arguments; a condition counts only if it is requested."""
    given = options or {}
    match = given.get("match_condition")
    etag = given.get("etag") or (row.metadata["etag"] if isinstance(row, TableEntity) else None)
    unmodified = match is MatchConditions.IfNotModified
    write = _WRITES[given.get("mode", UpdateMode.MERGE)]
    kind = {"upsert": write, "update": f"update-{write}"}.get(kind, kind)
    return Operation(kind, dict(row), etag if unmodified else None)


def _shown(row: Mapping[str, Any]) -> str:
    shown = [str(row[name]) for name in ("state", "owner", "version", "in_flight") if row.get(name)]
    return f" ({' '.join(shown)})" if shown else ""
