"""The exactly-once protocol: given the claim, the mark and the storage clock, decide the next step.

A claim reserves (rule, workspace, model, version). The mark of the same rule, workspace and model
is the newest version claimed, and holds the one start in flight. Both move in one transaction.

    (none) ──take──▶ starting ──▶ started
                        │  ├────▶ failed    (refused: a person must act; retried with pauses)
                        │  ├────▶ waiting   (nothing was started: any delivery may retry it)
                        │  └────▶ unknown ──look up──▶ started │ waiting │ unknown
                        └ lease over: unknown

Nothing here starts, waits or writes: the next step is a value, decided from values.
"""

from dataclasses import dataclass

from model_trigger.claims.claim import (
    Candidate,
    Claim,
    Done,
    Mark,
    Snapshot,
    State,
    label,
    unclaimed,
)
from model_trigger.decisions.decision import Outcome
from model_trigger.registrations.registration import Registration

# What a delivery answers for a claim on which it does nothing.
_ANSWERS = {
    State.WAITING: Outcome.PENDING,
    State.FAILED: Outcome.FAILED,
    State.STARTED: Outcome.DUPLICATE,
    State.OBSERVED: Outcome.DUPLICATE,
    State.SUPERSEDED: Outcome.SUPERSEDED,
    State.GIVEN_UP: Outcome.GIVEN_UP,
    State.CLOSED: Outcome.CLOSED,
}


@dataclass(frozen=True, slots=True)
class Busy:
    """Another start is in flight: look again shortly, and answer `otherwise` in the end.

    `must_keep` is whether the registration is not in the ledger yet: it is written there before the
    answer.
    """

    otherwise: Done
    must_keep: bool = False


@dataclass(frozen=True, slots=True)
class Proceed:
    """Nothing was sent under a claim of this delivery: the answer to its write was lost."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Take:
    """The claim may be taken, and the target started."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """The outcome of a start is unknown: look the release up."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Settle:
    """The claim will not be started, or not any more: write that down."""

    claim: Claim
    done: Done


@dataclass(frozen=True, slots=True)
class RemakeMark:
    """The mark was made under another ordering: make it again from all claims."""

    mark: Mark


Step = Done | Busy | Proceed | Take | LookUp | Settle | RemakeMark


def next_step(snapshot: Snapshot, candidate: Candidate, owner: str, *, retry: bool = False) -> Step:
    """Decide what a delivery may do next.

    `owner` names the claim that this delivery has written, or tried to write, and under which it
    has started nothing for certain; it is empty otherwise. `retry` is for reconcile: a refused
    start may be retried once its pause is over.
    """
    claim, now = snapshot.claim, snapshot.read_at
    if claim is None:
        return _claimable(snapshot, candidate)
    if claim.state is State.STARTING and owner and claim.owner == owner:
        return Proceed(claim)
    standing = claim.standing(now)
    if standing is State.UNKNOWN:
        return LookUp(claim)
    if standing is State.STARTING:
        return Busy(Done(Outcome.DUPLICATE, "another delivery is starting it right now"))
    if standing in {State.KEPT, State.WAITING} or (retry and standing is State.FAILED):
        return _claimable(snapshot, candidate)
    reason = claim.reason
    if standing in {State.STARTED, State.OBSERVED}:
        reason = f"this rule has {standing} it before, at {claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
    return Done(_ANSWERS[standing], reason, claim.release)


def _claimable(snapshot: Snapshot, candidate: Candidate) -> Step:
    claim, mark, now = snapshot.claim, snapshot.mark, snapshot.read_at
    if claim and claim.not_before and claim.not_before > now:
        reason = f"{claim.reason}; not before {claim.not_before:%H:%M:%S} UTC"
        return Done(_ANSWERS[claim.state], reason)
    if mark and mark.ordering != candidate.ordering:
        return RemakeMark(mark)
    if mark is None or not candidate.exclusive:
        return Take()
    reason = _superseded_by(claim, mark, candidate)
    if reason:
        done = Done(Outcome.SUPERSEDED, reason)
        return Settle(claim or unclaimed(candidate.registration, now), done)
    if mark.is_held_by_another(candidate.version, now):
        reason = f"version {mark.in_flight} of the model is being started"
        must_keep = claim is None or claim.state is State.KEPT
        return Busy(Done(Outcome.PENDING, reason), must_keep)
    return Take()


def _superseded_by(claim: Claim | None, mark: Mark, candidate: Candidate) -> str:
    """Return what keeps a version from being started, "" when nothing does.

    A baseline blocks only what is older, and never what the ledger holds already.
    """
    if mark.version == candidate.version:
        return ""
    baseline = mark.baseline
    if not candidate.newer_than(mark):
        is_older = candidate.older_than(mark.compared)
        shown = label(mark.version, mark.compared)
        return f"{shown} is claimed, and is {'newer' if is_older else 'not older'}"
    is_comparable = baseline is not None and baseline.ordering == candidate.ordering
    if claim is None and baseline and is_comparable and candidate.older_than(baseline.compared):
        shown = label(baseline.version, baseline.compared)
        return f"{shown} was registered before the rule, and is newer"
    return ""


def superseded_by_registered(
    snapshot: Snapshot, candidate: Candidate, newer: Registration
) -> Settle:
    """Settle a version because a newer one that the rule wants is registered in the workspace."""
    claim = snapshot.claim or unclaimed(candidate.registration, snapshot.read_at)
    reason = f"version {newer.version} is registered in the workspace, and is newer"
    return Settle(claim, Done(Outcome.SUPERSEDED, reason))
