"""A measurement with its limit, and the table of all measurements."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Other work on the machine makes a ratio vary, but twice the limit is not noise.
_NOISE = 2


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement; a `ratio` of two times from the same run is comparable across machines."""

    name: str
    measured: float
    unit: str
    limit: float | None = None

    @classmethod
    def ratio(cls, name: str, measured: float, limit: float | None = None) -> "Row":
        return cls(name, measured, "x", limit)

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        return "pass" if self.measured <= self.limit else "MISS"

    @property
    def fails(self) -> bool:
        """Whether the limit is exceeded on any machine: only ratios and counts can show that."""
        tells = self.unit in {"x", ""}
        return self.limit is not None and tells and self.measured > _NOISE * self.limit


def table(rows: Iterable[Row]) -> str:
    cells = [("", "measured", "limit", ""), *map(_cells, rows)]
    name, measured, limit, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
    return "\n".join(_lines(cells, name, measured, limit))


def _cells(row: Row) -> tuple[str, str, str, str]:
    limit = "" if row.limit is None else f"{row.limit:g} {row.unit}"
    return row.name, f"{row.measured:.4g} {row.unit}", limit, row.verdict


def _lines(cells: Iterable[tuple[str, ...]], *widths: int) -> Iterator[str]:
    first, second, third = widths
    for name, measured, limit, verdict in cells:
        yield f"{name:<{first}}  {measured:>{second}}  {limit:>{third}}  {verdict}".rstrip()
