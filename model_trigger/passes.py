"""What reconcile remembers from pass to pass, and what it makes of a workspace's list of models.

A pass lists the models of a workspace; only where a model has changed since the last pass does it
list the versions. What was registered before a rule was new or changed, or before the workspace
was listed in WORKSPACES, is its baseline: it is marked as known, and never started.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from model_trigger.claims import Mark
from model_trigger.events import Registration
from model_trigger.rulebook import BrokenRule
from model_trigger.rules import Evaluation, Rule

# The list of a model's versions lags behind what is said of the model, half a minute in the tests
# of https://github.com/Azure/azure-sdk-for-python (sdk/ml/azure-ai-ml/tests/model/e2etests): for so
# long after a change, each pass lists the versions again.
SETTLING = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model that is not archived, as its workspace lists it.

    `latest_version` is the version that Azure ML calls the latest. `modified_at` tells when the
    model itself was changed: registering a version does not count as a change (recorded in
    https://github.com/Azure/azure-sdk-for-python, sdk/ml/azure-ai-ml/tests/recordings/model).
    """

    name: str
    latest_version: str | None
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelNote:
    """How a model was listed, and when it was first seen so, by storage's clock."""

    model: ModelSummary
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class RuleNote:
    """Since when a rule selects as it does; `selectors` is the digest of how.

    `has_baseline` once every workspace was listed for it.
    """

    selectors: str
    since: datetime
    has_baseline: bool = False


@dataclass(frozen=True, slots=True)
class WorkspaceNote:
    """Since when a workspace is listed, when its last completed pass began, and what it saw."""

    since: datetime
    passed_at: datetime | None = None
    models: Mapping[str, ModelNote] = field(default_factory=dict[str, ModelNote])


@dataclass(frozen=True, slots=True)
class Pass:
    """One look at one workspace: what is known before it, and when it begins."""

    workspace: WorkspaceNote
    rules: Mapping[str, RuleNote]
    began_at: datetime
    lookback: timedelta

    @property
    def window(self) -> datetime:
        """What was registered before this moment was seen by a completed pass."""
        last = self.workspace.passed_at or self.began_at
        return min(last, self.began_at - self.lookback)

    def must_list_versions(self, model: ModelSummary, rules: Iterable[Rule | BrokenRule]) -> bool:
        """Tell whether the versions of a model that these rules are about must be listed."""
        names = [rule.name for rule in rules]
        if not names:
            return False
        if not all(self.rules[name].has_baseline for name in names):
            return True
        return self.began_at < self.noted(model).seen_at + SETTLING

    def noted(self, model: ModelSummary) -> ModelNote:
        """Give what is noted of a model; what is new is seen now."""
        note = self.workspace.models.get(model.name)
        return note if note and note.model == model else ModelNote(model, self.began_at)

    def is_baseline(self, rule: str, registration: Registration) -> bool:
        """Tell whether a registration was there before the rule, or before the workspace."""
        registered_at = registration.registered_at
        since = max(self.rules[rule].since, self.workspace.since)
        return registered_at is None or registered_at <= since

    def may_be_missing(self, rule: str, registration: Registration) -> bool:
        """Tell whether a registration may have been missed: it is new to the rule and recent."""
        if registration.registered_at is None or self.is_baseline(rule, registration):
            return False
        return registration.registered_at > self.window


def noted(rule: Rule | BrokenRule, note: RuleNote | None, now: datetime) -> RuleNote:
    """Note since when a rule selects as it does.

    A broken rule keeps what was noted of it: when it is mended, nothing of it may have changed.
    """
    if isinstance(rule, BrokenRule):
        return note or RuleNote("", now)
    if note and note.selectors == rule.selectors:
        return note
    return RuleNote(rule.selectors, now)


def baseline_mark(found: Iterable[tuple[Evaluation, Registration]]) -> Mark | None:
    """Make a rule's mark from what was there before it: the newest version that it would want."""
    known = [
        (evaluation.version, registration.version, evaluation.rule.ordering)
        for evaluation, registration in found
        if evaluation.matched and evaluation.version
    ]
    if not known:
        return None
    compared, version, ordering = max(known, key=lambda one: one[0])
    return Mark(version, compared.text, ordering, baseline=True)
