"""What one rule did with one registration, and why: what is logged, stored and shown."""

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

# A decision is stored in one entity of at most 1 MiB:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_LONGEST_EVENT = 100_000
_MOST_CLAUSES = 300
# Seven texts, two ids and the names of the fields add up to less than LONGEST_LINE.
_LONGEST_REASON = 10_000
_LONGEST_FIELD = 2_000


class OutcomeError(Exception):
    """An outcome event could not be published; nothing else depends on it."""


class Outcome(StrEnum):
    """The outcome of a decision; only `pending` is a failure to Event Grid, which then retries."""

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

    `rule` is empty if no rule matched, and `closest` names the closest one. `registration` is None
    if the event is invalid, and `event` is then its text. `unanswered` is the organization or
    workspace that did not answer, if that is the reason; it is not recorded.
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
        """Return the fields of the log line; `milliseconds` is the time since the trigger."""
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
        """Return the log line: `decision {...}`."""
        return line_of("decision", self.log_fields(milliseconds))


class OutcomePublisher(Protocol):
    """Publishes decisions to subscribers."""

    def publish(self, decision: Decision, milliseconds: int, deadline: Deadline) -> None:
        """Publish a decision. Raises OutcomeError."""
        ...


def duplicate_line(rule: str, registration: Registration, first: Release, second: Release) -> str:
    """Return the log line of a registration that was started twice: `duplicate_release {...}`."""
    reason = (
        "two releases were started: abandon one of them. A process was frozen between its last "
        "check and the POST until another took over"
    )
    return line_of(
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


def line_of(kind: str, fields: Mapping[str, object]) -> str:
    """Return the fields as one line of JSON, long texts cut.

    Alerts and the workbook find the line by the kind that it starts with.
    """

    def units(text: str) -> int:
        return utf16_units(json_line({"": text})) - len('{"": ""}')

    short: dict[str, object] = {}
    for name, value in fields.items():
        longest = _LONGEST_REASON if name == "reason" else _LONGEST_FIELD
        short[name] = cut(well_formed(value), longest, units) if isinstance(value, str) else value
    return f"{kind} {json_line(short)}"


def rejected(reason: str, event: str, registration: Registration | None = None) -> Decision:
    """Return the decision on an event that is invalid, or that is not accepted from its source."""
    return Decision(
        Outcome.REJECTED, reason, registration=registration, event=event[:_LONGEST_EVENT]
    )


def not_matched(
    registration: Registration, evaluations: tuple[Evaluation, ...], closest: Evaluation | None
) -> Decision:
    """Return the decision on a registration that no rule matches.

    The reason names the closest rule. The clauses are the failed ones of every rule whose model
    fits, each under the rule's name, or else those of the closest rule.
    """
    if closest is None:
        reason = f"no rule covers model {quoted(registration.model)}"
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
