"""A delivery of an event, or a pass of reconcile: the app's handler, paused at each call."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

import model_trigger.handlers  # which imports everything else, and later reconcile
import model_trigger.reconcile.missing
import model_trigger.reconcile.open_claims
from model_trigger.claims.store import LedgerError
from model_trigger.handlers import DeliverAgainError
from model_trigger.rules.sources import RulesUnreadableError
from tests.checker.calls import Call, ask

EPOCH = datetime(2026, 11, 22, 12, tzinfo=UTC)
# Waiting processes poll rarely, and calls are retried at once, so schedules are shorter and time
# passes only where a schedule says so: place, name, value.
PACE = (
    ("model_trigger.claims.attempt", "_PAUSE", 4.9),
    ("model_trigger.ledger.table", "_PAUSES", (0.0, 0.0, 0.0)),
)

Program = Callable[[], None]


def moment(milliseconds: int) -> datetime:
    """Return the time of the simulated clock."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(moment: datetime) -> int:
    """Return a time of the simulated clock in milliseconds."""
    return round((moment - EPOCH).total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it logged; `problem` is what it must never do."""

    pending: bool = False
    storage_failed: bool = False
    decisions: tuple[tuple[str, str], ...] = ()
    problem: str = ""


class Process(greenlet):
    """A program that is paused at each call; `now` is its clock as of the last reply."""

    def __init__(self, name: str, program: Program, now: int) -> None:
        super().__init__()
        self.name, self.program, self.now = name, program, now
        self.numbers = count(1)
        self.log = _Log()
        self.is_ending = False

    def end(self) -> None:
        """End it wherever it is; otherwise it would never be freed."""
        self.is_ending = True
        if not self.dead:
            self.throw()

    def run(self) -> Ended:
        pending = storage_failed = False
        try:
            self.program()
        except DeliverAgainError:
            pending = True
        except (LedgerError, RulesUnreadableError) as error:
            pending, storage_failed = True, isinstance(error, LedgerError)
        except Exception as error:  # noqa: BLE001 - reported, whatever it is
            self.log.problems.append(f"{type(error).__name__}: {error}")
        problem = self.log.problems[0] if self.log.problems else ""
        return Ended(pending, storage_failed, tuple(self.log.decisions), problem)


@dataclass
class _Log:
    """The log of the process: its decisions, and unexpected errors with a traceback."""

    decisions: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _Handler(logging.Handler):
    """Passes a log record to the process that it comes from."""

    def emit(self, record: logging.LogRecord) -> None:
        process = getcurrent()
        if not isinstance(process, Process):
            return
        text = record.getMessage()
        if text.startswith("decision "):
            fields = json.loads(text.removeprefix("decision "))
            process.log.decisions.append((fields["version"] or "", fields["outcome"]))
        elif record.exc_info or text.startswith("duplicate_release"):
            process.log.problems.append(text)


class _Moment(datetime):
    """The datetime class, except that `now` is the time of the process."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return moment(getcurrent().now).astimezone(tz)


def _identifier() -> SimpleNamespace:
    process = getcurrent()
    return SimpleNamespace(hex=f"{process.name}-{next(process.numbers)}")


def _sleep(seconds: float) -> None:
    if seconds > 0:
        ask(Call("clock", "sleep", {"shown": f"{seconds:.2f} s"}, seconds))


@contextmanager
def simulated() -> Iterator[pytest.MonkeyPatch]:
    """Replace the clock and random values, in the app only."""
    handler, log = _Handler(), logging.getLogger("model_trigger")
    clock = SimpleNamespace(monotonic=lambda: getcurrent().now / 1000, sleep=_sleep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_trigger.handlers, "time", clock)
        patch.setattr(model_trigger.handlers, "datetime", _Moment)
        for name, module in list(sys.modules.items()):
            if name.startswith("model_trigger.") and hasattr(module, "uuid4"):
                patch.setattr(module, "uuid4", _identifier)
        for name, constant, value in PACE:
            patch.setattr(sys.modules[name], constant, value)
        patch.setattr(log, "handlers", [handler])
        patch.setattr(log, "propagate", False)
        level = log.level
        log.setLevel(logging.INFO)
        try:
            yield patch
        finally:
            log.setLevel(level)
