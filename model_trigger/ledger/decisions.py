"""Decisions as rows of `<prefix>decisions`: a partition per day, the newest decision first."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import accumulate, groupby
from operator import itemgetter
from uuid import uuid4

from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision
from model_trigger.decisions.history import Cursor, DecisionSearch, PastDecision
from model_trigger.ledger.table import (
    LONGEST_CALL,
    Row,
    Table,
    entity_bytes,
    gathered,
    readable,
    shortened,
    spread,
    utc,
)
from model_trigger.rules.rule import Clause
from model_trigger.text import well_formed

_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
# In bytes: eight names, a reason, the clauses and an event add up to less than the 1 MiB of an
# entity.
_LONGEST_NAME = 40_000
_LONGEST_REASON = 120_000
_LONGEST_CLAUSES = 200_000
_LONGEST_EVENT = 240_000


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions in a table. Every method raises LedgerError."""

    table: Table

    def record(
        self, decision: Decision, milliseconds: int, now: datetime, deadline: Deadline
    ) -> None:
        """Keep a decision."""
        self.table.put(decision_row(decision, milliseconds, now, uuid4().hex), deadline)

    def search(
        self, search: DecisionSearch, deadline: Deadline
    ) -> tuple[list[PastDecision], Cursor]:
        """Read decisions, the newest first, and return with them where to continue.

        Stops where it is when the time runs out.
        """
        found: list[PastDecision] = []
        cursor = search.start
        while cursor.day >= search.oldest and deadline.allows(LONGEST_CALL / 2):
            text, parameters = decision_filter(search, cursor)
            for row in self.table.pages(text, parameters, deadline, search.limit):
                if len(found) == search.limit:
                    return found, cursor
                cursor = decision_cursor(row)
                found.extend(readable(read_decision, [row]))
            cursor = cursor.day_before
        return found, cursor

    def delete_before(self, before: datetime, deadline: Deadline) -> int:
        """Remove the decisions of the days before, and return how many.

        Raises ConflictError when another process does the same.
        """
        day = {"day": f"{before:%Y-%m-%d}"}
        old = self.table.query("PartitionKey lt @day", day, deadline)
        for _, of_one_day in groupby(old, key=itemgetter("PartitionKey")):
            self.table.remove_all(list(of_one_day), deadline)
        return len(old)


def decision_row(decision: Decision, milliseconds: int, now: datetime, unique: str) -> Row:
    """Write a decision: one partition a day, the newest first in it.

    What is longer than an entity holds is cut: a decision is there to be read, and must be kept.
    """
    fields = decision.log_fields(milliseconds)
    reason = str(fields.pop("reason"))
    return {
        "PartitionKey": f"{now:%Y-%m-%d}",
        "RowKey": f"{(_END_OF_TIME - now).total_seconds():015.3f}|{unique}",
        "decided_at": now,
        **{name: _plain(value) for name, value in fields.items() if value is not None},
        "closest": shortened(decision.closest, _LONGEST_NAME),
        **spread("reason", shortened(reason, _LONGEST_REASON)),
        **spread("clauses", _clauses(decision.clauses)),
        **spread("event", shortened(decision.event, _LONGEST_EVENT)),
    }


def _clauses(clauses: Iterable[Clause]) -> str:
    """Write clauses as JSON, the first ones when not all of them fit."""
    texts = [
        json.dumps(
            {
                "clause": well_formed(clause.clause),
                "expected": well_formed(clause.expected),
                "actual": well_formed(clause.actual),
                "met": clause.met,
            },
            ensure_ascii=False,
        )
        for clause in clauses
    ]
    lengths = accumulate(entity_bytes(f"{text}, ") for text in texts)
    kept = sum(length < _LONGEST_CLAUSES for length in lengths)
    return f"[{', '.join(texts[:kept])}]"


def read_decision(row: Row, _etag: str) -> PastDecision:
    """Read what `decision_row` wrote."""
    number = row.get("release_id")
    return PastDecision(
        decided_at=utc(row["decided_at"]),
        outcome=row["outcome"],
        reason=gathered(row, "reason"),
        rule=row.get("rule", ""),
        model=row.get("model", ""),
        version=row.get("version", ""),
        workspace=row.get("workspace", ""),
        release_id=None if number is None else int(number),
        release_url=row.get("release_url", ""),
        closest=row["closest"],
        source=row["source"],
        event_id=row.get("event_id", ""),
        milliseconds=row["milliseconds"],
        clauses=json.loads(gathered(row, "clauses")),
        event=gathered(row, "event"),
    )


def decision_cursor(row: Row) -> Cursor:
    """Return the place after a decision's row."""
    return Cursor(date.fromisoformat(row["PartitionKey"]), row["RowKey"])


def decision_filter(search: DecisionSearch, cursor: Cursor) -> tuple[str, Mapping[str, str]]:
    """Write the query for what is searched on the cursor's day, with its parameters."""
    conditions = ["PartitionKey eq @day", "RowKey gt @row"]
    parameters = {"day": cursor.day.isoformat(), "row": cursor.row}
    for name in ("model", "version"):
        if wanted := getattr(search, name):
            conditions.append(f"{name} eq @{name}")
            parameters[name] = wanted
    if search.outcomes:
        either = " or ".join(f"outcome eq '{outcome}'" for outcome in search.outcomes)
        conditions.append(f"({either})")
    return " and ".join(conditions), parameters


def _plain(value: object) -> object:
    """Cut what a decision only shows; release ids outgrow the 32 bits of a plain integer."""
    return (
        value if isinstance(value, int) and value < 2**31 else shortened(str(value), _LONGEST_NAME)
    )
