"""What one rule did with one registration, and why: the answer that is logged, kept and shown."""

import json
from dataclasses import dataclass
from enum import StrEnum

from model_trigger.events import Registration
from model_trigger.rules import Clause, Evaluation
from model_trigger.targets import Release

_EXCERPT = 100_000


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
    """

    outcome: Outcome
    reason: str
    rule: str = ""
    registration: Registration | None = None
    clauses: tuple[Clause, ...] = ()
    release: Release | None = None
    closest: str = ""
    event: str = ""

    def log_fields(self, milliseconds: int) -> dict[str, object]:
        """Give the fields of the log line, in its order; the time is that since the trigger."""
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
        """Give the log line: `decision {...}`, one line of JSON."""
        return f"decision {json.dumps(self.log_fields(milliseconds), ensure_ascii=False)}"


def rejected(reason: str, event: str, registration: Registration | None = None) -> Decision:
    """Decide on what is not a readable event, or comes from where none is accepted."""
    return Decision(Outcome.REJECTED, reason, registration=registration, event=event[:_EXCERPT])


def not_matched(
    registration: Registration, evaluations: tuple[Evaluation, ...], closest: Evaluation | None
) -> Decision:
    """Decide on a registration that no rule wants.

    The reason names the closest rule; the clauses are the failed ones of every rule whose model
    fitted, each under the rule's name.
    """
    clauses = tuple(
        _named(evaluation.rule.name, clause)
        for evaluation in evaluations
        for clause in evaluation.failed
    )
    if closest is None:
        reason = f"no rule is about model {registration.model!r}"
        return Decision(Outcome.NOT_MATCHED, reason, registration=registration, clauses=clauses)
    return Decision(
        Outcome.NOT_MATCHED,
        f"no rule matched; closest is {closest.rule.name!r}: {closest.reason}",
        registration=registration,
        clauses=clauses or tuple(_named(closest.rule.name, clause) for clause in closest.failed),
        closest=closest.rule.name,
    )


def _named(rule: str, clause: Clause) -> Clause:
    return Clause(
        f"{rule}.{clause.clause}", clause.expected, clause.actual, clause.met, clause.sentence
    )
