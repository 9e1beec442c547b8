"""Gather the status: what needs attention, what was decided, and how the app is set up.

The page shows these values, and programs get the same values as JSON.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from isodate import duration_isoformat  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from model_trigger.claims.policy import Policy
from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.decisions.history import PastDecision
from model_trigger.pages.attention import find_troubles
from model_trigger.pages.lookup import Found, Question, find, past_decisions
from model_trigger.pages.shown import Reading, Shown
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
    """What a page shows about the app itself; `rules` raises RulesUnreadableError."""

    rules: Callable[[], RuleBook]
    notes: NoteStore
    workspaces: Sequence[Workspace]
    mode: Mode
    defaults: TargetDefaults

    def settings(self, policy: Policy) -> Mapping[str, str]:
        """Return the app settings that matter here, by name; none of them is secret."""
        durations = {
            "CLAIM_LEASE": policy.claim_lease,
            "LIST_LAG": policy.list_lag,
            "RETRY_PAUSE": policy.retry_pause,
            "RETRY_FOR": policy.retry_for,
            "RECONCILE_LOOKBACK": policy.reconcile_lookback,
            "DECISION_RETENTION": policy.decision_retention,
        }
        return {
            "MODE": self.mode,
            "AZURE_DEVOPS_ORG_URL": self.defaults.organization_url or "",
            "AZURE_DEVOPS_PROJECT": self.defaults.project or "",
            **{name: f"{duration_isoformat(value)}" for name, value in durations.items()},
        }


@dataclass(frozen=True, slots=True)
class ShownRule:
    """A rule, summarized in one line, or its problems."""

    name: str
    mode: str
    summary: str
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ShownWorkspace:
    """A workspace of WORKSPACES: when it was first seen, and last checked completely.

    `models_left` of its `models` have yet to be checked, which takes `passes_left` more passes;
    None before the first pass, or if nothing could be checked in the last one. `models_failed`
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

    @classmethod
    def of(cls, workspace: Workspace, note: WorkspaceNote | None) -> "ShownWorkspace":
        """Return a workspace with what reconcile noted about it."""
        if note is None:
            return cls(workspace.id)
        progress = note.progress
        return cls(
            workspace.id,
            note.since,
            note.passed_at,
            models=progress.models if progress else None,
            models_failed=progress.failed if progress else None,
            models_left=progress.left if progress else None,
            passes_left=progress.passes_left if progress else None,
            problem=note.problem,
        )


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole page. An error is a sentence about what could not be read, or empty."""

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
    """Return all that can be read, and an error for what cannot."""
    ledger = _Ledger([ShownWorkspace(each.id) for each in app.workspaces])
    _, ledger_error = read_or_error(lambda: ledger.read(question, reading, app))
    book, rules_error = read_or_error(app.rules)
    rules = list(show_rules(book)) if book else []
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
        settings=app.settings(reading.policy),
    )


def read_or_error(read: Callable[[], Answer]) -> tuple[Answer | None, str]:
    """Read the ledger or the rules; return the result and "", or None and the error."""
    try:
        return read(), ""
    except (LedgerError, ConflictError, RulesUnreadableError) as error:
        return None, str(error)


@dataclass
class _Ledger:
    """What was read from the ledger before an error, if any."""

    workspaces: Sequence[ShownWorkspace]
    found: Found | None = None
    troubles: Sequence[Shown] = ()
    decisions: Sequence[PastDecision] = ()
    older: str | None = None

    def read(self, question: Question, reading: Reading, app: Configuration) -> None:
        """Read the ledger, the most important first."""
        if question.model:
            self.found = find(question, reading)
        self.troubles = find_troubles(reading)
        self.decisions, self.older = past_decisions(question, reading)
        notes, _ = app.notes.workspaces(reading.deadline)
        self.workspaces = [ShownWorkspace.of(each, notes.get(each.key)) for each in app.workspaces]


def show_rules(book: RuleBook) -> Iterator[ShownRule]:
    """Yield the rules, the broken ones first."""
    for broken in book.broken.values():
        yield ShownRule(broken.name, "", "", [str(problem) for problem in broken.problems])
    for rule in book.rules.values():
        yield ShownRule(rule.name, rule.mode, summarize(rule))
