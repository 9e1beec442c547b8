"""What one rule did with one registration, and why: the answer that is logged, kept and shown."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Protocol

from model_trigger.deadline import Deadline
from model_trigger.registrations.registration import Registration
from model_trigger.rules.rule import Clause, Evaluation
from model_trigger.targets.request import Release
from model_trigger.text import cut, json_line, quoted, utf16_units, well_formed

# A decision is kept in one entity of at most 1 MiB:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_LONGEST_EVENT = 100_000
_MOST_CLAUSES = 300
# Seven texts, two ids and the names of the fields add up to less than LONGEST_LINE.
_LONGEST_REASON = 10_000
_LONGEST_FIELD = 2_000


class OutcomeError(Exception):
    """An outcome event could not be published; nothing else depends on it."""


class Outcome(StrEnum):
    """How it ended; only `pending` is a failure to Event Grid, which then delivers again."""

    STARTED = "started"
    OBSERVED = "observed"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    NOT_MATCHED = "not_matched"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    CLOSED = "closed"
    PENDING = "pending"
    REJECTED = "rejected"

    @property
    def needs_a_person(self) -> bool:
        """Whether nothing more happens until someone acts."""
        return self in {Outcome.FAILED, Outcome.GIVEN_UP, Outcome.REJECTED}


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule did with one registration.

    `rule` is empty when no rule wanted the registration, `closest` names the one that came near;
    `registration` is None when the event could not be read, and `event` is then its text.
    `unanswered` is the organization or the workspace that did not answer, if that is why; it is not
    recorded.
    """

    outcome: Outcome
    reason: str
    rule: str = ""
    registration: Registration | None = None
    clauses: tuple[Clause, ...] = ()
    release: Release | None = None
    closest: str = ""
    event: str = ""
    unanswered: str = ""

    def log_fields(self, milliseconds: int) -> dict[str, object]:
        """Return the fields of the log line, in its order; the time is that since the trigger."""
        registration, release = self.registration, self.release
        return {
            "outcome": self.outcome,
            "rule": self.rule or None,
            "model": registration.model if registration else None,
            "version": registration.version if registration else None,
            "workspace": registration.workspace.id if registration else None,
            "reason": self.reason,
            "release_id": release.id if release else None,
            "release_url": release.url if release else None,
            "event_id": registration.event_id if registration else None,
            "source": registration.source if registration else "event",
            "milliseconds": milliseconds,
        }

    def log_line(self, milliseconds: int) -> str:
        """Return the log line: `decision {...}`, one line of JSON, its long texts cut."""
        return _line("decision", self.log_fields(milliseconds))


class OutcomePublisher(Protocol):
    """Publishes decisions to whoever subscribes to them."""

    def publish(self, decision: Decision, milliseconds: int, deadline: Deadline) -> None:
        """Publish a decision. Raises OutcomeError."""
        ...


def duplicate_line(rule: str, registration: Registration, first: Release, second: Release) -> str:
    """Return the log line of a registration that was started twice: `duplicate_release {...}`."""
    reason = (
        "two releases were started: abandon one of them. A process was frozen between its last "
        "check and the POST until another took over"
    )
    return _line(
        "duplicate_release",
        {
            "rule": rule,
            "model": registration.model,
            "version": registration.version,
            "workspace": registration.workspace.id,
            "reason": reason,
            "release_id": first.id,
            "release_url": first.url,
            "second_release_id": second.id,
            "second_release_url": second.url,
        },
    )


def _line(kind: str, fields: Mapping[str, object]) -> str:
    """Write a line that alerts and workbook find by its beginning, whatever its values hold."""
    return f"{kind} {json_line({name: _short(name, value) for name, value in fields.items()})}"


def _short(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    longest = _LONGEST_REASON if name == "reason" else _LONGEST_FIELD
    return cut(well_formed(value), longest, _units_as_json)


def _units_as_json(text: str) -> int:
    return utf16_units(json_line({"": text})) - len('{"": ""}')


def rejected(reason: str, event: str, registration: Registration | None = None) -> Decision:
    """Decide on what is not a readable event, or comes from where none is accepted."""
    return Decision(
        Outcome.REJECTED, reason, registration=registration, event=event[:_LONGEST_EVENT]
    )


def not_matched(
    registration: Registration, evaluations: tuple[Evaluation, ...], closest: Evaluation | None
) -> Decision:
    """Decide on a registration that no rule wants.

    The reason names the closest rule; the clauses are the failed ones of every rule whose model
    fitted, each under the rule's name, and those of the closest rule when no model fitted.
    """
    if closest is None:
        reason = f"no rule is about model {quoted(registration.model)}"
        return Decision(Outcome.NOT_MATCHED, reason, registration=registration)
    failed = (
        replace(clause, clause=f"{evaluation.rule.name}.{clause.clause}")
        for evaluation in evaluations or (closest,)
        for clause in evaluation.failed
    )
    return Decision(
        Outcome.NOT_MATCHED,
        f"no rule matched; closest is {closest.rule.name!r}: {closest.reason}",
        registration=registration,
        clauses=tuple(islice(failed, _MOST_CLAUSES)),
        closest=closest.rule.name,
    )
