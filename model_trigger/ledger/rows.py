r"""Write claims, marks and decisions as entities of Azure Table Storage, and read them back.

A text property holds at most 64 KiB of UTF-16, a key at most 1 KiB and none of / \ # ? or control
characters, an entity at most 1 MiB:
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import accumulate
from typing import Any

from model_trigger.claims.claim import OPEN, Baseline, Claim, Mark, Partition, State
from model_trigger.decisions.decision import Decision
from model_trigger.decisions.history import Cursor, DecisionSearch, PastDecision
from model_trigger.reconcile.progress import (
    ModelNote,
    ModelSummary,
    Progress,
    RuleNote,
    WorkspaceNote,
)
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.rule import Clause
from model_trigger.targets.kinds import read_request
from model_trigger.targets.request import Release, StartRequest
from model_trigger.text import cut, utf16_units, well_formed

MARK_KEY = "mark"
WORKSPACES_KEY = "workspaces"

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9._:@+=, -]")
_LONGEST_READABLE = 200
# Counted in UTF-16, where a character may take two units.
_LONGEST_TEXT = 16_000
_BEGINNING_OF_TIME = datetime(1601, 1, 1, tzinfo=UTC)
# What a decision has at most, in bytes: eight names, a reason, its clauses and an event add up to
# less than the 1 MiB of an entity.
_LONGEST_NAME = 40_000
_LONGEST_REASON = 120_000
_LONGEST_CLAUSES = 200_000
_LONGEST_EVENT = 240_000
_PLAIN = re.compile(r"[ -~\n\r\t]+")
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

# Rows of the first version: it called `kept` otherwise, had no `tried_at`, and in `lease_until` the
# end of a look-up, beside `post_until`.
_FORMER_STATES = {"unreadable": "kept"}
OPEN_STATES = (*OPEN, *_FORMER_STATES)

Row = Mapping[str, Any]


def partition_key(partition: Partition) -> str:
    """Give the key of a partition: readable, and by its digest one of a kind."""
    readable = [partition.rule, partition.workspace.name.lower(), partition.model]
    if partition.observed:
        readable.insert(0, "observe")
    shown = "|".join(_escaped(text) for text in readable)[:_LONGEST_READABLE]
    return f"{shown}|{_digest(partition.rule, partition.workspace.key, partition.model)}"


def claim_key(version: str) -> str:
    """Give the row key of a version's claim."""
    shown = _escaped(version)[:_LONGEST_READABLE]
    return f"claim|{version}" if shown == version else f"claim|{shown}|{_digest(version)}"


def claim_row(partition: Partition, claim: Claim) -> Row:
    """Write a claim."""
    request, release, second = claim.request, claim.release, claim.second_release
    row: dict[str, Any] = {
        "PartitionKey": partition_key(partition),
        "RowKey": claim_key(claim.version),
        "rule": partition.rule,
        "observed": partition.observed,
        "workspace": partition.workspace.id,
        "model": partition.model,
        "version": claim.version,
        "state": claim.state.value,
        "owner": claim.owner,
        "key": claim.key,
        "claimed_at": claim.claimed_at,
        "lease_until": claim.lease_until,
        "tried_at": claim.tried_at,
        "release_id": str(release.id) if release else None,
        "release_url": release.url if release else None,
        "second_release_id": str(second.id) if second else None,
        "second_release_url": second.url if second else None,
        "attempts": claim.attempts,
        "failed_since": claim.failed_since,
        "not_before": claim.not_before,
        "absent_since": claim.absent_since,
        "target": target_key(request) if request else None,
        **_spread("reason", _cut(claim.reason, _LONGEST_REASON)),
        **_spread("registration", claim.registration.to_json()),
        **_spread("request", request.to_json() if request else ""),
    }
    return {name: value for name, value in row.items() if value is not None}


def read_claim(row: Row, etag: str) -> Claim:
    """Read what `claim_row` wrote."""
    request = _gathered(row, "request")
    return Claim(
        registration=Registration.from_json(_gathered(row, "registration")),
        state=State(_FORMER_STATES.get(row["state"], row["state"])),
        owner=row["owner"],
        key=row["key"],
        claimed_at=_utc(row["claimed_at"]),
        lease_until=_utc(row.get("post_until", row["lease_until"])),
        tried_at=_utc(row.get("tried_at", row["claimed_at"])),
        request=read_request(request) if request else None,
        release=_release(row, "release"),
        second_release=_release(row, "second_release"),
        reason=_gathered(row, "reason"),
        attempts=row["attempts"],
        failed_since=_utc_or_none(row.get("failed_since")),
        not_before=_utc_or_none(row.get("not_before")),
        absent_since=_utc_or_none(row.get("absent_since")),
        etag=etag,
    )


