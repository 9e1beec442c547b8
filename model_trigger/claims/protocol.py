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

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from model_trigger.decisions.decision import Outcome
from model_trigger.matching.versions import Version, VersionError
from model_trigger.registrations.event_grid import Registration, Workspace
from model_trigger.targets.request import Absent, Candidates, Found, Release, Sighting, StartRequest

_LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 20
# The storage clock shows whole seconds, rounded down: a moment it shows may be a second older.
_CLOCK_STEP = timedelta(seconds=1)


class State(StrEnum):
    """How far a claim has come.

    `kept`: its rule is broken; `waiting`: nothing was started; `starting`: its owner alone may
    POST; `unknown`: a POST may have been sent, so that it is only looked up; `failed`: refused, and
    retried by reconcile. The others are final.
    """

    KEPT = "kept"
    WAITING = "waiting"
    STARTING = "starting"
    UNKNOWN = "unknown"
    FAILED = "failed"
    STARTED = "started"
    OBSERVED = "observed"
    SUPERSEDED = "superseded"
    GIVEN_UP = "given_up"
    CLOSED = "closed"


OPEN = (State.KEPT, State.WAITING, State.STARTING, State.UNKNOWN, State.FAILED)

# What supersedes nothing: it was not started, and will not be.
_NEVER_STARTED = (State.KEPT, State.SUPERSEDED, State.CLOSED)
# What may have started something that the ledger does not know.
_MAY_HAVE_STARTED = (State.STARTING, State.UNKNOWN, State.GIVEN_UP)

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
# What a claim is once it is decided that it will not be started.
_SETTLED = {
    Outcome.SUPERSEDED: State.SUPERSEDED,
    Outcome.GIVEN_UP: State.GIVEN_UP,
    Outcome.CLOSED: State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class Partition:
    """The scope of a mark and its claims: one rule and one model of one workspace.

    What a rule in mode `observe` would have started lies apart and never touches what is live.
    """

    rule: str
    workspace: Workspace
    model: str
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The ledger's row for one version of one model under one rule. All times are storage's, UTC.

    `lease_until` ends the last turn in which a POST may have been sent, so that only a look-up well
    after it may prove that there is no release. `tried_at` is when it was last worked on, and
    `absent_since` since when its rule has been absent. `second_release` is one that a frozen
    process started after its lease was over.
    """

    registration: Registration
    state: State
    owner: str
    key: str
    claimed_at: datetime
    lease_until: datetime
    tried_at: datetime
    request: StartRequest | None = None
    release: Release | None = None
    reason: str = ""
    attempts: int = 0
    failed_since: datetime | None = None
    not_before: datetime | None = None
    absent_since: datetime | None = None
    second_release: Release | None = None
    etag: str = ""

    @property
    def version(self) -> str:
        """Azure ML's version, as text."""
        return self.registration.version

    @property
    def organization(self) -> str:
        """The organization that a start of the claim asks; empty where none was asked yet."""
        return self.request.organization_url if self.request else ""

    def standing(self, now: datetime) -> State:
        """Return the state as it stands now: a start whose lease is over has an unknown outcome."""
        if self.state is State.STARTING and is_over(self.lease_until, now):
            return State.UNKNOWN
        return self.state


def is_over(until: datetime, now: datetime) -> bool:
    """Whether a moment has passed for certain, by a clock that shows whole seconds."""
    return until + _CLOCK_STEP <= now


@dataclass(frozen=True, slots=True)
class Baseline:
    """The newest version that was registered before the rule was known; nobody claimed it."""

    version: str
    compared: str
    ordering: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest version that a rule has claimed for a model, and the start in flight.

    `compared` is the text that was compared (the version itself, or a tag's value), None when no
    claim can be read under the `ordering`, or there is none and `version` is empty.
    """

    version: str
    compared: str | None
    ordering: str
    baseline: Baseline | None = None
    in_flight: str = ""
    in_flight_until: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledger holds of one version, read at one moment of the storage clock."""

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
        """Whether the version is newer than the mark; equal is not newer."""
        if mark is None or mark.compared is None:
            return True
        return self.compared.newer_than(self.read(mark.compared))

    def older_than(self, compared: str | None) -> bool:
        """Whether what a mark compared is newer than the version; equal is not older."""
        return compared is not None and self.read(compared).newer_than(self.compared)


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do: this is the answer.

    `unanswered` is the organization or the workspace that did not answer, if that is why.
    """

    outcome: Outcome
    reason: str
    release: Release | None = None
    unanswered: str = ""


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
        return _paused(claim, now) or _claimable(snapshot, candidate)
    return _known(claim)


def _paused(claim: Claim, now: datetime) -> Done | None:
    """Answer for a claim that may not be retried yet; None when it may."""
    if claim.not_before is None or claim.not_before <= now:
        return None
    reason = f"{claim.reason}; not before {claim.not_before:%H:%M:%S} UTC"
    return Done(_ANSWERS[claim.state], reason)


def _known(claim: Claim) -> Done:
    """Answer for a claim that is final, as far as a delivery is concerned."""
    if claim.state in {State.STARTED, State.OBSERVED}:
        started = "started" if claim.state is State.STARTED else "observed"
        reason = f"this rule has {started} it before, at {claim.claimed_at:%Y-%m-%d %H:%M:%S} UTC"
        return Done(Outcome.DUPLICATE, reason, claim.release)
    return Done(_ANSWERS[claim.state], claim.reason, claim.release)


def _claimable(snapshot: Snapshot, candidate: Candidate) -> Step:
    claim, mark, now = snapshot.claim, snapshot.mark, snapshot.read_at
    if mark is None:
        return Take()
    if mark.ordering != candidate.ordering:
        return RemakeMark(mark)
    if not candidate.exclusive:
        return Take()
    reason = _superseded_by(claim, mark, candidate)
    if reason:
        done = Done(Outcome.SUPERSEDED, reason)
        return Settle(claim or _unclaimed(candidate.registration, now), done)
    if mark.in_flight not in {"", candidate.version} and _is_live(mark, now):
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
        shown = _shown(mark.version, mark.compared)
        return f"{shown} is claimed, and is {'newer' if is_older else 'not older'}"
    is_comparable = baseline is not None and baseline.ordering == candidate.ordering
    if claim is None and baseline and is_comparable and candidate.older_than(baseline.compared):
        shown = _shown(baseline.version, baseline.compared)
        return f"{shown} was registered before the rule, and is newer"
    return ""


def _shown(version: str, compared: str | None) -> str:
    return f"version {version}" if compared == version else f"version {version} ({compared})"


def superseded_by_registered(
    snapshot: Snapshot, candidate: Candidate, newer: Registration
) -> Settle:
    """Settle a version because a newer one that the rule wants is registered in the workspace."""
    claim = snapshot.claim or _unclaimed(candidate.registration, snapshot.read_at)
    reason = f"version {newer.version} is registered in the workspace, and is newer"
    return Settle(claim, Done(Outcome.SUPERSEDED, reason))


def _is_live(mark: Mark, now: datetime) -> bool:
    return mark.in_flight_until is not None and not is_over(mark.in_flight_until, now)


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt at one claim: its own name, the key it would use for a new claim, and its lease.

    `began` is when it began, before the reading that led to it, in seconds of the deadline's clock:
    a POST is only sent in the first half of the lease, counted from there.
    """

    owner: str
    key: str
    lease: timedelta
    began: float

    def post_until(self) -> float:
        """Return the last moment at which a POST may be sent, in seconds of the same clock."""
        return self.began + self.lease.total_seconds() / 2


def kept(registration: Registration, reason: str, now: datetime) -> Claim:
    """Keep a registration for a broken rule: nothing is claimed, no mark moves."""
    return replace(_unclaimed(registration, now), reason=reason, failed_since=now)


def _unclaimed(registration: Registration, now: datetime) -> Claim:
    """Make a row for a registration that nobody has claimed."""
    return Claim(
        registration=registration,
        state=State.KEPT,
        owner="",
        key="",
        claimed_at=now,
        lease_until=now,
        tried_at=now,
    )


def _former(snapshot: Snapshot) -> Claim | None:
    """Return the claim that is taken again; what was kept for a broken rule was never claimed."""
    claim = snapshot.claim
    return None if claim is None or claim.state is State.KEPT else claim


def key_for(snapshot: Snapshot, turn: Turn) -> str:
    """Return the key of the release: a claim that is taken again keeps its own."""
    former = _former(snapshot)
    return former.key if former else turn.key


def take(
    snapshot: Snapshot, candidate: Candidate, turn: Turn, request: StartRequest | None
) -> tuple[Claim, Mark | None]:
    """Make the claim to write, and the mark when it moves; the lease begins at the reading.

    An exclusive candidate also takes the slot.
    """
    until = snapshot.read_at + turn.lease
    former = _former(snapshot)
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
        etag=snapshot.claim.etag if snapshot.claim else "",
    )
    mark = _moved(snapshot.mark, candidate)
    if mark and candidate.exclusive:
        mark = replace(mark, in_flight=candidate.version, in_flight_until=until)
    return claim, None if mark is snapshot.mark else mark


def take_unstarted(
    snapshot: Snapshot, candidate: Candidate, turn: Turn
) -> tuple[Claim, Mark | None]:
    """Make a claim under which no POST will be sent, and the mark when it moves.

    The slot stays with whoever holds it.
    """
    claim, _ = take(snapshot, candidate, turn, None)
    mark = _moved(snapshot.mark, candidate)
    return claim, None if mark is snapshot.mark else mark


def _moved(mark: Mark | None, candidate: Candidate) -> Mark | None:
    """Move the mark to the candidate where it is newer; the baseline stays."""
    if mark and not candidate.newer_than(mark):
        return mark
    return replace(
        mark or Mark("", None, ""),
        version=candidate.version,
        compared=candidate.compared.text,
        ordering=candidate.ordering,
    )


def remade_mark(mark: Mark, claims: Iterable[Claim], candidate: Candidate) -> Mark:
    """Make a mark under the candidate's ordering: the newest of all claims that it can read."""
    newest: tuple[Version, str] | None = None
    for claim in claims:
        compared = _compared(claim, candidate)
        if compared and (newest is None or compared.newer_than(newest[0])):
            newest = (compared, claim.version)
    return replace(
        mark,
        version=newest[1] if newest else "",
        compared=newest[0].text if newest else None,
        ordering=candidate.ordering,
    )


def with_baseline(mark: Mark | None, baseline: Baseline) -> Mark | None:
    """Return a mark with this baseline; None when there is nothing to write."""
    if mark and mark.baseline == baseline:
        return None
    return replace(mark or Mark("", None, baseline.ordering), baseline=baseline)


def _compared(claim: Claim, candidate: Candidate) -> Version | None:
    if claim.state in _NEVER_STARTED:
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
    """Keep a claim whose start was refused; it is retried after a pause that grows."""
    grown = pause * 2 ** min(claim.attempts - 1, _MOST_DOUBLINGS)
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


def settled(claim: Claim, done: Done) -> Claim:
    """Close a claim that will not be started any more."""
    return replace(claim, state=_SETTLED[done.outcome], reason=done.reason, not_before=None)


@dataclass(frozen=True, slots=True)
class CouldNotTell:
    """A look-up proved neither that there is a release nor that there is none."""

    reason: str


def may_prove_absence(claim: Claim, looked_up_at: datetime, list_lag: timedelta) -> bool:
    """Whether a look-up that begins at this time may prove that there is no release.

    Azure DevOps documents no bound on how long a list lags behind, so a POST that may have been
    sent at the end of its lease is granted `list_lag` more to appear.
    """
    return is_over(claim.lease_until + list_lag, looked_up_at)


def resolve(
    sighting: Sighting, request: StartRequest, others: Iterable[Claim]
) -> Found | Absent | CouldNotTell:
    """Decide what became of a request, given what a look-up saw and all other claims.

    `others` are read after the list was, so that whoever started a run in it is among them. A run
    without a key that another claim holds, or may hold, is never taken for this one's.
    """
    if not isinstance(sighting, Candidates):
        return sighting
    claims = list(others)
    held = {one.id for claim in claims for one in (claim.release, claim.second_release) if one}
    fitting = [run for run in sighting.fitting if run.id not in held]
    silent = [run for run in sighting.silent if run.id not in held]
    if not fitting and not silent:
        return Absent()
    links = ", ".join(run.url for run in (*fitting, *silent))
    rival = next((claim for claim in claims if _may_have_started_the_same(claim, request)), None)
    if rival:
        what = f"{rival.registration.model} {rival.version}"
        return CouldNotTell(f"another start of {what} sent the same, and either may have: {links}")
    if silent:
        return CouldNotTell(f"whether it is one of these cannot be read: {links}")
    if len(fitting) > 1:
        return CouldNotTell(
            f"{len(fitting)} runs were given the same, and one of them may be it: {links}. Delete "
            "those that are too many, or forget the claim; declare the parameter modelTriggerKey "
            "in the pipeline, and runs can be distinguished"
        )
    return Found(fitting[0])


def _may_have_started_the_same(claim: Claim, request: StartRequest) -> bool:
    if claim.state not in _MAY_HAVE_STARTED or claim.release or claim.request is None:
        return False
    return request.may_be_mistaken_for(claim.request)


def without_slot(mark: Mark | None, version: str) -> Mark | None:
    """Free the slot when this version holds it; None when there is nothing to write."""
    if mark is None or mark.in_flight != version:
        return None
    return replace(mark, in_flight="", in_flight_until=None)


def after_conflict(current: Claim | None, completed: Claim) -> Claim | None:
    """Return what to write when the claim has changed before it could be completed.

    None when there is nothing to write: others go on with it, or it is written already. A release
    of ours is never passed over: where another has started one meanwhile, it is the second.
    """
    if current is None:
        return None
    if current.owner == completed.owner and current.state is State.STARTING:
        return _with_release_of_another(replace(completed, etag=current.etag), current)
    ours = completed.release
    if ours is None or ours in {current.release, current.second_release}:
        return None
    if current.state in {State.STARTED, State.STARTING}:
        return replace(current, second_release=ours)
    return replace(completed, etag=current.etag)


def _with_release_of_another(completed: Claim, current: Claim) -> Claim:
    """Complete a claim to which a frozen process has added its own release meanwhile.

    It is the second one, unless this start has come to nothing.
    """
    another = current.second_release
    if another and completed.state in {State.WAITING, State.FAILED}:
        return started(completed, another)
    return replace(completed, second_release=another)


def sighted(claim: Claim, found: Found) -> Claim:
    """Complete a claim: its release was found, perhaps with a second one."""
    others = (found.second, claim.second_release)
    second = next((one for one in others if one and one != found.release), None)
    return replace(started(claim, found.release), second_release=second)


def after_sighting(current: Claim | None, sought: Claim, found: Found) -> Claim | None:
    """Return what to write when a claim has changed while its release was found.

    None when there is nothing to write: all is recorded, or a later turn than that of the claim
    that was `sought` is starting it, so that the release may be its own. One that is not the
    recorded one is the second.
    """
    if current is None:
        return None
    if current.release is None:
        if current.state is State.STARTING and current.owner != sought.owner:
            return None
        # Given up after a refusal, it has lost its request, by which its run is known as taken.
        return sighted(replace(current, request=current.request or sought.request), found)
    known = {current.release, current.second_release, None}
    second = next((one for one in (found.release, found.second) if one not in known), None)
    if second is None or current.second_release:
        return None
    return replace(current, second_release=second)
