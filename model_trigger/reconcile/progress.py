"""What reconcile remembers from pass to pass, and what it makes of a workspace's list of models.

A pass lists the models of a workspace, and the versions only of those that have changed or that a
rule is new to. What was registered before a rule was new or changed, or before the workspace was
listed in WORKSPACES, is its baseline: it is marked as known, and never started by reconcile.
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

# The list of a model's versions lags behind its summary, half a minute in the tests of
# https://github.com/Azure/azure-sdk-for-python (sdk/ml/azure-ai-ml/tests/model/e2etests), and
# MLflow writes tags after registering: for so long, the versions are listed again.
SETTLING = timedelta(minutes=10)
# The storage clock shows whole seconds, rounded down; Azure ML's shows fractions.
_CLOCK_STEP = timedelta(seconds=1)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ModelNote:
    """A model's summary when its versions were last listed, by the storage clock, and decided on.

    Its versions are listed again until they have been at or after `settles_at`. `tried_at` is when
    that was last tried, whatever came of it.
    """

    model: ModelSummary
    listed_at: datetime
    settles_at: datetime
    tried_at: datetime


@dataclass(frozen=True, slots=True)
class RuleNote:
    """Since when a rule selects as it does in a workspace; `selectors` is the digest of how.

    `broken_since` is the last look at the workspace at which the rule was valid, None if it is.
    """

    selectors: str
    since: datetime
    broken_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workspace was checked: of so many models, what the last pass did.

    `checked` are done with, `failed` could not be, and for those `left` there was no time.
    """

    models: int
    checked: int
    failed: int
    left: int

    @property
    def passes_left(self) -> int | None:
        """How many more passes it takes at this pace; None when the last one got nowhere."""
        if not self.left:
            return 0
        return -(-self.left // self.checked) if self.checked else None


@dataclass(slots=True)
class Tally:
    """What a check of a workspace has come to: of its models, those due, checked and failed.

    `problem` is the last thing that went wrong.
    """

    models: int
    problem: str
    due: int = 0
    checked: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class WorkspaceNote:
    """Since when a workspace is listed, and when it was last looked at and checked to its end.

    `problem` is why the last look did not get there, if not for lack of time.
    """

    workspace: Workspace
    since: datetime
    looked_at: datetime | None = None
    passed_at: datetime | None = None
    progress: Progress | None = None
    problem: str = ""

    @property
    def turn(self) -> datetime:
        """When it last had its turn; long ago when it never had."""
        return self.looked_at or LONG_AGO

    def after(self, tally: Tally, now: datetime) -> "WorkspaceNote":
        """Return the note after a check that began at this time."""
        tried = tally.checked + tally.failed
        note = replace(self, problem=tally.problem)
        if tally.models or not tally.problem:
            progress = Progress(tally.models, tally.checked, tally.failed, tally.due - tried)
            note = replace(note, progress=progress)
        if tried or not tally.due:  # a workspace that got no time comes first in the next pass
            note = replace(note, looked_at=now)
        if tally.checked == tally.due and not tally.problem:
            note = replace(note, passed_at=now)
        return note


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of the rules and models of one workspace, by their names."""

    rules: Mapping[str, RuleNote] = field(default_factory=dict[str, RuleNote])
    models: Mapping[str, ModelNote] = field(default_factory=dict[str, ModelNote])


class NoteStore(Protocol):
    """Keeps what reconcile notes. Every method raises LedgerError."""

    def workspaces(self, deadline: Deadline) -> tuple[Mapping[str, WorkspaceNote], datetime]:
        """Read the note of each workspace, by the workspace's key, with the storage time."""
        ...

    def note_workspace(self, note: WorkspaceNote, deadline: Deadline) -> None:
        """Write the note of a workspace."""
        ...

    def forget_workspace(self, workspace: Workspace, deadline: Deadline) -> None:
        """Remove the note of a workspace: when it returns, it is new."""
        ...

    def memory(self, workspace: Workspace, deadline: Deadline) -> Memory:
        """Read the notes on the rules and models of a workspace."""
        ...

    def note_rule(
        self, workspace: Workspace, rule: str, note: RuleNote, deadline: Deadline
    ) -> None:
        """Write since when a rule selects as it does in a workspace."""
        ...

    def forget_rule(self, workspace: Workspace, rule: str, deadline: Deadline) -> None:
        """Remove the note on a rule: when it returns, it is new."""
        ...

    def note_model(self, workspace: Workspace, note: ModelNote, deadline: Deadline) -> None:
        """Write how a model was listed, once all that was found in it is decided."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at one workspace: what is known before it, and when it begins."""

    rules: Mapping[str, RuleNote]
    models: Mapping[str, ModelNote]
    began_at: datetime
    lookback: timedelta

    def must_list(self, model: ModelSummary, rules: Iterable[Rule | BrokenRule]) -> bool:
        """Whether the versions of a model that these rules are about must be listed."""
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
        """Whether a rule is new to a model: its versions have not been listed for it."""
        return self.listed_at(model) < self.rules[rule].since

    def listed_at(self, model: str) -> datetime:
        """Return when the versions of a model were last listed; long ago when they never were."""
        note = self.models.get(model)
        return note.listed_at if note else LONG_AGO

    def tried_at(self, model: str) -> datetime:
        """Return when listing a model's versions was last tried; long ago when it never was."""
        note = self.models.get(model)
        return note.tried_at if note else LONG_AGO

    def tried(self, model: ModelSummary) -> ModelNote:
        """Note that a model's versions could not be listed, or not be decided on."""
        note = self.models.get(model.name)
        if note:
            return replace(note, tried_at=self.began_at)
        # Without its summary: when it is listed for the first time, it may have to settle.
        return ModelNote(ModelSummary(model.name, None, None), LONG_AGO, LONG_AGO, self.began_at)

    def noted(self, model: ModelSummary, versions: Iterable[Registration]) -> ModelNote:
        """Note that a model's versions have been listed and decided on."""
        listed = list(versions)
        before = self.models.get(model.name)
        settles = [LONG_AGO]
        if before and before.model == model:
            settles.append(before.settles_at)
        elif model.latest_version not in {None, *(one.version for one in listed)}:
            settles.append(self.began_at + SETTLING)
        # A date in the future is not one to wait for.
        moments = (one.registered_at for one in listed if one.registered_at)
        latest = self.began_at + SETTLING
        settles.extend(moment + SETTLING for moment in moments if moment < latest)
        return ModelNote(model, self.began_at, max(settles), self.began_at)

    def is_baseline(self, rule: str, registration: Registration) -> bool:
        """Whether a registration was there before the rule, or before the workspace, was known."""
        registered_at = registration.registered_at
        return registered_at is None or registered_at <= self.rules[rule].since + _CLOCK_STEP

    def may_be_missing(self, rule: str, registration: Registration) -> bool:
        """Whether a registration may have been missed: it is new to the rule and recent."""
        if registration.registered_at is None or self.is_baseline(rule, registration):
            return False
        window = min(self.listed_at(registration.model), self.began_at - self.lookback)
        # What came before a rule broke was decided on while it was valid.
        since = self.rules[rule].broken_since or window
        return registration.registered_at > max(window, since)


def noted(
    rule: Rule | BrokenRule, note: RuleNote | None, workspace: WorkspaceNote, now: datetime
) -> RuleNote:
    """Note since when a rule selects as it does.

    A broken rule keeps what was noted of it: when it is fixed, nothing of it may have changed. What
    was noted before the workspace was removed and added again is void.
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
    """Make a rule's baseline from what was there before it: the newest that it would want."""
    known = [
        (evaluation.version, registration.version, evaluation.rule.ordering)
        for evaluation, registration in found
        if evaluation.matched and evaluation.version
    ]
    if not known:
        return None
    compared, version, ordering = max(known, key=lambda one: one[0])
    return Baseline(version, compared.text, ordering)
