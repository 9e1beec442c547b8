"""One registration under one rule as a page shows it: a claim, or a group of decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from model_trigger.claims.claim import Claim, Partition, State
from model_trigger.claims.policy import Policy
from model_trigger.claims.store import ClaimStore
from model_trigger.deadline import Deadline
from model_trigger.decisions.history import Cursor, DecisionStore, PastDecision

_NEXT_STEPS: Mapping[str, str] = {
    State.STARTING: "waiting for Azure DevOps to respond",
    State.UNKNOWN: "reconcile will look up its release",
    State.WAITING: "the next delivery or reconcile will start it",
    State.FAILED: "reconcile will retry it until {given_up:%Y-%m-%d %H:%M} UTC",
    State.KEPT: "reconcile will evaluate it once the rule is fixed",
    State.GIVEN_UP: "nothing more will happen until you run python -m model_trigger forget",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a page is read from: the stores, the durations, the time now, and the deadline."""

    claims: ClaimStore
    decisions: DecisionStore
    policy: Policy
    now: datetime
    deadline: Deadline

    @property
    def today(self) -> Cursor:
        """The cursor of the newest decision."""
        return Cursor(self.now.date())

    @property
    def kept_since(self) -> date:
        """The oldest day whose decisions are kept."""
        return (self.now - self.policy.decision_retention).date()


@dataclass(frozen=True, slots=True)
class Shown:
    """One registration under one rule, its state, and the next step.

    `state` is the claim's, `unknown` if the lease of a start expired without an answer,
    `duplicate_release`, or the outcome of a group of `count` decisions, the first of which was made
    at `since`. `next_step` is empty if there is none, and `next_attempt` is its earliest time.
    """

    state: str
    rule: str
    model: str
    version: str
    workspace: str
    since: datetime
    reason: str
    next_step: str
    next_attempt: datetime | None = None
    needs_a_person: bool = False
    count: int = 1
    observed: bool = False
    registered_at: datetime | None = None
    release_id: int | None = None
    release_url: str = ""
    second_release_url: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    properties: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies the registration under the rule."""
        return self.rule, self.workspace.lower(), self.model, self.version


def show(partition: Partition, claim: Claim, reading: Reading) -> Shown:
    """Return a claim as a page shows it now."""
    state = claim.standing(reading.now)
    since = claim.failed_since or claim.claimed_at
    release, second = claim.release, claim.second_release
    next_step = _NEXT_STEPS.get(state, "")
    return Shown(
        state=state.value,
        rule=partition.rule,
        model=partition.model,
        version=claim.version,
        workspace=partition.workspace.id,
        since=since,
        reason=claim.reason,
        next_step=next_step.format(given_up=since + reading.policy.retry_for),
        next_attempt=claim.not_before,
        needs_a_person=state in {State.FAILED, State.KEPT, State.GIVEN_UP},
        observed=partition.observed,
        registered_at=claim.registration.registered_at,
        release_id=release.id if release else None,
        release_url=release.url if release else "",
        second_release_url=second.url if second else "",
        tags=claim.registration.tags,
        properties=claim.registration.properties,
    )


def show_decisions(group: Sequence[PastDecision], next_step: str) -> Shown:
    """Return a group of decisions, the newest first, as the newest of them."""
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
