"""What the handlers need from outside: the shapes that adapters have, and the errors they raise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Semaphore
from typing import Protocol

from model_trigger.claims.claim import Claim, Mark, Partition, Snapshot
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision
from model_trigger.decisions.history import Cursor, DecisionSearch, PastDecision
from model_trigger.reconcile.progress import (
    Memory,
    ModelNote,
    ModelSummary,
    RuleNote,
    WorkspaceNote,
)
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.rules.fields import Mode
from model_trigger.targets.request import (
    Definition,
    Sighting,
    StartRequest,
    StartResult,
    TargetAddress,
)

# Whoever waits holds a worker thread, of which Azure Functions has few; those that do not get a
# place are delivered again by Event Grid.
_WAITING_AT_ONCE = 8


class LedgerError(Exception):
    """The ledger could not be read or written, and what was asked may or may not have happened."""


class UnreadableRowError(LedgerError):
    """A row of the ledger cannot be read; whoever operates the app must correct or remove it."""


class ConflictError(Exception):
    """Someone else has changed the rows since they were read: read again."""


class AzureMLError(Exception):
    """The models of a workspace could not be listed just now; it may pass."""


class WorkspaceAccessError(Exception):
    """The models of a workspace cannot be listed; the message says who must do what about it."""


class OutcomeError(Exception):
    """Others could not be told what was decided; nothing else depends on it."""


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

    def open_claims(self, deadline: Deadline) -> tuple[list[tuple[Partition, Claim]], datetime]:
        """Read the claims that are not final, of all partitions, with the storage time."""
        ...

    def claims_of(
        self, model: str, version: str, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read a thousand claims of a model, or of one version of it."""
        ...

    def troubled_claims(self, deadline: Deadline) -> list[tuple[Partition, Claim]]:
        """Read a thousand claims that are not at their end, were given up, or started twice."""
        ...

    def past_decisions(
        self, search: DecisionSearch, deadline: Deadline
    ) -> tuple[list[PastDecision], Cursor]:
        """Read decisions, the newest first, and where to go on; stops when the time runs out."""
        ...

    def claims_on_target(
        self, request: StartRequest, deadline: Deadline
    ) -> list[tuple[Partition, Claim]]:
        """Read the claims on the request's definition that started something, or may have."""
        ...

    def remove(self, partition: Partition, version: str | None, deadline: Deadline) -> list[str]:
        """Remove one claim, or all claims and the mark; give the row keys that were removed."""
        ...

    def clean_up(self, before: datetime, deadline: Deadline) -> int:
        """Remove the decisions of the days before; give how many."""
        ...

    def workspace_notes(self, deadline: Deadline) -> tuple[Mapping[str, WorkspaceNote], datetime]:
        """Read what is noted of each workspace, by its key, with the storage time."""
        ...

    def note_workspace(self, note: WorkspaceNote, deadline: Deadline) -> None:
        """Write what is noted of a workspace."""
        ...

    def forget_workspace(self, workspace: Workspace, deadline: Deadline) -> None:
        """Remove what is noted of a workspace: when it returns, it is new."""
        ...

    def memory(self, workspace: Workspace, deadline: Deadline) -> Memory:
        """Read what is noted of the rules and models of a workspace."""
        ...

    def note_rule(
        self, workspace: Workspace, rule: str, note: RuleNote, deadline: Deadline
    ) -> None:
        """Write since when a rule selects as it does in a workspace."""
        ...

    def forget_rule(self, workspace: Workspace, rule: str, deadline: Deadline) -> None:
        """Remove what is noted of a rule: when it returns, it is new."""
        ...

    def note_model(self, workspace: Workspace, note: ModelNote, deadline: Deadline) -> None:
        """Write how a model was listed, once all that was found in it is decided."""
        ...


class AzureDevOps(Protocol):
    """Targets; the errors are TargetError (a person must act) and AzureDevOpsError (may pass)."""

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


class AzureML(Protocol):
    """Models; the errors are WorkspaceAccessError (a person must act), AzureMLError (may pass)."""

    def models(self, workspace: Workspace, deadline: Deadline) -> Iterator[ModelSummary]:
        """List the active models of a workspace."""
        ...

    def versions(
        self, workspace: Workspace, model: str, deadline: Deadline
    ) -> Iterator[Registration]:
        """List the active versions of a model."""
        ...


class Outcomes(Protocol):
    """Whoever wants to know what was decided; the error is OutcomeError."""

    def publish(self, decision: Decision, milliseconds: int, deadline: Deadline) -> None:
        """Tell what was decided."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The adapters, and the settings that the handlers go by.

    `rules` reads the rules once and raises RulesUnreadableError as long as they cannot be read;
    `azure_devops` and `azure_ml` are built when they are first called. Only events of the
    `workspaces` are accepted, and these are reconciled; empty accepts any and reconciles none.
    `waiting_room` bounds how many threads of the process may wait for another start at once.
    """

    ledger: Ledger
    azure_devops: Callable[[], AzureDevOps]
    azure_ml: Callable[[], AzureML]
    outcomes: Outcomes | None
    rules: Callable[[], RuleBook]
    workspaces: Sequence[Workspace]
    organization_url: str | None
    project: str | None
    mode: Mode
    claim_lease: timedelta
    list_lag: timedelta
    retry_pause: timedelta
    retry_for: timedelta
    reconcile_lookback: timedelta
    decision_retention: timedelta
    waiting_room: Semaphore = field(default_factory=lambda: Semaphore(_WAITING_AT_ONCE))
