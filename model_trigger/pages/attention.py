"""Find what is not as it should be: what needs a person, and what goes on by itself."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.decisions.history import DecisionSearch, PastDecision
from model_trigger.pages.shown import Reading, Shown, show

DUPLICATE_RELEASE = "duplicate_release"

_GOES_ON = (State.UNKNOWN, State.WAITING)
_MOST_DECISIONS = 200
_MOST_PENDING = 10
# A rejected event is shown for a week, and a pending one as long as Event Grid delivers it again:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
_REJECTED_FOR = timedelta(days=7)
_PENDING_FOR = timedelta(days=1)


def find_troubles(reading: Reading) -> list[Shown]:
    """Find all troubles, what needs a person first, and the newest first in either.

    Raises LedgerError, ConflictError.
    """
    claims = list(_of_claims(reading))
    troubles = [*claims, *_of_decisions(reading, claims)]
    return sorted(troubles, key=lambda one: (one.needs_a_person, one.since), reverse=True)


def _of_claims(reading: Reading) -> Iterator[Shown]:
    """Find claims in trouble; what nothing comes of is shown as long as decisions are kept."""
    for partition, claim in reading.claims.troubled(reading.deadline):
        shown = show(partition, claim, reading)
        is_old = claim.claimed_at.date() < reading.kept_since
        if claim.second_release and not is_old:
            yield replace(
                shown,
                state=DUPLICATE_RELEASE,
                needs_a_person=True,
                reason="two releases were started for it",
                next_step="it stays so until a person abandons one of the two",
                next_attempt=None,
            )
        is_over = is_old and claim.state is State.GIVEN_UP
        if shown.state in _GOES_ON or (shown.needs_a_person and not is_over):
            yield shown


def _of_decisions(reading: Reading, claims: Sequence[Shown]) -> Iterator[Shown]:
    """Find events that were rejected, and those that wait without a claim."""
    search = DecisionSearch(
        start=reading.today,
        oldest=(reading.now - _REJECTED_FOR).date(),
        limit=_MOST_DECISIONS,
        outcomes=(Outcome.REJECTED, Outcome.PENDING),
    )
    found, _ = reading.decisions.search(search, reading.deadline)
    rejected = (one for one in found if one.outcome == Outcome.REJECTED)
    for group in _grouped(rejected, lambda one: one.reason):
        shown = _of_group(group, "it is not delivered again")
        yield replace(shown, needs_a_person=True)
    claimed = {claim.key for claim in claims}
    recent = reading.now - _PENDING_FOR
    pending = (one for one in found if one.outcome == Outcome.PENDING and one.decided_at >= recent)
    waiting = (group for group in _grouped(pending, _key) if _key(group[0]) not in claimed)
    for group in islice(waiting, _MOST_PENDING):
        if _is_still_pending(group[0], reading):
            yield _of_group(group, "Event Grid delivers it again")


def _grouped(
    decisions: Iterable[PastDecision], key: Callable[[PastDecision], Hashable]
) -> list[list[PastDecision]]:
    groups: dict[Hashable, list[PastDecision]] = defaultdict(list)
    for one in decisions:
        groups[key(one)].append(one)
    return list(groups.values())


def _key(one: PastDecision) -> tuple[str, ...]:
    return one.rule, one.workspace.lower(), one.model, one.version


def _of_group(group: Sequence[PastDecision], next_step: str) -> Shown:
    """Show decisions that are alike as the newest of them, which is the first."""
    newest = group[0]
    return Shown(
        state=newest.outcome,
        rule=newest.rule,
        model=newest.model,
        version=newest.version,
        workspace=newest.workspace,
        since=group[-1].decided_at,
        reason=newest.reason,
        next_step=next_step,
        count=len(group),
    )


def _is_still_pending(decision: PastDecision, reading: Reading) -> bool:
    """Whether nothing else was decided since."""
    search = DecisionSearch(
        start=reading.today,
        oldest=decision.decided_at.date(),
        limit=_MOST_DECISIONS,
        model=decision.model,
        version=decision.version,
    )
    found, _ = reading.decisions.search(search, reading.deadline)
    newest = next((one for one in found if _key(one) == _key(decision)), decision)
    return newest.outcome == Outcome.PENDING