def _release(row: Row, name: str) -> Release | None:
    number = row.get(f"{name}_id")
    return Release(int(number), row[f"{name}_url"]) if number else None


def read_partition(row: Row, _etag: str) -> Partition:
    """Read which partition a claim's row lies in."""
    workspace = Workspace.parse(row["workspace"])
    return Partition(row["rule"], workspace, row["model"], row["observed"])


def mark_row(partition: Partition, mark: Mark) -> Row:
    """Write a mark."""
    baseline = mark.baseline
    row: dict[str, Any] = {
        "PartitionKey": partition_key(partition),
        "RowKey": MARK_KEY,
        "version": mark.version,
        "compared": mark.compared,
        "ordering": mark.ordering,
        "baseline_version": baseline and baseline.version,
        "baseline_compared": baseline and baseline.compared,
        "baseline_ordering": baseline and baseline.ordering,
        "in_flight": mark.in_flight,
        "in_flight_until": mark.in_flight_until,
    }
    return {name: value for name, value in row.items() if value is not None}


def read_mark(row: Row, etag: str) -> Mark:
    """Read what `mark_row` wrote."""
    mark = Mark(
        version=row["version"],
        compared=row.get("compared"),
        ordering=row["ordering"],
        baseline=_baseline(row),
        in_flight=row["in_flight"],
        in_flight_until=_utc_or_none(row.get("in_flight_until")),
        etag=etag,
    )
    # The first version wrote a baseline as the mark itself.
    return replace(mark, version="", compared=None) if row.get("baseline") else mark


def _baseline(row: Row) -> Baseline | None:
    prefix = "" if row.get("baseline") else "baseline_"
    names = [f"{prefix}{name}" for name in ("version", "compared", "ordering")]
    return Baseline(*(row[name] for name in names)) if names[1] in row and row[names[1]] else None


def target_key(request: StartRequest) -> str:
    """Return a digest of what a request starts."""
    return _digest(*map(str, request.target))


def workspace_key(workspace: Workspace) -> str:
    """Return the key of what is noted of a workspace, and of the partition with its models."""
    shown = _escaped(workspace.name.lower())[:_LONGEST_READABLE]
    return f"workspace|{shown}|{_digest(workspace.key)}"


def rule_key(rule: str) -> str:
    """Return the row key of what is noted of a rule."""
    return f"rule|{_escaped(rule)[:_LONGEST_READABLE]}|{_digest(rule)}"


def workspace_row(note: WorkspaceNote) -> Row:
    """Write what is noted of a workspace."""
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
        "problem": _cut(note.problem, _LONGEST_NAME),
    }
    return {name: value for name, value in row.items() if value is not None}


def read_workspace(row: Row, _etag: str) -> WorkspaceNote:
    """Read what `workspace_row` wrote."""
    return WorkspaceNote(
        workspace=Workspace.parse(row["workspace"]),
        since=_utc(row["since"]),
        looked_at=_utc_or_none(row.get("looked_at")),
        passed_at=_utc_or_none(row.get("passed_at")),
        progress=_progress(row) if "models" in row else None,
        problem=row["problem"],
    )


def _progress(row: Row) -> Progress:
    return Progress(row["models"], row["checked"], row["failed"], row["left"])


def model_row(workspace: Workspace, note: ModelNote) -> Row:
    """Write how a model was listed."""
    model = note.model
    row = {
        "PartitionKey": workspace_key(workspace),
        "RowKey": f"model|{_escaped(model.name)[:_LONGEST_READABLE]}|{_digest(model.name)}",
        "model": model.name,
        "latest_version": model.latest_version,
        "modified_at": model.modified_at,
        # Azure Table Storage knows no earlier date:
        # https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
        "listed_at": max(note.listed_at, _BEGINNING_OF_TIME),
        "settles_at": max(note.settles_at, _BEGINNING_OF_TIME),
        "tried_at": note.tried_at,
    }
    return {name: value for name, value in row.items() if value is not None}


def rule_row(workspace: Workspace, rule: str, note: RuleNote) -> Row:
    """Write what is noted of a rule."""
    row = {
        "PartitionKey": workspace_key(workspace),
        "RowKey": rule_key(rule),
        "rule": rule,
        "selectors": note.selectors,
        "since": note.since,
        "broken_since": note.broken_since,
    }
    return {name: value for name, value in row.items() if value is not None}


def read_model(row: Row, _etag: str) -> ModelNote:
    """Read what `model_row` wrote; one of the first version says nothing of when."""
    changed = _utc_or_none(row.get("modified_at"))
    times = ("listed_at", "settles_at", "tried_at")
    listed, settles, tried = (_utc(row.get(name, _BEGINNING_OF_TIME)) for name in times)
    summary = ModelSummary(row["model"], row.get("latest_version"), changed)
    return ModelNote(summary, listed, settles, tried)


