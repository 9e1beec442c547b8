"""How a page shows one registration under one rule: a claim, or decisions that are alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from model_trigger.claims.claim import Claim, Partition, State
from model_trigger.claims.policy import Policy
from model_trigger.claims.store import ClaimStore
from model_trigger.deadline import Deadline
from model_trigger.decisions.history import Cursor, DecisionStore

_NEXT_STEPS: Mapping[str, str] = {
    State.STARTING: "the answer of Azure DevOps is awaited",
    State.UNKNOWN: "reconcile looks its release up",
    State.WAITING: "the next delivery or reconcile starts it",
    State.FAILED: "reconcile tries again until {given_up:%Y-%m-%d %H:%M} UTC",
    State.KEPT: "reconcile decides on it once the rule is fixed",
    State.GIVEN_UP: "it stays so until the claim is forgotten: python -m model_trigger forget",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the ledger for a page: where, by which durations, when and for how long."""

    claims: ClaimStore
    decisions: DecisionStore
    policy: Policy
    now: datetime
    deadline: Deadline

    @property
    def today(self) -> Cursor:
        """The newest of all decisions."""
        return Cursor(self.now.date())

    @property
    def kept_since(self) -> date:
        """The oldest day whose decisions are kept."""
        return (self.now - self.policy.decision_retention).date()


@dataclass(frozen=True, slots=True)
class Shown:
    """One registration under one rule, how it stands, and what comes next.

    `state` is the claim's, `unknown` when a start's lease is over without an answer,
    `duplicate_release`, or the outcome of decisions that are alike, of which there are `count`.
    `since` is the first time of them. `next_step` is empty when nothing is to come, and
    `next_attempt` is the earliest time of it.
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
        """What it is about."""
        return self.rule, self.workspace.lower(), self.model, self.version


def show(partition: Partition, claim: Claim, reading: Reading) -> Shown:
    """Show a claim as it stands now."""
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
