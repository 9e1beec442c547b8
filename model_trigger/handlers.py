"""Handle what the triggers bring: gather, decide, act, and answer. The only clock is here."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome, OutcomeError, not_matched, rejected
from model_trigger.reconcile.missing import find_missing
from model_trigger.reconcile.open_claims import finish_claims
from model_trigger.registrations.event_grid import parse_event
from model_trigger.registrations.registration import Registration, RejectedEventError
from model_trigger.rules.book import RuleBook
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.services import Services
from model_trigger.settings import SettingsError
from model_trigger.text import LONGEST_LINE, cut, one_line

if TYPE_CHECKING:
    from model_trigger.pages.http import Answer

# Event Grid waits 30 s for an answer:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
_SECONDS = 25.0
# host.json stops a function after 5 minutes, which is also how often reconcile runs.
_RECONCILE_SECONDS = 240.0
# Of which open claims get so much, however many there are, so that missed registrations are found.
_OPEN_CLAIMS_SECONDS = 120.0
# Without so much time left, nothing is deleted.
_DELETION_SECONDS = 10.0
# Nobody looks at an empty page for longer.
_PAGE_SECONDS = 10.0
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
    def begin(cls, seconds: float = _SECONDS) -> "_Delivery":
        began = time.monotonic()
        return cls(began, Deadline(began + seconds, time.monotonic, time.sleep))

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
        raise DeliverAgainError(cut(one_line("; ".join(unfinished)), LONGEST_LINE))


def reconcile(services: Services) -> None:
    """Finish open claims, start missed registrations, and delete expired decisions.

    It stops in time and goes on in the next run; a step that fails keeps no other from its turn.
    Raises RulesUnreadableError when the rules cannot be read, after what can be done without them,
    and otherwise the first fault that ended a step, such as LedgerError.
    """
    run = _Delivery.begin(_RECONCILE_SECONDS)
    faults: list[Exception] = []
    book: RuleBook | None = None
    try:
        book = services.rules()
    except RulesUnreadableError as error:
        faults.append(error)
    for step in _steps(book, services, run):
        try:
            step()
        except LedgerError as error:
            _log.error("reconcile: %s", error)
            faults.append(error)
        except Exception as error:  # noqa: BLE001 - raised at the end
            _log.exception("reconcile: a step of the pass failed")
            faults.append(error)
    if faults:
        raise faults[0]


def _steps(
    book: RuleBook | None, services: Services, run: _Delivery
) -> Iterator[Callable[[], None]]:
    """Yield what a pass does, one step after the other."""
    of_claims = run.deadline.within(_OPEN_CLAIMS_SECONDS)
    starter, workspaces = services.starter, services.workspaces
    finished = finish_claims(book, starter, workspaces, of_claims)
    yield lambda: _tell_all(finished, services, run)
    if book is not None:
        missed = find_missing(book, starter, services.ledger.notes, workspaces, run.deadline)
        yield lambda: _tell_all(missed, services, run)
    yield lambda: _delete_expired(services, run)


def _delete_expired(services: Services, run: _Delivery) -> None:
    if not run.deadline.allows(_DELETION_SECONDS):
        return  # the next pass does it
    with suppress(ConflictError):  # another process does the same
        before = datetime.now(UTC) - services.policy.decision_retention
        services.ledger.decisions.delete_before(before, run.deadline)


def status_page(
    query: Mapping[str, str], accept: str, services: Callable[[], Services]
) -> "Answer":
    """Answer what needs a person, what was decided, and where the release of a model is."""
    return _answered("status", query, accept, services)


def explanation(
    query: Mapping[str, str], accept: str, services: Callable[[], Services]
) -> "Answer":
    """Answer what each rule would do with a registration, and why."""
    return _answered("explain", query, accept, services)


def _answered(
    page: str, query: Mapping[str, str], accept: str, services: Callable[[], Services]
) -> "Answer":
    """Answer an HTTP request; `accept` is its header of this name."""
    # The pages take a while to import, and no event needs them.
    from model_trigger.pages import http, shown, status  # noqa: PLC0415

    request = http.Request(query, accept)
    deadline = _Delivery.begin(_PAGE_SECONDS).deadline
    try:
        parts = services()
    except SettingsError as error:
        return http.answer_error(request, 500, str(error))
    ledger, now = parts.ledger, datetime.now(UTC)
    reading = shown.Reading(ledger.claims, ledger.decisions, parts.policy, now, deadline)
    app = status.Configuration(
        parts.rules, ledger.notes, parts.workspaces, parts.mode, parts.defaults
    )
    return http.ANSWERS[page](request, reading, app)


def _tell_all(decisions: Iterable[Decision], services: Services, run: _Delivery) -> None:
    for decision in decisions:
        _tell(decision, services, run)


def _decide(event: str, services: Services, delivery: _Delivery) -> Iterator[Decision]:
    try:
        registration = parse_event(event)
    except RejectedEventError as error:
        yield rejected(str(error), event)
        return
    accepted = {workspace.key for workspace in services.workspaces}
    if accepted and registration.workspace.key not in accepted:
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
        attending = partial(services.starter.attend, evaluation, registration, deadline)
        yield _guarded(evaluation.rule.name, registration, attending)
    for broken in unreadable:
        keeping = partial(services.starter.keep, broken, registration, deadline)
        yield _guarded(broken.name, registration, keeping)
    if not matched and not unreadable:
        yield not_matched(registration, evaluations, book.closest(registration))


def _guarded(rule: str, registration: Registration, decide: Callable[[], Decision]) -> Decision:
    """Decide for one rule; a fault that nobody has thought of stops no other rule."""
    try:
        return decide()
    except Exception as error:  # noqa: BLE001 - it is delivered again
        _log.exception("rule %r could not decide on %r", rule, registration.model)
        reason = f"an unexpected fault in the app: {type(error).__name__}: {error}"
        return Decision(Outcome.PENDING, reason, rule, registration)


def _tell(decision: Decision, services: Services, delivery: _Delivery) -> bool:
    """Log the decision and keep it; False when it could not be kept."""
    milliseconds = delivery.milliseconds
    level = _LEVELS.get(decision.outcome, logging.INFO)
    _log.log(level, "%s", decision.log_line(milliseconds))
    try:
        services.ledger.decisions.record(
            decision, milliseconds, datetime.now(UTC), delivery.deadline
        )
    except LedgerError as error:
        _log.warning("the decision could not be kept: %s", error)
        return False
    _publish(decision, milliseconds, services, delivery)
    return True


def _publish(
    decision: Decision, milliseconds: int, services: Services, delivery: _Delivery
) -> None:
    """Tell others, if any want to know; nothing of ours depends on it."""
    if services.publisher is None:
        return
    try:
        services.publisher.publish(decision, milliseconds, delivery.deadline)
    except OutcomeError as error:
        _log.warning("%s", error)
    except Exception:  # noqa: BLE001 - nothing depends on it
        _log.exception("the outcome event could not be sent")
