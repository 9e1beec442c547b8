"""What reconcile notes from pass to pass, as rows of `<prefix>releases`.

One partition lists the workspaces; each workspace has a partition with its rules and models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from model_trigger.deadline import Deadline
from model_trigger.ledger.table import (
    Row,
    Table,
    digest,
    readable,
    readable_key,
    shortened,
    utc,
    utc_or_none,
    without_none,
)
from model_trigger.reconcile.progress import Memory, ModelNote, Progress, RuleNote, WorkspaceNote
from model_trigger.registrations.listing import ModelSummary
from model_trigger.registrations.registration import Workspace

WORKSPACES_KEY = "workspaces"
_BEGINNING_OF_TIME = datetime(1601, 1, 1, tzinfo=UTC)
# In bytes of an entity.
_LONGEST_PROBLEM = 40_000


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes in a table. Every method raises LedgerError."""

    table: Table

    def workspaces(self, deadline: Deadline) -> tuple[Mapping[str, WorkspaceNote], datetime]:
        """Read the note of each workspace, by the workspace's key, with the storage time."""
        parameters = {"partition": WORKSPACES_KEY}
        found, read_at = self.table.query_at("PartitionKey eq @partition", parameters, deadline)
        notes = readable(read_workspace, found)
        return {note.workspace.key: note for note in notes}, read_at

    def note_workspace(self, note: WorkspaceNote, deadline: Deadline) -> None:
        """Write the note of a workspace."""
        self.table.put(workspace_row(note), deadline)

    def forget_workspace(self, workspace: Workspace, deadline: Deadline) -> None:
        """Delete the note of a workspace: if the workspace returns, it is new."""
        self.table.remove(WORKSPACES_KEY, workspace_key(workspace), deadline)

    def memory(self, workspace: Workspace, deadline: Deadline) -> Memory:
        """Read the notes on the rules and models of a workspace."""
        parameters = {"partition": workspace_key(workspace)}
        found = list(self.table.pages("PartitionKey eq @partition", parameters, deadline))
        rules = readable(read_rule, (row for row in found if "rule" in row))
        models = readable(read_model, (row for row in found if "model" in row))
        return Memory(dict(rules), {note.model.name: note for note in models})

    def note_rule(
        self, workspace: Workspace, rule: str, note: RuleNote, deadline: Deadline
    ) -> None:
        """Write since when a rule has selected as it does now in a workspace."""
        self.table.put(rule_row(workspace, rule, note), deadline)

    def forget_rule(self, workspace: Workspace, rule: str, deadline: Deadline) -> None:
        """Delete the note on a rule: if the rule returns, it is new."""
        self.table.remove(workspace_key(workspace), rule_key(rule), deadline)

    def note_model(self, workspace: Workspace, note: ModelNote, deadline: Deadline) -> None:
        """Write how a model was listed."""
        self.table.put(model_row(workspace, note), deadline)


def workspace_key(workspace: Workspace) -> str:
    """Return the row key of a workspace, which is also the partition of its rules and models."""
    shown = readable_key(workspace.name.lower())
    return f"workspace|{shown}|{digest(workspace.key)}"


def rule_key(rule: str) -> str:
    """Return the row key of the note on a rule."""
    return f"rule|{readable_key(rule)}|{digest(rule)}"


def workspace_row(note: WorkspaceNote) -> Row:
    """Return the row of the note on a workspace."""
    progress = note.progress
    row = {
        "PartitionKey": WORKSPACES_KEY,
        "RowKey": workspace_key(note.workspace),
        "workspace": note.workspace.id,
        "since": note.since,
        "looked_at": note.looked_at,
        "passed_at": note.passed_at,
        "models": progress and progress.models,
        "checked": progress and progress.checked,
        "failed": progress and progress.failed,
        "left": progress and progress.left,
        "problem": shortened(note.problem, _LONGEST_PROBLEM),
    }
    return without_none(row)


def read_workspace(row: Row, _etag: str) -> WorkspaceNote:
    """Parse what `workspace_row` returned."""
    progress = None
    if "models" in row:
        progress = Progress(row["models"], row["checked"], row["failed"], row["left"])
    return WorkspaceNote(
        workspace=Workspace.parse(row["workspace"]),
        since=utc(row["since"]),
        looked_at=utc_or_none(row.get("looked_at")),
        passed_at=utc_or_none(row.get("passed_at")),
        progress=progress,
        problem=row["problem"],
    )


def model_row(workspace: Workspace, note: ModelNote) -> Row:
    """Return the row of the note on a model."""
    model = note.model
    row = {
        "PartitionKey": workspace_key(workspace),
        "RowKey": f"model|{readable_key(model.name)}|{digest(model.name)}",
        "model": model.name,
        "latest_version": model.latest_version,
        "modified_at": model.modified_at,
        # The earliest time in Azure Table Storage:
        # https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
        "listed_at": max(note.listed_at, _BEGINNING_OF_TIME),
        "settles_at": max(note.settles_at, _BEGINNING_OF_TIME),
        "tried_at": note.tried_at,
    }
    return without_none(row)


def rule_row(workspace: Workspace, rule: str, note: RuleNote) -> Row:
    """Return the row of the note on a rule."""
    row = {
        "PartitionKey": workspace_key(workspace),
        "RowKey": rule_key(rule),
        "rule": rule,
        "selectors": note.selectors,
        "since": note.since,
        "broken_since": note.broken_since,
    }
    return without_none(row)


def read_model(row: Row, _etag: str) -> ModelNote:
    """Parse what `model_row` returned; a row of the first version has no times."""
    changed = utc_or_none(row.get("modified_at"))
    times = ("listed_at", "settles_at", "tried_at")
    listed, settles, tried = (utc(row.get(name, _BEGINNING_OF_TIME)) for name in times)
    summary = ModelSummary(row["model"], row.get("latest_version"), changed)
    return ModelNote(summary, listed, settles, tried)


def read_rule(row: Row, _etag: str) -> tuple[str, RuleNote]:
    """Parse what `rule_row` returned."""
    broken_since = utc_or_none(row.get("broken_since"))
    return row["rule"], RuleNote(row["selectors"], utc(row["since"]), broken_since)
