"""Transitions of claims and marks: each function returns the row to write next."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from model_trigger.claims.claim import (
    Baseline,
    Candidate,
    Claim,
    Done,
    Mark,
    Snapshot,
    State,
    unclaimed,
)
from model_trigger.decisions.decision import Outcome
from model_trigger.matching.versions import Version, VersionError
from model_trigger.registrations.registration import Registration
from model_trigger.targets.request import (
    NotStarted,
    Refused,
    Release,
    Started,
    StartRequest,
    StartResult,
    Unknown,
)

_LONGEST_PAUSE = timedelta(hours=1)
_MAX_DOUBLINGS = 20
# Claims in these states supersede nothing: they were never started.
_NEVER_STARTED = (State.KEPT, State.SUPERSEDED, State.CLOSED)
# The state of a claim once it is decided that it will not be started.
_SETTLED = {
    Outcome.SUPERSEDED: State.SUPERSEDED,
    Outcome.GIVEN_UP: State.GIVEN_UP,
    Outcome.CLOSED: State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt at one claim: its name (`owner`), the key for a new claim, and its lease.

    `began` is when it began, before the read that led to it, in seconds of the deadline's clock.
    The POST may be sent only in the first half of the lease, counted from there.
    """

    owner: str
    key: str
    lease: timedelta
    began: float

    def post_until(self) -> float:
        """Return the latest time at which the POST may be sent, in seconds of the same clock."""
        return self.began + self.lease.total_seconds() / 2


def kept(registration: Registration, reason: str, now: datetime) -> Claim:
    """Return the row that keeps a registration for a broken rule; no mark moves."""
    return replace(unclaimed(registration, now), reason=reason, failed_since=now)


def key_for(snapshot: Snapshot, turn: Turn) -> str:
    """Return the key for the release: the claim's own if it is taken again, else the turn's."""
    former = snapshot.former
    return former.key if former else turn.key


def take(
    snapshot: Snapshot, candidate: Candidate, turn: Turn, request: StartRequest | None
) -> tuple[Claim, Mark | None]:
    """Return the claim to write, and the mark if it changes; the lease begins at `read_at`.

    An exclusive candidate also takes the slot.
    """
    until = snapshot.read_at + turn.lease
    former = snapshot.former
    claim = Claim(
        registration=candidate.registration,
        state=State.STARTING,
        owner=turn.owner,
        key=key_for(snapshot, turn),
        claimed_at=former.claimed_at if former else snapshot.read_at,
        lease_until=until,
        tried_at=snapshot.read_at,
        request=request,
        attempts=(former.attempts if former else 0) + 1,
        failed_since=former.failed_since if former else None,
        second_release=former.second_release if former else None,
        was_absent=former.was_absent if former else False,
        etag=snapshot.claim.etag if snapshot.claim else "",
    )
    mark = _moved(snapshot.mark, candidate)
    if mark and candidate.exclusive:
        mark = replace(mark, in_flight=candidate.version, in_flight_until=until)
    return claim, None if mark is snapshot.mark else mark


def take_unstarted(
    snapshot: Snapshot, candidate: Candidate, turn: Turn
) -> tuple[Claim, Mark | None]:
    """Return a claim under which no POST will be sent, and the mark if it moves.

    The slot is not taken.
    """
    claim, _ = take(snapshot, candidate, turn, None)
    mark = _moved(snapshot.mark, candidate)
    return claim, None if mark is snapshot.mark else mark


def _moved(mark: Mark | None, candidate: Candidate) -> Mark | None:
    """Return the mark, moved to the candidate if that is newer; the baseline stays."""
    if mark and not candidate.newer_than(mark):
        return mark
    return replace(
        mark or Mark("", None, ""),
        version=candidate.version,
        compared=candidate.compared.text,
        ordering=candidate.ordering,
    )


def remade_mark(mark: Mark, claims: Iterable[Claim], candidate: Candidate) -> Mark:
    """Return the mark under the candidate's ordering: the newest claim that it can parse."""
    newest: tuple[Version, str] | None = None
    for claim in claims:
        if claim.state in _NEVER_STARTED:
            continue
        try:
            compared = candidate.read_other(claim.registration)
        except VersionError:
            continue
        if newest is None or compared.newer_than(newest[0]):
            newest = (compared, claim.version)
    return replace(
        mark,
        version=newest[1] if newest else "",
        compared=newest[0].text if newest else None,
        ordering=candidate.ordering,
    )


