"""What reconcile remembers between passes, and what it derives from a list of models.

A pass lists the models of a workspace, and the versions only of models that changed or to which a
rule is new. Registrations from before a rule was added or changed, or before the workspace was
listed in WORKSPACES, are the rule's baseline: reconcile marks them as known and never starts them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from model_trigger.claims.claim import Baseline
from model_trigger.deadline import Deadline
from model_trigger.registrations.listing import ModelSummary
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import BrokenRule
from model_trigger.rules.rule import Evaluation, Rule

# How long versions are listed again: the list of a model's versions lags behind its summary, by
# half a minute in the tests of https://github.com/Azure/azure-sdk-for-python
# (sdk/ml/azure-ai-ml/tests/model/e2etests), and MLflow writes tags after registering.
SETTLING = timedelta(minutes=10)
# The storage clock rounds down to whole seconds; Azure ML's clock has fractions.
_CLOCK_STEP = timedelta(seconds=1)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ModelNote:
    """A model's summary when its versions were last listed and decided on, in storage time.

    The versions are listed again until a listing at or after `settles_at`. `tried_at` is when
    listing was last tried, successfully or not.
    """

    model: ModelSummary
    listed_at: datetime
    settles_at: datetime
    tried_at: datetime


@dataclass(frozen=True, slots=True)
class RuleNote:
    """Since when a rule selects as it does in a workspace.

    `selectors` is a digest of the fields that select. `broken_since` is the last check of the
    workspace before the rule broke; None if it is valid.
    """

    selectors: str
    since: datetime
    broken_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the last pass through the `models` of a workspace.

    `checked` and `failed` count the models that were due; for those `left`, no time remained.
    """

    models: int
    checked: int
    failed: int
    left: int

    @property
    def passes_left(self) -> int | None:
        """How many more passes are needed at this pace; None if the last one checked no model."""
        if not self.left:
            return 0
        return -(-self.left // self.checked) if self.checked else None


@dataclass(slots=True)
class Tally:
    """Counts of one check of a workspace: its models, and those due, checked and failed.

    `problem` is the last error, "" if there was none.
    """

    models: int
    problem: str
    due: int = 0
    checked: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class WorkspaceNote:
    """When a workspace was first noted (`since`), last checked, and last checked completely.

    `problem` is why the last check was incomplete, unless it only ran out of time.
    """

    workspace: Workspace
    since: datetime
    looked_at: datetime | None = None
    passed_at: datetime | None = None
    progress: Progress | None = None
    problem: str = ""

    @property
    def turn(self) -> datetime:
        """When it last had its turn; LONG_AGO if never."""
        return self.looked_at or LONG_AGO

    def after(self, tally: Tally, now: datetime) -> "WorkspaceNote":
        """Return the note after a check that began at `now`."""
        tried = tally.checked + tally.failed
        note = replace(self, problem=tally.problem)
        if tally.models or not tally.problem:
            progress = Progress(tally.models, tally.checked, tally.failed, tally.due - tried)
            note = replace(note, progress=progress)
        if tried or not tally.due:  # a workspace that got no time goes first in the next pass
            note = replace(note, looked_at=now)
        if tally.checked == tally.due and not tally.problem:
            note = replace(note, passed_at=now)
        return note


@dataclass(frozen=True, slots=True)
class Memory:
    """The notes on the rules and models of one workspace, by name."""

    rules: Mapping[str, RuleNote] = field(default_factory=dict[str, RuleNote])
    models: Mapping[str, ModelNote] = field(default_factory=dict[str, ModelNote])


class NoteStore(Protocol):
    """Stores the notes of reconcile. Every method may raise LedgerError."""

    def workspaces(self, deadline: Deadline) -> tuple[Mapping[str, WorkspaceNote], datetime]:
        """Read the notes of all workspaces, by workspace key, with the storage time."""
        ...

    def note_workspace(self, note: WorkspaceNote, deadline: Deadline) -> None:
        """Write the note of a workspace."""
        ...

    def forget_workspace(self, workspace: Workspace, deadline: Deadline) -> None:
        """Delete the note of a workspace: if it returns, it is new."""
        ...

    def memory(self, workspace: Workspace, deadline: Deadline) -> Memory:
        """Read the notes on the rules and models of a workspace."""
        ...

    def note_rule(
        self, workspace: Workspace, rule: str, note: RuleNote, deadline: Deadline
    ) -> None:
        """Write the note on a rule in a workspace."""
        ...

    def forget_rule(self, workspace: Workspace, rule: str, deadline: Deadline) -> None:
        """Delete the note on a rule: if it returns, it is new."""
        ...

    def note_model(self, workspace: Workspace, note: ModelNote, deadline: Deadline) -> None:
        """Write the note on a model in a workspace."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass through one workspace: the notes from before it, and when it began."""

    rules: Mapping[str, RuleNote]
    models: Mapping[str, ModelNote]
    began_at: datetime
    lookback: timedelta

    def must_list(self, model: ModelSummary, rules: Iterable[Rule | BrokenRule]) -> bool:
        """Whether the versions of a model must be listed for these rules."""
        names = [rule.name for rule in rules]
        note = self.models.get(model.name)
        if not names or note is None:
            return bool(names)
        return (
            note.model != model
            or note.listed_at < note.settles_at
            or any(self.is_new(name, model.name) for name in names)
        )

    def is_new(self, rule: str, model: str) -> bool:
        """Whether a model's versions were last listed before the rule was known."""
        return self.listed_at(model) < self.rules[rule].since

    def listed_at(self, model: str) -> datetime:
        """Return when the versions of a model were last listed; LONG_AGO if never."""
        note = self.models.get(model)
        return note.listed_at if note else LONG_AGO

    def tried_at(self, model: str) -> datetime:
        """Return when listing the versions of a model was last tried; LONG_AGO if never."""
        note = self.models.get(model)
        return note.tried_at if note else LONG_AGO

    def tried(self, model: ModelSummary) -> ModelNote:
        """Return the note on a model whose versions could not be listed or decided on."""
        note = self.models.get(model.name)
        if note:
            return replace(note, tried_at=self.began_at)
        # Without its summary: when its versions are first listed, it may still have to settle.
        return ModelNote(ModelSummary(model.name, None, None), LONG_AGO, LONG_AGO, self.began_at)

    def noted(self, model: ModelSummary, versions: Iterable[Registration]) -> ModelNote:
        """Return the note on a model whose versions have been listed and decided on."""
        listed = list(versions)
        before = self.models.get(model.name)
        settles = [LONG_AGO]
        if before and before.model == model:
            settles.append(before.settles_at)
        elif model.latest_version not in {None, *(one.version for one in listed)}:
            settles.append(self.began_at + SETTLING)
        # Do not wait for a date in the future.
        moments = (one.registered_at for one in listed if one.registered_at)
        latest = self.began_at + SETTLING
        settles.extend(moment + SETTLING for moment in moments if moment < latest)
        return ModelNote(model, self.began_at, max(settles), self.began_at)

    def is_baseline(self, rule: str, registration: Registration) -> bool:
        """Whether a registration is in the baseline: from before the rule was known, or undated."""
        registered_at = registration.registered_at
        return registered_at is None or registered_at <= self.rules[rule].since + _CLOCK_STEP

    def may_be_missing(self, rule: str, registration: Registration) -> bool:
        """Whether a registration may have been missed: not in the baseline, and recent."""
        if registration.registered_at is None or self.is_baseline(rule, registration):
            return False
        window = min(self.listed_at(registration.model), self.began_at - self.lookback)
        # Registrations from before the rule broke were decided on while it was valid.
        since = self.rules[rule].broken_since or window
        return registration.registered_at > max(window, since)


def noted(
    rule: Rule | BrokenRule, note: RuleNote | None, workspace: WorkspaceNote, now: datetime
) -> RuleNote:
    """Return the note on a rule, given the previous one.

    A broken rule keeps its note, because it may select the same once it is fixed. A note from
    before the workspace was removed and added again is discarded.
    """
    if note and note.since < workspace.since:
        note = None
    if isinstance(rule, BrokenRule):
        if note is None:
            return RuleNote("", now, now)
        return replace(note, broken_since=note.broken_since or workspace.looked_at or now)
    if note and note.selectors == rule.selectors:
        return replace(note, broken_since=None)
    return RuleNote(rule.selectors, now)


def baseline_of(found: Iterable[tuple[Evaluation, Registration]]) -> Baseline | None:
    """Return the newest version that matched, as the baseline; None if none did."""
    known = [
        (evaluation.version, registration.version, evaluation.rule.ordering)
        for evaluation, registration in found
        if evaluation.matched and evaluation.version
    ]
    if not known:
        return None
    compared, version, ordering = max(known, key=lambda one: one[0])
    return Baseline(version, compared.text, ordering)
