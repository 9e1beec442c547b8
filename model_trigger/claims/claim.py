"""The rows of the exactly-once protocol as values: claims, marks, and what is read of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from model_trigger.decisions.decision import Outcome
from model_trigger.matching.versions import Version, parse_version
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.fields import Start
from model_trigger.rules.rule import Evaluation
from model_trigger.targets.request import Release, StartRequest

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

    def is_held_by_another(self, version: str, now: datetime) -> bool:
        """Whether the start of another version is in flight."""
        if self.in_flight in {"", version} or self.in_flight_until is None:
            return False
        return not is_over(self.in_flight_until, now)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledger holds of one version, read at one moment of the storage clock."""

    claim: Claim | None
    mark: Mark | None
    read_at: datetime

    @property
    def former(self) -> Claim | None:
        """The claim that is taken again; what was kept for a broken rule was never claimed."""
        return None if self.claim is None or self.claim.state is State.KEPT else self.claim


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registration that a rule wants, with the version it compares.

    `exclusive` rules (newer, latest) start only what is newer than the mark, one at a time.
    `read` reads a mark's text under the rule's scheme, and `read_other` the version that the rule
    compares of another registration; both raise VersionError.
    """

    registration: Registration
    compared: Version
    ordering: str
    exclusive: bool
    read: Callable[[str], Version]
    read_other: Callable[[Registration], Version]

    @classmethod
    def of(cls, evaluation: Evaluation, registration: Registration) -> "Candidate":
        """Return the candidate of a rule that matched."""
        rule = evaluation.rule
        return cls(
            registration=registration,
            compared=evaluation.version or rule.read_version(registration),
            ordering=rule.ordering,
            exclusive=rule.start is not Start.EVERY,
            read=partial(parse_version, scheme=rule.fields.scheme),
            read_other=rule.read_version,
        )

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


def label(version: str, compared: str | None) -> str:
    """Return how a version is named, with the tag's value where that is compared in its place."""
    return f"version {version}" if compared == version else f"version {version} ({compared})"


def unclaimed(registration: Registration, now: datetime) -> Claim:
    """Return the row of a registration that nobody has claimed."""
    return Claim(
        registration=registration,
        state=State.KEPT,
        owner="",
        key="",
        claimed_at=now,
        lease_until=now,
        tried_at=now,
    )
