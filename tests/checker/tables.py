"""The rows of Table Storage as immutable values: a change returns new ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """A row; its etag identifies its content and its key."""

    etag: str
    values: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """A change of a row; `etag` is the one that the row must have, if any."""

    kind: str
    row: Mapping[str, Any]
    etag: str | None = None

    @property
    def key(self) -> Key:
        return self.row["PartitionKey"], self.row["RowKey"]


class RefusedError(Exception):
    """The service refuses a change: its HTTP status, its code, and the operation."""

    def __init__(self, status: int, code: str, index: int = 0) -> None:
        super().__init__(status, code, index)
        self.status, self.code, self.index = status, code, index


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables of an account: the rows per table, and the number of writes per key."""

    rows: Mapping[str, Mapping[Key, Stored]]
    writes: Mapping[tuple[str, Key], int]

    @classmethod
    def empty(cls) -> "Tables":
        return cls({}, {})

    @property
    def etags(self) -> frozenset[str]:
        """The identity of these tables."""
        return frozenset(one.etag for table in self.rows.values() for one in table.values())

    def with_table(self, name: str) -> "Tables":
        if name in self.rows:
            raise RefusedError(409, "TableAlreadyExists")
        return replace(self, rows={**self.rows, name: {}})

    def found(self, name: str, fits: Callable[[Mapping[str, Any]], bool]) -> Sequence[Stored]:
        """Return the matching rows in the order of their keys."""
        table = self._table(name)
        return [table[key] for key in sorted(table) if fits(table[key].values)]

    def get(self, name: str, key: Key) -> Stored:
        found = self._table(name).get(key)
        if found is None:
            raise RefusedError(404, "ResourceNotFound")
        return found

    def changed(
        self, name: str, operations: Sequence[Operation]
    ) -> tuple["Tables", Sequence[Stored | None]]:
        """Change all rows or none, and return the rows as written, None for deleted ones."""
        table, writes = dict(self._table(name)), dict(self.writes)
        if len({one.key for one in operations}) < len(operations):
            raise RefusedError(400, "InvalidDuplicateRow")
        written = []
        for index, one in enumerate(operations):
            _check(one, table.get(one.key), index)
            place = (name, one.key)
            writes[place] = writes.get(place, 0) + 1
            new = None if one.kind == "delete" else _stored(one, table, place, writes[place])
            table.pop(one.key, None)
            if new:
                table[one.key] = new
            written.append(new)
        return Tables({**self.rows, name: table}, writes), written

    def _table(self, name: str) -> Mapping[Key, Stored]:
        if name not in self.rows:
            raise RefusedError(404, "TableNotFound")
        return self.rows[name]


def _check(one: Operation, current: Stored | None, index: int) -> None:
    if one.kind == "create" and current:
        raise RefusedError(409, "EntityAlreadyExists", index)
    if one.kind.startswith(("update", "delete")) and current is None:
        raise RefusedError(404, "ResourceNotFound", index)
    if one.etag is not None and current and one.etag != current.etag:
        raise RefusedError(412, "UpdateConditionNotSatisfied", index)


def _stored(
    one: Operation, table: Mapping[Key, Stored], place: tuple[str, Key], number: int
) -> Stored:
    before = table.get(one.key)
    merged = {**before.values} if before and one.kind.endswith("merge") else {}
    values = merged | {name: _kept(value) for name, value in one.row.items() if value is not None}
    content = repr((place, sorted(values.items()))).encode()
    return Stored(f'W/"{number}-{blake2b(content, digest_size=8).hexdigest()}"', values)


def _kept(value: Any) -> Any:
    """Return a value as the service stores it: times in UTC, whole numbers in 32 bits."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        msg = f"{value} is too large for the SDK's plain integer"
        raise TypeError(msg)
    return value
