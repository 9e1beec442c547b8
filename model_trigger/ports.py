"""What the handlers need from outside: the shapes that adapters have, and the errors they raise."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from model_trigger.claims import Claim, Mark, Partition, Snapshot
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision
from model_trigger.rulebook import RuleBook
from model_trigger.targets import Definition, Release, StartRequest, StartResult, TargetAddress


class LedgerError(Exception):
    """The ledger could not be read or written, and what was asked may or may not have happened."""


class ConflictError(Exception):
    """Someone else has changed the rows since they were read: read again."""


class AzureDevOpsError(Exception):
    """Azure DevOps could not be asked just now; it may pass."""


class Ledger(Protocol):
    """Claims, marks and decisions; the errors are ConflictError and LedgerError."""

    def read(self, partition: Partition, version: str, deadline: Deadline) -> Snapshot:
        """Read one version's claim and the mark, with storage's time."""
        ...

    def claims(self, partition: Partition, deadline: Deadline) -> list[Claim]:
        """Read all claims of a partition."""
        ...

    def write(
        self, partition: Partition, claim: Claim | None, mark: Mark | None, deadline: Deadline
    ) -> tuple[Claim | None, Mark | None]:
        """Write both in one transaction if neither has changed; give them back with new etags."""
        ...

    def record(
        self, decision: Decision, milliseconds: int, now: datetime, deadline: Deadline
    ) -> None:
        """Keep a decision."""
        ...


class AzureDevOps(Protocol):
    """Targets; the errors are TargetError (a person must act) and AzureDevOpsError (may pass)."""

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read what is known of a target."""
        ...

    def start(self, request: StartRequest, deadline: Deadline) -> StartResult:
        """Send one POST."""
        ...

    def find(
        self, request: StartRequest, key: str, since: datetime, deadline: Deadline
    ) -> Release | None:
        """Look for what a POST may have started, to the last page of the list."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The adapters, and the settings that the handlers go by.

    `rules` reads the rules once and raises RulesUnreadableError as long as they cannot be read;
    `azure_devops` is built when it is first called. `workspaces` holds the keys of those that are
    accepted; empty accepts any.
    """

    ledger: Ledger
    azure_devops: Callable[[], AzureDevOps]
    rules: Callable[[], RuleBook]
    workspaces: Collection[str]
    organization_url: str | None
    project: str | None
    claim_lease: timedelta
    list_lag: timedelta
    retry_pause: timedelta