def with_baseline(mark: Mark | None, baseline: Baseline) -> Mark | None:
    """Return the mark with this baseline; None if there is nothing to write."""
    if mark and mark.baseline == baseline:
        return None
    return replace(mark or Mark("", None, baseline.ordering), baseline=baseline)


def started(claim: Claim, release: Release) -> Claim:
    """Complete a claim: the release exists."""
    return replace(claim, state=State.STARTED, release=release, reason="", not_before=None)


def observed(claim: Claim) -> Claim:
    """Complete a claim in mode `observe`: its target would have been started."""
    return replace(claim, state=State.OBSERVED, reason="", not_before=None)


def refused(claim: Claim, reason: str, now: datetime, pause: timedelta) -> Claim:
    """Record a refused start; reconcile retries it after a growing pause."""
    grown = pause * 2 ** min(claim.attempts - 1, _MAX_DOUBLINGS)
    return replace(
        claim,
        state=State.FAILED,
        reason=reason,
        failed_since=claim.failed_since or now,
        not_before=now + min(grown, max(pause, _LONGEST_PAUSE)),
    )


def not_started(claim: Claim, reason: str, not_before: datetime | None = None) -> Claim:
    """Release a claim: nothing was started, so any delivery may retry it."""
    return replace(claim, state=State.WAITING, reason=reason, not_before=not_before)


def unknown(claim: Claim, reason: str, now: datetime) -> Claim:
    """Release a claim whose outcome is unknown: it may only be looked up."""
    return replace(claim, state=State.UNKNOWN, reason=reason, tried_at=now)


def ended(
    claim: Claim, result: StartResult | None, now: datetime, pause: timedelta
) -> tuple[Claim, Done]:
    """Return the claim after its start, and the result of the attempt.

    `result` is None in mode `observe`; `pause` is the first one after a refusal.
    """
    match result:
        case None:
            return observed(claim), Done(Outcome.OBSERVED, "")
        case Started(release):
            return started(claim, release), Done(Outcome.STARTED, "", release)
        case Refused(reason):
            return refused(claim, reason, now, pause), Done(Outcome.FAILED, reason)
        case NotStarted(reason, seconds, answered):
            not_before = now + timedelta(seconds=seconds) if seconds else None
            completed = not_started(claim, reason, not_before)
        case Unknown(reason, answered):
            completed = unknown(claim, reason, now)
    unanswered = "" if answered else claim.organization
    return completed, Done(Outcome.PENDING, reason, unanswered=unanswered)


def settled(claim: Claim, done: Done) -> Claim:
    """Return the claim in its final state: it will not be started."""
    return replace(claim, state=_SETTLED[done.outcome], reason=done.reason, not_before=None)


def without_slot(mark: Mark | None, version: str) -> Mark | None:
    """Return the mark with its slot freed; None if this version does not hold the slot."""
    if mark is None or mark.in_flight != version:
        return None
    return replace(mark, in_flight="", in_flight_until=None)


def after_conflict(current: Claim | None, completed: Claim) -> Claim | None:
    """Return the claim to write if it changed before it could be completed.

    None if there is nothing to write: another process continues with it, or the result is already
    written. Our release is never dropped: if another process also started one, ours is the second.
    """
    if current is None:
        return None
    if current.owner == completed.owner and current.state is State.STARTING:
        # A frozen process may have recorded its release: it is the second, unless ours failed.
        another, ours = current.second_release, replace(completed, etag=current.etag)
        if another and completed.state in {State.WAITING, State.FAILED}:
            return started(ours, another)
        return replace(ours, second_release=another)
    release = completed.release
    is_known = release in {current.release, current.second_release}
    has_started = current.state in {State.STARTED, State.STARTING}
    is_of_later_turn = current.state is State.UNKNOWN and current.owner != completed.owner
    is_full = (has_started or is_of_later_turn) and current.second_release
    if release is None or is_known or is_full:
        return None
    if has_started or is_of_later_turn:
        # The POST of a later turn may have started another release, which is still looked up.
        return replace(current, second_release=release)
    return replace(
        completed,
        second_release=completed.second_release or current.second_release,
        etag=current.etag,
    )
