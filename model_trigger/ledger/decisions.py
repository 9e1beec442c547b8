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
# In bytes: eight names, a reason, the clauses and an event fit into the 1 MiB of an entity.
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
        """Write a decision."""
        self.table.put(decision_row(decision, milliseconds, now, uuid4().hex), deadline)

    def search(
        self, search: DecisionSearch, deadline: Deadline
    ) -> tuple[list[PastDecision], Cursor]:
        """Return decisions, the newest first, and the cursor to continue from.

        Returns what it has found so far when the time runs out.
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
        """Delete the decisions of the days before, as far as the time allows; return how many.

        Raises ConflictError if another process does the same.
        """
        day, deleted = {"day": f"{before:%Y-%m-%d}"}, 0
        while deadline.allows(2 * LONGEST_CALL):
            old = self.table.keys("PartitionKey lt @day", day, deadline)
            if not old:
                break
            for _, of_one_day in groupby(old, key=itemgetter("PartitionKey")):
                if not deadline.allows(LONGEST_CALL):
                    return deleted
                deleted += self.table.remove_all(list(of_one_day), deadline)
        return deleted


def decision_row(decision: Decision, milliseconds: int, now: datetime, unique: str) -> Row:
    """Return the row of a decision: a partition per day, the newest row first.

    Long texts are cut to fit into an entity: a decision is only read by people, and must be kept.
    """
    fields = decision.log_fields(milliseconds)
    reason = str(fields.pop("reason"))
    # A number that outgrows the 32 bits of an integer property, as release ids do, is kept as text.
    others = {
        name: value
        if isinstance(value, int) and value < 2**31
        else shortened(str(value), _LONGEST_NAME)
        for name, value in fields.items()
        if value is not None
    }
    return {
        "PartitionKey": f"{now:%Y-%m-%d}",
        "RowKey": f"{(_END_OF_TIME - now).total_seconds():015.3f}|{unique}",
        "decided_at": now,
        **others,
        "closest": shortened(decision.closest, _LONGEST_NAME),
        **spread("reason", shortened(reason, _LONGEST_REASON)),
        **spread("clauses", clauses_json(decision.clauses)),
        **spread("event", shortened(decision.event, _LONGEST_EVENT)),
    }


def clauses_json(clauses: Iterable[Clause]) -> str:
    """Return clauses as JSON text, without the last ones if not all fit into the row."""
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
    """Parse what `decision_row` returned."""
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
    """Return the cursor after a decision's row."""
    return Cursor(date.fromisoformat(row["PartitionKey"]), row["RowKey"])


def decision_filter(search: DecisionSearch, cursor: Cursor) -> tuple[str, Mapping[str, str]]:
    """Return the query for the cursor's day, and its parameters."""
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