def read_rule(row: Row, _etag: str) -> tuple[str, RuleNote]:
    """Read what `rule_row` wrote."""
    broken_since = _utc_or_none(row.get("broken_since"))
    return row["rule"], RuleNote(row["selectors"], _utc(row["since"]), broken_since)


def decision_row(decision: Decision, milliseconds: int, now: datetime, unique: str) -> Row:
    """Write a decision: one partition a day, the newest first in it.

    What is longer than an entity holds is cut: a decision is there to be read, and must be kept.
    """
    fields = decision.log_fields(milliseconds)
    reason = str(fields.pop("reason"))
    return {
        "PartitionKey": f"{now:%Y-%m-%d}",
        "RowKey": f"{(_END_OF_TIME - now).total_seconds():015.3f}|{unique}",
        "decided_at": now,
        **{name: _plain(value) for name, value in fields.items() if value is not None},
        "closest": _cut(decision.closest, _LONGEST_NAME),
        **_spread("reason", _cut(reason, _LONGEST_REASON)),
        **_spread("clauses", _clauses(decision.clauses)),
        **_spread("event", _cut(decision.event, _LONGEST_EVENT)),
    }


def _clauses(clauses: Iterable[Clause]) -> str:
    """Write clauses as JSON, the first ones when not all of them fit."""
    texts = [
        json.dumps(
            {
                "clause": well_formed(clause.clause),
                "expected": well_formed(clause.expected),
                "actual": well_formed(clause.actual),
                "met": clause.met,
            },
            ensure_ascii=False,
        )
        for clause in clauses
    ]
    lengths = accumulate(_bytes(f"{text}, ") for text in texts)
    kept = sum(length < _LONGEST_CLAUSES for length in lengths)
    return f"[{', '.join(texts[:kept])}]"


def read_decision(row: Row, _etag: str) -> PastDecision:
    """Read what `decision_row` wrote."""
    number = row.get("release_id")
    return PastDecision(
        decided_at=_utc(row["decided_at"]),
        outcome=row["outcome"],
        reason=_gathered(row, "reason"),
        rule=row.get("rule", ""),
        model=row.get("model", ""),
        version=row.get("version", ""),
        workspace=row.get("workspace", ""),
        release_id=None if number is None else int(number),
        release_url=row.get("release_url", ""),
        closest=row["closest"],
        source=row["source"],
        event_id=row.get("event_id", ""),
        milliseconds=row["milliseconds"],
        clauses=json.loads(_gathered(row, "clauses")),
        event=_gathered(row, "event"),
    )


def decision_cursor(row: Row) -> Cursor:
    """Give the place after a decision's row."""
    return Cursor(date.fromisoformat(row["PartitionKey"]), row["RowKey"])


def decision_filter(search: DecisionSearch, cursor: Cursor) -> tuple[str, Mapping[str, str]]:
    """Write the query for what is searched on the cursor's day, with its parameters."""
    conditions = ["PartitionKey eq @day", "RowKey gt @row"]
    parameters = {"day": cursor.day.isoformat(), "row": cursor.row}
    for name in ("model", "version"):
        if wanted := getattr(search, name):
            conditions.append(f"{name} eq @{name}")
            parameters[name] = wanted
    if search.outcomes:
        either = " or ".join(f"outcome eq '{outcome}'" for outcome in search.outcomes)
        conditions.append(f"({either})")
    return " and ".join(conditions), parameters


def _plain(value: object) -> object:
    """Cut what a decision only shows; release ids outgrow the 32 bits of a plain integer."""
    return value if isinstance(value, int) and value < 2**31 else _cut(str(value), _LONGEST_NAME)


def _cut(text: str, longest: int) -> str:
    return cut(well_formed(text), longest, _bytes)


def _bytes(text: str) -> int:
    """Return how much of an entity a text takes.

    Azure counts two bytes for each unit of UTF-16, and Azurite those of the request: six for a unit
    that JSON escapes.
    """
    return 2 * utf16_units(text) + 4 * utf16_units(_PLAIN.sub("", text))


def _spread(name: str, text: str) -> dict[str, str]:
    """Spread a long text over `name`, `name_2` and so on."""
    parts = [text[at : at + _LONGEST_TEXT] for at in range(0, len(text), _LONGEST_TEXT)]
    return {
        f"{name}_{number}" if number > 1 else name: part for number, part in enumerate(parts, 1)
    }


def _gathered(row: Row, name: str) -> str:
    parts = [row.get(name, "")]
    while (part := row.get(f"{name}_{len(parts) + 1}")) is not None:
        parts.append(part)
    return "".join(parts)


def _escaped(text: str) -> str:
    return _NOT_IN_KEYS.sub("~", text)


def _digest(*texts: str) -> str:
    framed = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(framed.encode()).hexdigest()[:32]


def _utc(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def _utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else _utc(moment)
