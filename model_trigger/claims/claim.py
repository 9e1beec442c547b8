"""Values of the exactly-once protocol: claims, marks, and snapshots of both."""

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

# The storage clock rounds down to whole seconds, so the actual time may be up to a second later.
_CLOCK_STEP = timedelta(seconds=1)


class State(StrEnum):
    """The state of a claim.

    `kept`: its rule is broken; `waiting`: nothing was started; `starting`: only its owner may POST;
    `unknown`: a POST may have been sent, so it may only be looked up; `failed`: refused, and
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

    Claims of a rule in mode `observe` have a separate partition and never affect live ones.
    """

    rule: str
    workspace: Workspace
    model: str
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The ledger's row for one version of one model under one rule. Times are storage time, UTC.

    `lease_until` ends the last turn in which a POST may have been sent; only a lookup well after it
    can prove that there is no release. `tried_at` is when the claim was last processed,
    `absent_since` when its rule was first found absent. `second_release` was started by a process
    that froze until its lease was over. `was_absent` is whether a lookup once proved that a turn
    had started nothing: its process, if it froze, may still start a release with the same key.
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
    was_absent: bool = False
    etag: str = ""

    @property
    def version(self) -> str:
        """The Azure ML version, as text."""
        return self.registration.version

    @property
    def organization(self) -> str:
        """The URL of the organization that the start calls; "" if no request was prepared."""
        return self.request.organization_url if self.request else ""

    def standing(self, now: datetime) -> State:
        """Return the state at this time: once its lease is over, a start is `unknown`."""
        if self.state is State.STARTING and is_over(self.lease_until, now):
            return State.UNKNOWN
        return self.state


def is_over(until: datetime, now: datetime) -> bool:
    """Whether a time has certainly passed, given a clock that rounds down to whole seconds."""
    return until + _CLOCK_STEP <= now


@dataclass(frozen=True, slots=True)
class Baseline:
    """The newest version that was registered before the rule was known; it is not claimed."""

    version: str
    compared: str
    ordering: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest version that a rule has claimed for a model, and the start in flight.

    `compared` is the text that was compared: the version itself, or the value of a tag. It is None,
    and `version` is empty, when there is no claim whose version can be parsed under `ordering`.
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
    """The claim of one version and the mark, read at `read_at` in storage time."""

    claim: Claim | None
    mark: Mark | None
    read_at: datetime

    @property
    def former(self) -> Claim | None:
        """The claim to take again; None if the version was never claimed, or only kept."""
        return None if self.claim is None or self.claim.state is State.KEPT else self.claim


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registration that a rule matches, with the version that the rule compares.

    `exclusive` rules (newer, latest) start only versions newer than the mark, one at a time.
    `read` parses the text of a mark under the rule's scheme, and `read_other` the version that the
    rule compares of another registration; both raise VersionError.
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
        """The Azure ML version, as text."""
        return self.registration.version

    def newer_than(self, mark: Mark | None) -> bool:
        """Whether the version is strictly newer than the mark."""
        if mark is None or mark.compared is None:
            return True
        return self.compared.newer_than(self.read(mark.compared))

    def older_than(self, compared: str | None) -> bool:
        """Whether the version is strictly older than the one that a mark compared."""
        return compared is not None and self.read(compared).newer_than(self.compared)


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an attempt that needs no further step.

    `unanswered` is the organization or workspace that did not respond, if that is the reason.
    """

    outcome: Outcome
    reason: str
    release: Release | None = None
    unanswered: str = ""


def label(version: str, compared: str | None) -> str:
    """Return how to show a version: with the compared text if that comes from a tag."""
    return f"version {version}" if compared == version else f"version {version} ({compared})"


def unclaimed(registration: Registration, now: datetime) -> Claim:
    """Return a row, in state `kept`, for a registration that is not claimed."""
    return Claim(
        registration=registration,
        state=State.KEPT,
        owner="",
        key="",
        claimed_at=now,
        lease_until=now,
        tried_at=now,
    )
