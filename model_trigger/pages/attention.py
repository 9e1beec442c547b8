"""Find problems: those that need attention and those that resolve themselves."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.decisions.history import DecisionSearch, PastDecision
from model_trigger.pages.shown import Reading, Shown, show, show_decisions

DUPLICATE_RELEASE = "duplicate_release"

_IN_PROGRESS = (State.UNKNOWN, State.WAITING)
_MOST_DECISIONS = 200
_MOST_PENDING = 10
# A rejected event is shown for a week, and a pending one as long as Event Grid retries it:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
_REJECTED_FOR = timedelta(days=7)
_PENDING_FOR = timedelta(days=1)


def find_troubles(reading: Reading) -> list[Shown]:
    """Return all troubles: first what needs a person, and within each group the newest first.

    Raises LedgerError, ConflictError.
    """
    troubles = list(troubled_claims(reading))
    search = DecisionSearch(
        start=reading.today,
        oldest=(reading.now - _REJECTED_FOR).date(),
        limit=_MOST_DECISIONS,
        outcomes=(Outcome.REJECTED, Outcome.PENDING),
    )
    found, _ = reading.decisions.search(search, reading.deadline)
    claimed = {claim.key for claim in troubles}
    troubles += rejected_events(found)
    troubles += pending_events((one for one in found if one.key not in claimed), reading)
    return sorted(troubles, key=lambda one: (one.needs_a_person, one.since), reverse=True)


def troubled_claims(reading: Reading) -> Iterator[Shown]:
    """Yield the claims in trouble; those given up or started twice only within the retention."""
    for partition, claim in reading.claims.troubled(reading.deadline):
        shown = show(partition, claim, reading)
        is_old = claim.claimed_at.date() < reading.kept_since
        if claim.release and claim.second_release and not is_old:
            yield replace(
                shown,
                state=DUPLICATE_RELEASE,
                needs_a_person=True,
                reason="two releases were started for it",
                next_step="nothing more will happen: abandon one of the two releases",
                next_attempt=None,
            )
        is_over = is_old and claim.state is State.GIVEN_UP
        if shown.state in _IN_PROGRESS or (shown.needs_a_person and not is_over):
            yield shown


def rejected_events(decisions: Iterable[PastDecision]) -> Iterator[Shown]:
    """Yield the rejected events, grouped by reason."""
    rejected = (one for one in decisions if one.outcome == Outcome.REJECTED)
    for group in _grouped(rejected, lambda one: one.reason):
        shown = show_decisions(group, "Event Grid will not deliver it again")
        yield replace(shown, needs_a_person=True)


def pending_events(decisions: Iterable[PastDecision], reading: Reading) -> Iterator[Shown]:
    """Yield the events that Event Grid still retries, each with the number of its deliveries."""
    since = reading.now - _PENDING_FOR
    pending = (one for one in decisions if one.outcome == Outcome.PENDING)
    recent = (one for one in pending if one.decided_at >= since)
    for group in islice(_grouped(recent, lambda one: one.key), _MOST_PENDING):
        if is_still_pending(group[0], reading):
            yield show_decisions(group, "Event Grid will deliver it again")


def is_still_pending(decision: PastDecision, reading: Reading) -> bool:
    """Whether nothing else has been decided on the registration since."""
    search = DecisionSearch(
        start=reading.today,
        oldest=decision.decided_at.date(),
        limit=_MOST_DECISIONS,
        model=decision.model,
        version=decision.version,
    )
    found, _ = reading.decisions.search(search, reading.deadline)
    newest = next((one for one in found if one.key == decision.key), decision)
    return newest.outcome == Outcome.PENDING


def _grouped(
    decisions: Iterable[PastDecision], key: Callable[[PastDecision], Hashable]
) -> Iterable[Sequence[PastDecision]]:
    groups: dict[Hashable, list[PastDecision]] = defaultdict(list)
    for one in decisions:
        groups[key(one)].append(one)
    return groups.values()
