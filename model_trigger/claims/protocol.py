"""The exactly-once protocol: given the claim, the mark and the storage clock, decide the next step.

A claim reserves (rule, workspace, model, version). The mark of (rule, workspace, model) records the
newest version claimed, and its slot the one start in flight. Both change in one transaction.

    (none) ──take──▶ starting ──▶ started
                        │  ├────▶ failed    (refused: a person must act; retried with pauses)
                        │  ├────▶ waiting   (nothing was started: any delivery may retry it)
                        │  └────▶ unknown ──look up──▶ started │ waiting │ unknown
                        └ lease over: unknown

Nothing here starts, waits or writes: each step is a value computed from values.
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

# The outcome of a delivery that leaves a claim in this state.
_OUTCOMES = {
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
    """Another start is in flight: read again shortly, and return `otherwise` if it still is.

    With `must_keep`, the registration is not in the ledger yet and must be written there first.
    """

    otherwise: Done
    must_keep: bool = False


@dataclass(frozen=True, slots=True)
class Proceed:
    """The delivery owns the claim but lost the response to its write; nothing was sent yet."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Take:
    """The claim can be taken and the target started."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """The outcome of a start is unknown: look up the release."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Settle:
    """The version will not be started, now or later: record that in its claim."""

    claim: Claim
    done: Done


@dataclass(frozen=True, slots=True)
class RemakeMark:
    """The mark was made under another ordering: recompute it from all claims."""

    mark: Mark


Step = Done | Busy | Proceed | Take | LookUp | Settle | RemakeMark


def next_step(snapshot: Snapshot, candidate: Candidate, owner: str, *, retry: bool = False) -> Step:
    """Return the next step of a delivery.

    `owner` names the turn in which this delivery has written a claim, or tried to, and has
    certainly not sent the POST under it; "" otherwise. `retry` is set by reconcile: a refused start
    may be retried once its pause is over.
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
        reason = f"this rule already {standing} it at {claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
    return Done(_OUTCOMES[standing], reason, claim.release)


def _claimable(snapshot: Snapshot, candidate: Candidate) -> Step:
    claim, mark, now = snapshot.claim, snapshot.mark, snapshot.read_at
    if claim and claim.not_before and claim.not_before > now:
        reason = f"{claim.reason}; it will be retried after {claim.not_before:%H:%M:%S} UTC"
        return Done(_OUTCOMES[claim.state], reason)
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
    """Return why a version is superseded, "" if it is not.

    A baseline blocks only older versions, and none that are already in the ledger.
    """
    if mark.version == candidate.version:
        return ""
    baseline = mark.baseline
    if not candidate.newer_than(mark):
        is_older = candidate.older_than(mark.compared)
        shown = label(mark.version, mark.compared)
        return f"{shown} is already claimed and is {'newer' if is_older else 'not older'}"
    is_comparable = baseline is not None and baseline.ordering == candidate.ordering
    if claim is None and baseline and is_comparable and candidate.older_than(baseline.compared):
        shown = label(baseline.version, baseline.compared)
        return f"{shown} is newer and was registered before the rule was known"
    return ""


def superseded_by_registered(
    snapshot: Snapshot, candidate: Candidate, newer: Registration
) -> Settle:
    """Return the step that settles a version because a newer matching one is registered."""
    claim = snapshot.claim or unclaimed(candidate.registration, snapshot.read_at)
    reason = f"version {newer.version} is registered in the workspace and is newer"
    return Settle(claim, Done(Outcome.SUPERSEDED, reason))
