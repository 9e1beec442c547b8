"""Past decisions, and how to search them: backwards from a cursor, day by day."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome

_CURSOR = re.compile(r"(20[0-9]{2}-[0-9]{2}-[0-9]{2})(?:\|([0-9a-f.|]{1,100}))?")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A stored decision; missing texts are empty, missing numbers None.

    `workspace` is a resource id, `clauses` are JSON values, and `event` is the text of an invalid
    event.
    """

    decided_at: datetime
    outcome: str
    reason: str
    rule: str
    model: str
    version: str
    workspace: str
    release_id: int | None
    release_url: str
    closest: str
    source: str
    event_id: str
    milliseconds: int
    clauses: Sequence[Mapping[str, object]]
    event: str

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies the registration under the rule."""
        return self.rule, self.workspace.lower(), self.model, self.version


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the decisions, newest first: after the row of `day`, or at its beginning."""

    day: date
    row: str = ""

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse what `str` returned; a day alone means the decisions before that day.

        Raises ValueError with a sentence for the user.
        """
        found = _CURSOR.fullmatch(text)
        try:
            day = date.fromisoformat(found[1] if found else "")
        except ValueError:
            msg = f"before={text!r} is not a day; expected one such as 2026-11-22"
            raise ValueError(msg) from None
        row = found[2] if found else None
        return cls(day, row) if row else cls(day - _DAY)

    @property
    def day_before(self) -> "Cursor":
        """The cursor at the beginning of the previous day."""
        return Cursor(self.day - _DAY)

    def __str__(self) -> str:
        return f"{self.day}|{self.row}" if self.row else str(self.day + _DAY)


@dataclass(frozen=True, slots=True)
class DecisionSearch:
    """A search for at most `limit` decisions, from a cursor back to the day `oldest`.

    Model, version and outcomes restrict it; empty ones do not.
    """

    start: Cursor
    oldest: date
    limit: int
    model: str = ""
    version: str = ""
    outcomes: tuple[Outcome, ...] = ()


class DecisionStore(Protocol):
    """Stores decisions. Every method raises the ledger's errors."""

    def record(
        self, decision: Decision, milliseconds: int, now: datetime, deadline: Deadline
    ) -> None:
        """Write a decision."""
        ...

    def search(
        self, search: DecisionSearch, deadline: Deadline
    ) -> tuple[list[PastDecision], Cursor]:
        """Return decisions, the newest first, and the cursor to continue from.

        Returns what it has found so far when the time runs out.
        """
        ...

    def delete_before(self, before: datetime, deadline: Deadline) -> int:
        """Delete the decisions of the days before, and return how many."""
        ...
