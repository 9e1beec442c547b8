"""What a target is asked to start, and what it may answer: values shared by core and adapters."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from model_trigger.deadline import Deadline
from model_trigger.targets.hosts import organization_of


class TargetError(ValueError):
    """The target cannot be started as the rule says; a person must change one of the two."""


class AzureDevOpsError(Exception):
    """Azure DevOps could not be asked just now; it may pass.

    `answered` is whether the organization answered at all.
    """

    def __init__(self, message: str = "", *, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """Where a target is: `definition` is its id or its name, which may stand after its folder.

    `kind` is a name of KINDS. `branch` is the one whose YAML a pipeline runs; None for the
    pipeline's default branch.
    """

    kind: str
    organization_url: str
    project: str
    definition: int | str
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known of a target before it is started; a kind of target adds what it reads."""

    id: int
    name: str

    def doubled(self, concerns: Callable[[str], bool] = lambda _: True) -> str:  # noqa: ARG002
        """Return the warning that it also starts on its own, or "" when it does not.

        `concerns` is whether a model matters; by default every model does.
        """
        return ""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One POST, complete: a look-up after an unknown outcome uses it, never the present rule.

    `kind` is a name of KINDS.
    """

    kind: str
    organization_url: str
    project: str
    definition: int
    body: Mapping[str, Any]

    @property
    def target(self) -> tuple[str, str, int]:
        """What it starts, however the rule spells it: an id is unique within an organization."""
        return self.kind, organization_key(self.organization_url), self.definition

    def to_json(self) -> str:
        """Write the request as JSON text, as the ledger keeps it."""
        return json.dumps(
            {
                "kind": self.kind,
                "organization_url": self.organization_url,
                "project": self.project,
                "definition": self.definition,
                "body": self.body,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "StartRequest":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Release:
    """A started release or run: its id and the address of its page."""

    id: int
    url: str


@dataclass(frozen=True, slots=True)
class Started:
    """The release exists."""

    release: Release


@dataclass(frozen=True, slots=True)
class Refused:
    """Azure DevOps refused, so nothing was started; a person must act.

    Where it refused because of the parameter for our key, nobody has to act: `corrected` is the
    request with or without it, which may be sent in its place.
    """

    reason: str
    corrected: StartRequest | None = None


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Nothing was started, for certain; it may be retried after `retry_after` seconds.

    `answered` is whether the organization answered at all.
    """

    reason: str
    retry_after: float = 0
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """The release may or may not have been started: it must be looked up.

    `answered` is whether the organization answered at all.
    """

    reason: str
    answered: bool = True


StartResult = Started | Refused | NotStarted | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The release that a POST started, identified by its key.

    `second` is another one with the same key: a process that was frozen meanwhile has started it.
    """

    release: Release
    second: Release | None = None

    @classmethod
    def of(cls, releases: Sequence[Release]) -> "Found":
        """Return what was found, given all that have the key: at least one."""
        return cls(*releases[:2])


@dataclass(frozen=True, slots=True)
class Absent:
    """Proof, as far as the list goes: it was read to its last page, and nothing in it can be it."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Runs without a key of ours, one of which may be the one in question.

    `fitting` were given what the request sends; `silent` do not say what they were given, neither
    in the list nor by themselves, so as long as nobody else claims them they may be it too.
    """

    fitting: tuple[Release, ...]
    silent: tuple[Release, ...] = ()


Sighting = Found | Absent | Candidates


@dataclass(frozen=True, slots=True)
class TargetDefaults:
    """Where the targets are of rules that do not say so."""

    organization_url: str | None
    project: str | None


class TargetClient(Protocol):
    """Starts targets. The errors are TargetError (a person must act) and AzureDevOpsError."""

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read what is known of a target."""
        ...

    def start(self, request: StartRequest, deadline: Deadline, key: str = "") -> StartResult:
        """Send one POST; a refusal that only concerns the `key` comes with a corrected request."""
        ...

    def find(
        self,
        request: StartRequest,
        key: str,
        since: datetime,
        began_after: float,
        deadline: Deadline,
    ) -> Sighting:
        """Look for what a POST may have started, to the last page of the list.

        The reading of the list begins at or after `began_after`, on the deadline's clock.
        """
        ...

    def dry_run(self, request: StartRequest, deadline: Deadline) -> str:
        """Do all of a start except starting; return what could not be verified."""
        ...


def organization_key(url: str) -> str:
    """Return one spelling of the addresses of an organization, to compare them."""
    organization = organization_of(url)
    return f"https://dev.azure.com/{organization}" if organization else url.rstrip("/").lower()
