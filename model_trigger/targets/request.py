"""Requests to start a target and their results: values shared by core and adapters."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from model_trigger.deadline import Deadline
from model_trigger.targets.hosts import organization_of


class TargetError(ValueError):
    """The target cannot be started as the rule specifies; someone must change one of the two."""


class AzureDevOpsError(Exception):
    """A request to Azure DevOps failed; a retry may succeed.

    `answered` is whether the organization responded at all.
    """

    def __init__(self, message: str = "", *, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class TargetAddress:
    """The address of a target: `definition` is its id or its name, optionally with its folder.

    `kind` is a key of KINDS. `branch` is the branch whose YAML a pipeline runs; None for the
    pipeline's default branch.
    """

    kind: str
    organization_url: str
    project: str
    definition: int | str
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known about a target before it is started; a kind of target adds its own fields."""

    id: int
    name: str

    def doubled(self, concerns: Callable[[str], bool] = lambda _: True) -> str:  # noqa: ARG002
        """Return a warning if it also starts on its own, otherwise "".

        `concerns` is whether a model matters; by default every model does.
        """
        return ""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One complete POST: the lookup of an unknown outcome uses it, never the current rule.

    `kind` is a key of KINDS.
    """

    kind: str
    organization_url: str
    project: str
    definition: int
    body: Mapping[str, Any]

    @property
    def target(self) -> tuple[str, str, int]:
        """What it starts, however the rule spells it: ids are unique within an organization."""
        return self.kind, organization_key(self.organization_url), self.definition

    def to_json(self) -> str:
        """Return the request as JSON text, as the ledger stores it."""
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
        """Read the output of `to_json`."""
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

    Nobody has to act if only the parameter for the app's key was refused: `corrected` is then the
    request with or without the key, to be sent instead.
    """

    reason: str
    corrected: StartRequest | None = None


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Nothing was started, for certain; retry after `retry_after` seconds.

    `answered` is whether the organization responded at all.
    """

    reason: str
    retry_after: float = 0
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """The release may or may not have been started; it must be looked up.

    `answered` is whether the organization responded at all.
    """

    reason: str
    answered: bool = True


StartResult = Started | Refused | NotStarted | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """The release that a POST started, identified by its key.

    `second` is another one with the same key, started by a process that was frozen meanwhile.
    """

    release: Release
    second: Release | None = None

    @classmethod
    def of(cls, releases: Sequence[Release]) -> "Found":
        """Return what was found, given all releases with the key: at least one."""
        return cls(*releases[:2])


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing was found: the list was read to its last page, and nothing in it can match."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Runs without the app's key, one of which may be the one in question.

    `fitting` received what the request sends. `silent` show what they received neither in the list
    nor when read on their own, so they may be it too unless another claim owns them.
    """

    fitting: tuple[Release, ...]
    silent: tuple[Release, ...] = ()


Sighting = Found | Absent | Candidates


@dataclass(frozen=True, slots=True)
class TargetDefaults:
    """The organization and project of targets whose rules do not name them."""

    organization_url: str | None
    project: str | None


class TargetClient(Protocol):
    """Starts targets. The errors are TargetError (a person must act) and AzureDevOpsError."""

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read the definition of a target."""
        ...

    def start(self, request: StartRequest, deadline: Deadline, key: str = "") -> StartResult:
        """Send one POST; a refusal of only the `key` includes a corrected request."""
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

        The list is read no earlier than `began_after`, on the deadline's clock.
        """
        ...

    def dry_run(self, request: StartRequest, deadline: Deadline) -> str:
        """Check a start without starting anything; return what could not be verified."""
        ...


def organization_key(url: str) -> str:
    """Return one spelling for all addresses of an organization, for comparison."""
    organization = organization_of(url)
    return f"https://dev.azure.com/{organization}" if organization else url.rstrip("/").lower()
