"""Gather what an operator wants to know: what needs a person, what was decided, what is set.

The values are what the page shows and, as they are, the JSON that machines get.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from model_trigger.claims.policy import Policy
from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.decisions.history import PastDecision
from model_trigger.pages.attention import Shown, find_troubles
from model_trigger.pages.lookup import Found, Question, Reading, find, past_decisions
from model_trigger.reconcile.progress import NoteStore, WorkspaceNote
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.rules.fields import Mode
from model_trigger.rules.sources import RulesUnreadableError
from model_trigger.rules.summary import summarize
from model_trigger.targets.request import TargetDefaults

_MOST_TROUBLES = 50
_MOST_RULES = 200

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a page shows of the app itself; `rules` raises RulesUnreadableError."""

    rules: Callable[[], RuleBook]
    notes: NoteStore
    workspaces: Sequence[Workspace]
    mode: Mode
    defaults: TargetDefaults


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule in one line, or what is wrong with it."""

    name: str
    mode: str
    summary: str
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ShownWorkspace:
    """A workspace of WORKSPACES: since when it is known, and when it was last checked to its end.

    `models_left` of its `models` are still to be checked, which takes `passes_left` more passes;
    None before the first pass, or when nothing could be checked in the last one. `models_failed`
    could not be checked in the last pass, and `problem` is why.
    """

    id: str
    since: datetime | None = None
    passed_at: datetime | None = None
    models: int | None = None
    models_failed: int | None = None
    models_left: int | None = None
    passes_left: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """All of the page. The errors are sentences about what could not be read, otherwise empty."""

    at: datetime
    mode: str
    ledger_error: str
    rules_error: str
    found: Found | None
    troubles: Sequence[Shown]
    more_troubles: int
    decisions: Sequence[PastDecision]
    older: str | None
    rules: Sequence[ShownRule]
    more_rules: int
    workspaces: Sequence[ShownWorkspace]
    settings: Mapping[str, str]


def gather(question: Question, reading: Reading, app: Configuration) -> Overview:
    """Gather everything; what cannot be read is left out, with a sentence that says why."""
    ledger = _Ledger([ShownWorkspace(each.id) for each in app.workspaces])
    _, ledger_error = read_or_error(lambda: ledger.read(question, reading, app))
    book, rules_error = read_or_error(app.rules)
    rules = list(_rules(book)) if book else []
    return Overview(
        at=reading.now,
        mode=app.mode,
        ledger_error=ledger_error,
        rules_error=rules_error,
        found=ledger.found,
        troubles=ledger.troubles[:_MOST_TROUBLES],
        more_troubles=len(ledger.troubles[_MOST_TROUBLES:]),
        decisions=ledger.decisions,
        older=ledger.older,
        rules=rules[:_MOST_RULES],
        more_rules=len(rules[_MOST_RULES:]),
        workspaces=ledger.workspaces,
        settings=dict(_settings(app, reading.policy)),
    )


def read_or_error(read: Callable[[], Answer]) -> tuple[Answer | None, str]:
    """Read the ledger or the rules; return the error as a sentence, "" when there is none."""
    try:
        return read(), ""
    except (LedgerError, ConflictError, RulesUnreadableError) as error:
        return None, str(error)


@dataclass
class _Ledger:
    """What the ledger holds, as far as it can be read."""

    workspaces: Sequence[ShownWorkspace]
    found: Found | None = None
    troubles: Sequence[Shown] = ()
    decisions: Sequence[PastDecision] = ()
    older: str | None = None

    def read(self, question: Question, reading: Reading, app: Configuration) -> None:
        """Read one thing after the other, the most important first."""
        if question.model:
            self.found = find(question, reading)
        self.troubles = find_troubles(reading)
        self.decisions, self.older = past_decisions(question, reading)
        notes, _ = app.notes.workspaces(reading.deadline)
        self.workspaces = [_workspace(each, notes.get(each.key)) for each in app.workspaces]


def _workspace(workspace: Workspace, note: WorkspaceNote | None) -> ShownWorkspace:
    if note is None:
        return ShownWorkspace(workspace.id)
    progress = note.progress
    return ShownWorkspace(
        workspace.id,
        note.since,
        note.passed_at,
        models=progress.models if progress else None,
        models_failed=progress.failed if progress else None,
        models_left=progress.left if progress else None,
        passes_left=progress.passes_left if progress else None,
        problem=note.problem,
    )


def _rules(book: RuleBook) -> Iterator[ShownRule]:
    """Show the broken rules first."""
    for broken in book.broken.values():
        yield ShownRule(broken.name, "", "", [str(problem) for problem in broken.problems])
    for rule in book.rules.values():
        yield ShownRule(rule.name, rule.mode, summarize(rule))


def _settings(app: Configuration, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield the settings that matter here by their names; there is no secret among them."""
    yield "MODE", app.mode
    yield "AZURE_DEVOPS_ORG_URL", app.defaults.organization_url or ""
    yield "AZURE_DEVOPS_PROJECT", app.defaults.project or ""
    yield "CLAIM_LEASE", _iso(policy.claim_lease)
    yield "LIST_LAG", _iso(policy.list_lag)
    yield "RETRY_PAUSE", _iso(policy.retry_pause)
    yield "RETRY_FOR", _iso(policy.retry_for)
    yield "RECONCILE_LOOKBACK", _iso(policy.reconcile_lookback)
    yield "DECISION_RETENTION", _iso(policy.decision_retention)


def _iso(duration: timedelta) -> str:
    """Write a duration as the settings do: `P1D`, `PT2M`."""
    minutes, seconds = divmod(duration.total_seconds() % 86400, 60)
    parts = {"H": minutes // 60, "M": minutes % 60, "S": seconds}
    time = "".join(f"{number:g}{unit}" for unit, number in parts.items() if number)
    days = f"{duration.days}D" if duration.days else ""
    return f"P{days}{f'T{time}' if time else ''}" if days or time else "PT0S"
