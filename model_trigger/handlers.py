"""Handle each trigger: decide, act, record, respond. The event path reads the clock only here."""

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
from model_trigger.decisions.decision import (
    Decision,
    Outcome,
    OutcomeError,
    not_matched,
    rejected,
)
from model_trigger.registrations.event_grid import parse_event
from model_trigger.registrations.registration import Registration, RejectedEventError
from model_trigger.rules.book import RuleBook
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.services import Services
from model_trigger.settings import SettingsError
from model_trigger.text import LONGEST_LINE, cut, one_line

if TYPE_CHECKING:
    from model_trigger.pages.http import Answer

# Event Grid waits 30 s for a response:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
_SECONDS = 25.0
# host.json stops a function after 5 minutes, which is also how often reconcile runs.
_RECONCILE_SECONDS = 240.0
# The share of open claims, however many there are, so that time is left for missed registrations.
_OPEN_CLAIMS_SECONDS = 120.0
# Nothing is deleted unless this much time is left.
_DELETION_SECONDS = 10.0
# A person does not wait longer for a page.
_PAGE_SECONDS = 10.0
_LEVELS = {
    Outcome.FAILED: logging.ERROR,
    Outcome.GIVEN_UP: logging.ERROR,
    Outcome.REJECTED: logging.ERROR,
    Outcome.PENDING: logging.WARNING,
}

_log = logging.getLogger("model_trigger")


class DeliverAgainError(Exception):
    """The event is not finished, so Event Grid must deliver it again."""


def handle_event(event: str, services: Services) -> None:
    """Decide on a delivered event, act on it, and record each decision.

    Raises DeliverAgainError if a decision is pending or could not be recorded, so that the
    function fails and Event Grid delivers the event again.
    """
    run = Run.begin(services, _SECONDS)
    unfinished = [
        f"{decision.rule or 'the event'}: {decision.reason}"
        for decision in run.decide(event)
        if not run.record(decision) or decision.outcome is Outcome.PENDING
    ]
    if unfinished:
        raise DeliverAgainError(cut(one_line("; ".join(unfinished)), LONGEST_LINE))


def reconcile(services: Services) -> None:
    """Finish open claims, start missed registrations, and delete expired decisions.

    A run stops in time, and the next one continues. A failing step does not stop the others. At the
    end, raises RulesUnreadableError if the rules could not be read, otherwise the first error that
    ended a step, such as LedgerError.
    """
    run = Run.begin(services, _RECONCILE_SECONDS)
    faults: list[Exception] = []
    book: RuleBook | None = None
    try:
        book = services.rules()
    except RulesUnreadableError as error:
        faults.append(error)
    for step in run.reconcile(book):
        try:
            step()
        except LedgerError as error:
            _log.error("reconcile: %s", error)
            faults.append(error)
        except Exception as error:  # noqa: BLE001 - raised at the end
            _log.exception("reconcile: a step failed")
            faults.append(error)
    if faults:
        raise faults[0]


def status_page(
    query: Mapping[str, str], accept: str, services: Callable[[], Services]
) -> "Answer":
    """Return the status page: what needs attention, recent decisions, where a release is.

    `accept` is the request header of that name.
    """
    return _answer("status", query, accept, services)


def explanation(
    query: Mapping[str, str], accept: str, services: Callable[[], Services]
) -> "Answer":
    """Return the explain page: what each rule would do with a registration, and why.

    `accept` is the request header of that name.
    """
    return _answer("explain", query, accept, services)


