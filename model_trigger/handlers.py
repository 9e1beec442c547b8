"""Handle one event: gather, decide, act, and answer for every decision. The only clock is here."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision, Outcome, not_matched, rejected
from model_trigger.events import Registration, RejectedEventError, parse_event
from model_trigger.ports import LedgerError, Services
from model_trigger.rulebook import RuleBook
from model_trigger.starting import attend, keep

# Event Grid waits 30 s for an answer:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
_SECONDS = 25.0
_LEVELS = {
    Outcome.FAILED: logging.ERROR,
    Outcome.GIVEN_UP: logging.ERROR,
    Outcome.REJECTED: logging.ERROR,
    Outcome.PENDING: logging.WARNING,
}

_log = logging.getLogger("model_trigger")


class DeliverAgainError(Exception):
    """Something is still to be done about the event: Event Grid is to deliver it again."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One delivery of one event: how long it has taken, and how long it still may."""

    began: float
    deadline: Deadline

    @classmethod
    def begin(cls) -> "_Delivery":
        began = time.monotonic()
        return cls(began, Deadline(began + _SECONDS, time.monotonic, time.sleep))

    @property
    def milliseconds(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


def handle_event(event: str, services: Services) -> None:
    """Decide on a delivered event, act on it, and tell each decision.

    Raises DeliverAgainError when something is pending or could not be written down, so that the
    function fails and Event Grid delivers the event again.
    """
    delivery = _Delivery.begin()
    unfinished = [
        f"{decision.rule or 'the event'}: {decision.reason}"
        for decision in _decide(event, services, delivery)
        if not _tell(decision, services, delivery) or decision.outcome is Outcome.PENDING
    ]
    if unfinished:
        raise DeliverAgainError("; ".join(unfinished))


def _decide(event: str, services: Services, delivery: _Delivery) -> Iterator[Decision]:
    try:
        registration = parse_event(event)
    except RejectedEventError as error:
        yield rejected(str(error), event)
        return
    if services.workspaces and registration.workspace.key not in services.workspaces:
        reason = (
            f"workspace {registration.workspace.id} is not among WORKSPACES: add it there, "
            "or remove its event subscription"
        )
        yield rejected(reason, event, registration)
        return
    yield from _decide_registration(registration, services.rules(), services, delivery.deadline)


def _decide_registration(
    registration: Registration, book: RuleBook, services: Services, deadline: Deadline
) -> Iterator[Decision]:
    evaluations = book.evaluate(registration)
    matched = [evaluation for evaluation in evaluations if evaluation.matched]
    unreadable = book.unreadable_for(registration)
    for evaluation in matched:
        yield attend(evaluation, registration, services, deadline)
    for broken in unreadable:
        yield keep(broken, registration, services, deadline)
    if not matched and not unreadable:
        yield not_matched(registration, evaluations, book.closest(registration))


def _tell(decision: Decision, services: Services, delivery: _Delivery) -> bool:
    """Log the decision and keep it; False when it could not be kept."""
    milliseconds = delivery.milliseconds
    level = _LEVELS.get(decision.outcome, logging.INFO)
    _log.log(level, "%s", decision.log_line(milliseconds))
    try:
        services.ledger.record(decision, milliseconds, datetime.now(UTC), delivery.deadline)
    except LedgerError as error:
        _log.warning("the decision could not be kept: %s", error)
        return False
    return True
