"""The protocol of exactly once: what may be done next, given a claim, the mark and storage's time.

A claim reserves (rule, workspace, model, version). The mark of the same rule, workspace and model
is the newest version claimed, and holds the one start in flight. Both move in one transaction.

    (none) ──take──▶ starting ──▶ started
                        │  ├────▶ failed    (refused: a person must act; tried again with pauses)
                        │  └────▶ waiting   (surely not started: any delivery may take it)
                        │
                        └ lease over: unknown ──take over, look up──▶ started │ waiting │ unknown

Nothing here starts, waits or writes: the next step is a value, decided from values.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from model_trigger.decisions import Outcome
from model_trigger.events import Registration, Workspace
from model_trigger.targets import Release, StartRequest
from model_trigger.versions import Version, VersionError

_LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 20


class State(StrEnum):
    """How far a claim has come."""

    STARTING = "starting"
    STARTED = "started"
    OBSERVED = "observed"
    FAILED = "failed"
    WAITING = "waiting"
    SUPERSEDED = "superseded"
    GIVEN_UP = "given_up"
    CLOSED = "closed"
    UNREADABLE = "unreadable"


OPEN = (State.STARTING, State.WAITING, State.FAILED, State.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Partition:
    """What claims and a mark are about: one rule and one model of one workspace.

    What a rule in mode `observe` would have started lies apart and never touches what is live.
    """

    rule: str
    workspace: Workspace
    model: str
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The ledger's row for one version of one model under one rule. All times are storage's, UTC.

    `lease_until` ends the owner's turn; `post_until` ends the last turn in which a POST may have
    been sent, so that only a look-up well after it may say that there is no release.
    `unreadable` claims nothing: the registration is kept until its rule can be read.
    `second_release` is one that a frozen process started after its lease was over.
    """

    registration: Registration
    state: State
    owner: str
    key: str
    claimed_at: datetime
    lease_until: datetime
    post_until: datetime
    request: StartRequest | None = None
    release: Release | None = None
    reason: str = ""
    attempts: int = 0
    failed_since: datetime | None = None
    not_before: datetime | None = None
    second_release: Release | None = None
    etag: str = ""

    @property
    def version(self) -> str:
        """Azure ML's version, as text."""
        return self.registration.version

    @property
    def is_looked_up(self) -> bool:
        """Whether the owner only looks a release up, and sends no POST under its lease."""
        return self.lease_until != self.post_until


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest version that a rule has claimed for a model, and the start in flight.

    `compared` is the text that was compared (the version itself, or a tag's value), None when no
    claim can be read under the `ordering`. A `baseline` was registered before the rule and is
    claimed by nobody.
    """

    version: str
    compared: str | None
    ordering: str
    baseline: bool = False
    in_flight: str = ""
    in_flight_until: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledger holds of one version, read at one moment of storage's clock."""

    claim: Claim | None
    mark: Mark | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registration that a rule wants, with the version it compares.

    `exclusive` rules (newer, latest) start only what is newer than the mark, one at a time.
    `read` reads a mark's text under the rule's scheme, `compare` what the rule compares of another
    registration; both raise VersionError.
    """

    registration: Registration
    compared: Version
    ordering: str
    exclusive: bool
    read: Callable[[str], Version]
    compare: Callable[[Registration], Version]

    @property
    def version(self) -> str:
        """Azure ML's version, as text."""
        return self.registration.version

    def newer_than(self, mark: Mark | None) -> bool:
        """Tell whether the version is newer than the mark; equal is not newer."""
        if mark is None or mark.compared is None:
            return True
        return self.compared.newer_than(self.read(mark.compared))


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do: this is the answer."""

    outcome: Outcome
    reason: str
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """Someone else's start is in flight: look again shortly, and answer `otherwise` in the end."""

    otherwise: Done


@dataclass(frozen=True, slots=True)
class Held:
    """The claim is this delivery's own: the answer to its write was lost on the way."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Take:
    """The claim may be taken, and the target started."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The outcome of a start is unknown: take the claim over and look the release up."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class Settle:
    """The claim will not be started, or not any more: write that down."""

    claim: Claim
    done: Done


@dataclass(frozen=True, slots=True)
class MakeMarkAnew:
    """The mark was made under another ordering: make it anew from all claims."""

    mark: Mark


Step = Done | Busy | Held | Take | TakeOver | Settle | MakeMarkAnew


def next_step(snapshot: Snapshot, candidate: Candidate, owner: str, *, retry: bool = False) -> Step:
    """Decide what a delivery, named by `owner`, may do next.

    `retry` is for reconcile: a refused start may be tried again once its pause is over.
    """
    claim, now = snapshot.claim, snapshot.read_at
    if claim is None or claim.state is State.UNREADABLE:
        return _claimable(snapshot, candidate)
    if claim.state is State.STARTING:
        if claim.lease_until <= now:
            return TakeOver(claim)
        return Held(claim) if claim.owner == owner else Busy(_being_started())
    if claim.state is State.WAITING or (retry and claim.state is State.FAILED):
        if claim.not_before and now < claim.not_before:
            outcome = Outcome.PENDING if claim.state is State.WAITING else Outcome.FAILED
            return Done(outcome, f"{claim.reason}; not before {claim.not_before:%H:%M:%S} UTC")
        return _claimable(snapshot, candidate)
    return _known(claim)


def _known(claim: Claim) -> Done:
    """Answer for a claim that is over, as far as a delivery is concerned."""
    if claim.state in {State.STARTED, State.OBSERVED}:
        started = "started" if claim.state is State.STARTED else "observed"
        reason = f"this rule has {started} it before, at {claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
        return Done(Outcome.DUPLICATE, reason, claim.release)
    return Done(Outcome(claim.state), claim.reason, claim.release)


def _being_started() -> Done:
    return Done(Outcome.DUPLICATE, "another delivery is starting it right now")


def _claimable(snapshot: Snapshot, candidate: Candidate) -> Step:
    claim, mark, now = snapshot.claim, snapshot.mark, snapshot.read_at
    if mark is None:
        return Take()
    if mark.ordering != candidate.ordering:
        return MakeMarkAnew(mark)
    if not candidate.exclusive:
        return Take()
    holds_mark = mark.version == candidate.version and not mark.baseline
    if not holds_mark and not candidate.newer_than(mark):
        done = Done(Outcome.SUPERSEDED, _superseded_by(mark, candidate))
        return Settle(claim or _unclaimed(candidate.registration, now), done)
    if mark.in_flight not in {"", candidate.version} and _live(mark, now):
        reason = f"version {mark.in_flight} of the model is being started"
        return Busy(Done(Outcome.PENDING, reason))
    return Take()


def superseded_by_registered(
    snapshot: Snapshot, candidate: Candidate, newer: Registration
) -> Settle:
    """Settle a version because a newer one that the rule wants is registered in the workspace."""
    claim = snapshot.claim or _unclaimed(candidate.registration, snapshot.read_at)
    reason = f"version {newer.version} is registered in the workspace, and is newer"
    return Settle(claim, Done(Outcome.SUPERSEDED, reason))


def _superseded_by(mark: Mark, candidate: Candidate) -> str:
    newest = f"version {mark.version}"
    if mark.compared != mark.version:
        newest = f"{newest} ({mark.compared})"
    if mark.baseline:
        return f"{newest} was registered before the rule, and is not older"
    newer = mark.compared and candidate.read(mark.compared).newer_than(candidate.compared)
    return f"{newest} is claimed, and is {'newer' if newer else 'not older'}"


def _live(mark: Mark, now: datetime) -> bool:
    return mark.in_flight_until is not None and mark.in_flight_until > now


@dataclass(frozen=True, slots=True)
class Turn:
    """One delivery's attempt: its own name, the key it would give a new claim, and its lease."""

    owner: str
    key: str
    lease: timedelta


def kept(registration: Registration, reason: str, now: datetime) -> Claim:
    """Keep a registration for a rule that cannot be read: nothing is claimed, no mark moves."""
    return replace(_unclaimed(registration, now), reason=reason, failed_since=now)


def _unclaimed(registration: Registration, now: datetime) -> Claim:
    """Make a row for a registration that nobody has claimed."""
    return Claim(
        registration=registration,
        state=State.UNREADABLE,
        owner="",
        key="",
        claimed_at=now,
        lease_until=now,
        post_until=now,
    )


def _former(snapshot: Snapshot) -> Claim | None:
    """Give the claim that is taken again; what an unreadable rule kept was never claimed."""
    claim = snapshot.claim
    return None if claim is None or claim.state is State.UNREADABLE else claim


def key_for(snapshot: Snapshot, turn: Turn) -> str:
    """Give the key of the release: a claim that is taken again keeps its own."""
    former = _former(snapshot)
    return former.key if former else turn.key


def take(
    snapshot: Snapshot, candidate: Candidate, turn: Turn, request: StartRequest | None
) -> tuple[Claim, Mark | None]:
    """Make the claim to write, and the mark when it moves; the lease begins at the reading."""
    until = snapshot.read_at + turn.lease
    former = _former(snapshot)
    claim = Claim(
        registration=candidate.registration,
        state=State.STARTING,
        owner=turn.owner,
        key=key_for(snapshot, turn),
        claimed_at=former.claimed_at if former else snapshot.read_at,
        lease_until=until,
        post_until=until,
        request=request,
        attempts=(former.attempts if former else 0) + 1,
        failed_since=former.failed_since if former else None,
        etag=snapshot.claim.etag if snapshot.claim else "",
    )
    return claim, _moved(snapshot.mark, candidate, until)


def _moved(mark: Mark | None, candidate: Candidate, until: datetime) -> Mark | None:
    """Move the mark to the candidate where it is newer, and take the slot where one is needed."""
    moved = mark
    if mark is None or candidate.newer_than(mark):
        moved = Mark(
            candidate.version,
            candidate.compared.text,
            candidate.ordering,
            in_flight=mark.in_flight if mark else "",
            in_flight_until=mark.in_flight_until if mark else None,
            etag=mark.etag if mark else "",
        )
    if moved and candidate.exclusive:
        moved = replace(moved, in_flight=candidate.version, in_flight_until=until)
    return None if moved is mark else moved


def mark_anew(mark: Mark, claims: Iterable[Claim], candidate: Candidate) -> Mark:
    """Make a mark under the candidate's ordering: the newest of all claims that it can read."""
    newest: tuple[Version, str] | None = None
    for claim in claims:
        compared = _compared(claim, candidate)
        if compared and (newest is None or compared.newer_than(newest[0])):
            newest = (compared, claim.version)
    return replace(
        mark,
        version=newest[1] if newest else mark.version,
        compared=newest[0].text if newest else None,
        ordering=candidate.ordering,
        baseline=False,
    )


def _compared(claim: Claim, candidate: Candidate) -> Version | None:
    if claim.state is State.UNREADABLE:
        return None
    try:
        return candidate.compare(claim.registration)
    except VersionError:
        return None


def started(claim: Claim, release: Release) -> Claim:
    """Complete a claim: the release exists."""
    return replace(claim, state=State.STARTED, release=release, reason="", not_before=None)


def observed(claim: Claim) -> Claim:
    """Complete a claim in mode `observe`: it would have been started."""
    return replace(claim, state=State.OBSERVED, reason="", not_before=None)


def refused(claim: Claim, reason: str, now: datetime, pause: timedelta) -> Claim:
    """Keep a claim whose start was refused; it is tried again after a pause that grows."""
    grown = pause * 2 ** min(claim.attempts - 1, _MOST_DOUBLINGS)
    return replace(
        claim,
        state=State.FAILED,
        reason=reason,
        failed_since=claim.failed_since or now,
        not_before=now + min(grown, max(pause, _LONGEST_PAUSE)),
    )


def not_started(claim: Claim, reason: str, not_before: datetime | None = None) -> Claim:
    """Let go of a claim: surely nothing was started, and any delivery may take it."""
    return replace(claim, state=State.WAITING, reason=reason, not_before=not_before)


def unknown(claim: Claim, reason: str, now: datetime) -> Claim:
    """Let go of a claim whose outcome is unknown, so that the next delivery may look it up."""
    return replace(claim, reason=reason, lease_until=now)


def taken_over(claim: Claim, turn: Turn, now: datetime) -> Claim:
    """Take over a claim in order to look its release up; no POST is sent under this lease."""
    return replace(claim, owner=turn.owner, lease_until=now + turn.lease)


def settled(claim: Claim, done: Done) -> Claim:
    """Close a claim that will not be started any more."""
    return replace(claim, state=State(done.outcome), reason=done.reason, not_before=None)


def may_say_not_there(claim: Claim, looked_up_at: datetime, list_lag: timedelta) -> bool:
    """Tell whether a look-up begun at this time proves that there is no release.

    Azure DevOps documents no bound on how long a list lags behind, so a POST that may have been
    sent at the end of its lease is given `list_lag` more to appear.
    """
    return looked_up_at > claim.post_until + list_lag


def without_slot(mark: Mark | None, version: str) -> Mark | None:
    """Free the slot when this version holds it; None when there is nothing to write."""
    if mark is None or mark.in_flight != version:
        return None
    return replace(mark, in_flight="", in_flight_until=None)


def after_conflict(current: Claim | None, completed: Claim) -> Claim | None:
    """Give what to write when the claim has changed before it could be completed.

    None when there is nothing to write: others go on with it, or it is written already. A release
    of ours is never passed over: where another has started one meanwhile, it is the second.
    """
    if current is None:
        return None
    if current.owner == completed.owner and current.state is State.STARTING:
        second = current.second_release
        return replace(completed, etag=current.etag, second_release=second)
    ours = completed.release
    if ours is None or ours in {current.release, current.second_release}:
        return None
    is_being_started = current.state is State.STARTING and not current.is_looked_up
    if current.state is State.STARTED or is_being_started:
        return replace(current, second_release=ours)
    return replace(completed, etag=current.etag)
