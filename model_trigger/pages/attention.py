"""Find what is not as it should be: what needs a person, and what goes on by itself."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from model_trigger.claims.claim import State
from model_trigger.decisions.decision import Outcome
from model_trigger.decisions.history import DecisionSearch, PastDecision
from model_trigger.pages.lookup import Reading, ShownClaim, show

DUPLICATE_RELEASE = "duplicate_release"

_NEEDS_A_PERSON = (State.FAILED, State.KEPT, State.GIVEN_UP)
_GOES_ON = (State.UNKNOWN, State.WAITING)
_MOST_DECISIONS = 200
_MOST_PENDING = 10
# A rejected event is shown for a week, and a pending one as long as Event Grid delivers it again:
# https://learn.microsoft.com/azure/event-grid/delivery-and-retry
_REJECTED_FOR = timedelta(days=7)
_PENDING_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be, and what comes next.

    `what` is a claim's state, an outcome or `duplicate_release`; `since` is the first time of
    `count`; `next_attempt` is not before when the next step comes.
    """

    what: str
    needs_a_person: bool
    model: str
    version: str
    workspace: str
    rule: str
    reason: str
    since: datetime
    next_step: str
    next_attempt: datetime | None = None
    count: int = 1
    release_urls: Sequence[str] = ()


def find_troubles(reading: Reading) -> list[Trouble]:
    """Find all troubles, what needs a person first, and the newest first in either.

    Raises LedgerError, ConflictError.
    """
    claims = list(_of_claims(reading))
    troubles = [*claims, *_of_decisions(reading, claims)]
    troubles.sort(key=lambda trouble: trouble.since, reverse=True)
    troubles.sort(key=lambda trouble: not trouble.needs_a_person)
    return troubles


def _of_claims(reading: Reading) -> Iterator[Trouble]:
    """Find claims in trouble; what nothing comes of is shown as long as decisions are kept."""
    for partition, claim in reading.ledger.troubled_claims(reading.deadline):
        shown = show(partition, claim, reading)
        is_old = claim.claimed_at.date() < reading.kept_since
        if claim.second_release and not is_old:
            yield _second_release(shown)
        if shown.state in _GOES_ON:
            yield _of_claim(shown, needs_a_person=False)
        elif shown.state in _NEEDS_A_PERSON and not (is_old and claim.state is State.GIVEN_UP):
            yield _of_claim(shown, needs_a_person=True)


def _of_claim(claim: ShownClaim, *, needs_a_person: bool) -> Trouble:
    return Trouble(
        what=claim.state,
        needs_a_person=needs_a_person,
        model=claim.model,
        version=claim.version,
        workspace=claim.workspace,
        rule=claim.rule,
        reason=claim.reason,
        since=claim.since,
        next_step=claim.next_step,
        next_attempt=claim.next_attempt,
    )


def _second_release(claim: ShownClaim) -> Trouble:
    return Trouble(
        what=DUPLICATE_RELEASE,
        needs_a_person=True,
        model=claim.model,
        version=claim.version,
        workspace=claim.workspace,
        rule=claim.rule,
        reason="two releases were started for it",
        since=claim.since,
        next_step="it stays so until a person abandons one of the two",
        release_urls=(claim.release_url, claim.second_release_url),
    )


def _of_decisions(reading: Reading, claims: Sequence[Trouble]) -> Iterator[Trouble]:
    """Find events that were rejected, and those that wait without a claim."""
    search = DecisionSearch(
        start=reading.today,
        oldest=(reading.now - _REJECTED_FOR).date(),
        limit=_MOST_DECISIONS,
        outcomes=(Outcome.REJECTED, Outcome.PENDING),
    )
    found, _ = reading.ledger.past_decisions(search, reading.deadline)
    rejected = (one for one in found if one.outcome == Outcome.REJECTED)
    for group in _grouped(rejected, lambda one: (one.reason,)):
        yield _of_group(group, needs_a_person=True, next_step="it is not delivered again")
    claimed = {_key(claim) for claim in claims}
    recent = reading.now - _PENDING_FOR
    pending = (one for one in found if one.outcome == Outcome.PENDING and one.decided_at >= recent)
    waiting = (group for group in _grouped(pending, _key) if _key(group[0]) not in claimed)
    for group in islice(waiting, _MOST_PENDING):
        if _is_still_pending(group[0], reading):
            yield _of_group(group, needs_a_person=False, next_step="Event Grid delivers it again")


def _grouped(
    decisions: Iterable[PastDecision], key: Callable[[PastDecision], tuple[str, ...]]
) -> list[list[PastDecision]]:
    groups: dict[tuple[str, ...], list[PastDecision]] = defaultdict(list)
    for one in decisions:
        groups[key(one)].append(one)
    return list(groups.values())


def _key(one: Trouble | PastDecision) -> tuple[str, ...]:
    return one.rule, one.workspace.lower(), one.model, one.version


def _of_group(group: Sequence[PastDecision], *, needs_a_person: bool, next_step: str) -> Trouble:
    """Tell of decisions that are alike, as the newest, which is the first."""
    newest = group[0]
    return Trouble(
        what=newest.outcome,
        needs_a_person=needs_a_person,
        model=newest.model,
        version=newest.version,
        workspace=newest.workspace,
        rule=newest.rule,
        reason=newest.reason,
        since=group[-1].decided_at,
        next_step=next_step,
        count=len(group),
    )


def _is_still_pending(decision: PastDecision, reading: Reading) -> bool:
    """Tell whether nothing else was decided since."""
    search = DecisionSearch(
        start=reading.today,
        oldest=decision.decided_at.date(),
        limit=_MOST_DECISIONS,
        model=decision.model,
        version=decision.version,
    )
    found, _ = reading.ledger.past_decisions(search, reading.deadline)
    newest = next((one for one in found if _key(one) == _key(decision)), decision)
    return newest.outcome == Outcome.PENDING