def _answer(
    page: str, query: Mapping[str, str], accept: str, services: Callable[[], Services]
) -> "Answer":
    # Slow to import, and not needed for events.
    from model_trigger.pages import http, shown, status  # noqa: PLC0415

    request = http.Request(query, accept)
    try:
        run = Run.begin(services(), _PAGE_SECONDS)
    except SettingsError as error:
        return http.answer_error(request, 500, str(error))
    parts, ledger, now = run.services, run.services.ledger, datetime.now(UTC)
    reading = shown.Reading(ledger.claims, ledger.decisions, parts.policy, now, run.deadline)
    app = status.Configuration(
        parts.rules, ledger.notes(), parts.workspaces, parts.mode, parts.defaults
    )
    return http.ANSWERS[page](request, reading, app)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a function; `began` is in seconds of the monotonic clock."""

    services: Services
    began: float
    deadline: Deadline

    @classmethod
    def begin(cls, services: Services, seconds: float) -> "Run":
        """Begin a run with a deadline in `seconds`."""
        began = time.monotonic()
        return cls(services, began, Deadline(began + seconds, time.monotonic, time.sleep))

    def decide(self, event: str) -> Iterator[Decision]:
        """Act on an event under each rule, and yield the decisions. Raises RulesUnreadableError."""
        try:
            registration = parse_event(event)
        except RejectedEventError as error:
            yield rejected(str(error), event)
            return
        accepted = {workspace.key for workspace in self.services.workspaces}
        if accepted and registration.workspace.key not in accepted:
            reason = (
                f"workspace {registration.workspace.id} is not listed in WORKSPACES: add it there, "
                "or delete its event subscription"
            )
            yield rejected(reason, event, registration)
            return
        yield from self.evaluate(registration, self.services.rules())

    def evaluate(self, registration: Registration, book: RuleBook) -> Iterator[Decision]:
        """Act on a registration under each rule, and yield the decisions."""
        evaluations, starter = book.evaluate(registration), self.services.starter
        matched = [evaluation for evaluation in evaluations if evaluation.matched]
        unreadable = book.unreadable_for(registration)
        for evaluation in matched:
            start = partial(starter.start, evaluation, registration, self.deadline)
            yield _guarded(evaluation.rule.name, registration, start)
        for broken in unreadable:
            keep = partial(starter.keep, broken, registration, self.deadline)
            yield _guarded(broken.name, registration, keep)
        if not matched and not unreadable:
            yield not_matched(registration, evaluations, book.closest(registration))

    def reconcile(self, book: RuleBook | None) -> Iterator[Callable[[], None]]:
        """Yield the steps of a pass; without a book, none of them starts anything."""
        # Not needed for events, whose time is short on a cold start.
        from model_trigger.reconcile.missing import find_missing  # noqa: PLC0415
        from model_trigger.reconcile.open_claims import finish_claims  # noqa: PLC0415

        services, deadline = self.services, self.deadline
        starter, workspaces = services.starter, services.workspaces
        of_claims = deadline.within(_OPEN_CLAIMS_SECONDS)
        yield partial(self.record_all, finish_claims(book, starter, workspaces, of_claims))
        if book is not None:
            missing = find_missing(book, starter, services.ledger.notes(), workspaces, deadline)
            yield partial(self.record_all, missing)
        yield self.delete_expired

    def delete_expired(self) -> None:
        """Delete expired decisions; if too little time is left, leave them to the next pass."""
        if self.deadline.allows(_DELETION_SECONDS):
            before = datetime.now(UTC) - self.services.policy.decision_retention
            with suppress(ConflictError):  # another process is deleting them too
                self.services.ledger.decisions.delete_before(before, self.deadline)

    def record_all(self, decisions: Iterable[Decision]) -> None:
        """Record each decision as it is made."""
        for decision in decisions:
            self.record(decision)

    def record(self, decision: Decision) -> bool:
        """Log, store and publish a decision; return whether it was stored."""
        milliseconds = round((time.monotonic() - self.began) * 1000)
        level = _LEVELS.get(decision.outcome, logging.INFO)
        _log.log(level, "%s", decision.log_line(milliseconds))
        now, store = datetime.now(UTC), self.services.ledger.decisions
        try:
            store.record(decision, milliseconds, now, self.deadline)
        except LedgerError as error:
            _log.warning("the decision could not be recorded: %s", error)
            return False
        if self.services.publisher:
            try:
                self.services.publisher.publish(decision, milliseconds, self.deadline)
            except OutcomeError as error:
                _log.warning("%s", error)
            except Exception:  # noqa: BLE001 - publishing is best effort
                _log.exception("the outcome event could not be sent")
        return True


def _guarded(rule: str, registration: Registration, decide: Callable[[], Decision]) -> Decision:
    """Decide for one rule; an unexpected error must not stop the other rules."""
    try:
        return decide()
    except Exception as error:  # noqa: BLE001 - pending, so the event is delivered again
        _log.exception("rule %r, model %r: unexpected error", rule, registration.model)
        reason = f"unexpected error in the app: {type(error).__name__}: {error}"
        return Decision(Outcome.PENDING, reason, rule, registration)
