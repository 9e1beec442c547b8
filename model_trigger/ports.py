"""What the handlers need from outside: the shapes that adapters have, and the errors they raise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from model_trigger.claims import Claim, Mark, Partition, Snapshot
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision
from model_trigger.events import Registration, Workspace
from model_trigger.grammar import Mode
from model_trigger.history import Cursor, DecisionSearch, PastDecision
from model_trigger.passes import ModelNote, ModelSummary, RuleNote, WorkspaceNote
from model_trigger.rulebook import RuleBook
from model_trigger.targets import Definition, Sighting, StartRequest, StartResult, TargetAddress


class LedgerError(Exception):
    """The ledger could not be read or written, and what was asked may or may not have happened."""


class ConflictError(Exception):
    """Someone else has changed the rows since they were read: read again."""


class AzureDevOpsError(Exception):
    """Azure DevOps could not be asked just now; it may pass.

    `answered` is whether the organization answered at all.
    """

    def __init__(self, message: str = "", *, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


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

    def open_claims(self, deadline: Deadline) -> Iterator[tuple[Partition, Claim]]:
        """Read the claims that are not at their end, of all partitions."""
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

    def started_by(self, like: StartRequest, deadline: Deadline) -> set[int]:
        """Read the ids of all that was started of the same definition."""
        ...

    def remove(self, partition: Partition, version: str | None, deadline: Deadline) -> list[str]:
        """Remove one claim, or all claims and the mark; give the row keys that were removed."""
        ...

    def clean_up(self, before: datetime, deadline: Deadline) -> int:
        """Remove the decisions of the days before; give how many."""
        ...

    def rule_notes(self, deadline: Deadline) -> tuple[Mapping[str, RuleNote], datetime]:
        """Read what is noted of the rules, with storage's time."""
        ...

    def note_rule(self, rule: str, note: RuleNote, deadline: Deadline) -> None:
        """Note since when a rule selects as it does."""
        ...

    def workspace_note(self, workspace: Workspace, deadline: Deadline) -> WorkspaceNote | None:
        """Read what is noted of a workspace; None when it is new."""
        ...

    def last_pass(self, workspace: Workspace, deadline: Deadline) -> WorkspaceNote | None:
        """Read what is noted of a workspace, but for its models."""
        ...

    def note_workspace(self, workspace: Workspace, note: WorkspaceNote, deadline: Deadline) -> None:
        """Note since when a workspace is listed, and when its last completed pass began."""
        ...

    def note_model(self, workspace: Workspace, note: ModelNote, deadline: Deadline) -> None:
        """Note how a model was listed, once all that was found in it is decided."""
        ...


class AzureDevOps(Protocol):
    """Targets; the errors are TargetError (a person must act) and AzureDevOpsError (may pass)."""

    def definition(self, address: TargetAddress, deadline: Deadline) -> Definition:
        """Read what is known of a target."""
        ...

    def start(self, request: StartRequest, deadline: Deadline, key: str = "") -> StartResult:
        """Send one POST; with the claim's key, a refusal for want of it comes corrected."""
        ...

    def find(
        self,
        request: StartRequest,
        key: str,
        since: datetime,
        began_after: float,
        deadline: Deadline,
    ) -> Sighting:
        """Look for what a POST may have started since, in a list whose reading began after."""
        ...

    def rehearse(self, request: StartRequest, deadline: Deadline) -> str:
        """Do all of a start but the starting; give what could not be verified."""
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
