"""What the ledger remembers of decisions, and how it is asked: backwards from a cursor, by day."""

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
    """A decision as it was kept; texts are empty, and numbers None, where there is nothing.

    `workspace` is a resource id, `clauses` are those of the decision as JSON values, `event` is the
    text of one that could not be read.
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
    """A place in the decisions, newest first: those of `day` after the row, and all days before."""

    day: date
    row: str = ""

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what `str` wrote; a day alone stands for what was decided before it.

        Raises ValueError with a sentence for whoever asks.
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
        """The beginning of the next older day."""
        return Cursor(self.day - _DAY)

    def __str__(self) -> str:
        return f"{self.day}|{self.row}" if self.row else str(self.day + _DAY)


@dataclass(frozen=True, slots=True)
class DecisionSearch:
    """Which decisions are asked for: at most `limit`, from a cursor back to the day `oldest`.

    Without a model those of all models, without a version those of all versions, and without
    outcomes those of every outcome.
    """

    start: Cursor
    oldest: date
    limit: int
    model: str = ""
    version: str = ""
    outcomes: tuple[Outcome, ...] = ()


class DecisionStore(Protocol):
    """Keeps decisions. Every method raises the ledger's errors."""

    def record(
        self, decision: Decision, milliseconds: int, now: datetime, deadline: Deadline
    ) -> None:
        """Keep a decision."""
        ...

    def search(
        self, search: DecisionSearch, deadline: Deadline
    ) -> tuple[list[PastDecision], Cursor]:
        """Read decisions, the newest first, and return with them where to continue.

        Stops where it is when the time runs out.
        """
        ...

    def delete_before(self, before: datetime, deadline: Deadline) -> int:
        """Remove the decisions of the days before, and return how many."""
        ...
