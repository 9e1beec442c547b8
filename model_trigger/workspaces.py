"""Find registrations whose event never arrived, by listing the models of the workspaces."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from model_trigger.claims import State
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision, Outcome
from model_trigger.events import Registration, Workspace
from model_trigger.passes import (
    Memory,
    ModelSummary,
    Pass,
    Progress,
    RuleNote,
    WorkspaceNote,
    baseline_mark,
    noted,
)
from model_trigger.ports import (
    AzureMLError,
    ConflictError,
    LedgerError,
    Services,
    WorkspaceAccessError,
)
from model_trigger.rulebook import BrokenRule, RuleBook
from model_trigger.rules import Evaluation, Rule
from model_trigger.starting import attend, keep, partition_of
from model_trigger.versions import Version

# What one registration may take, in seconds, as for a delivery.
_ONE_START = 25.0
# What a workspace may take at least, in seconds, however many there are.
_SHORTEST_LOOK = 60.0
# So many models in a row could not be listed: Azure ML or storage is down.
_MOST_FAILURES = 3

_log = logging.getLogger("model_trigger")

# Yields decisions, and returns whether everything was decided.
Decisions = Generator[Decision, None, bool]


def find_missing(book: RuleBook, services: Services, deadline: Deadline) -> Iterator[Decision]:
    """Check every workspace, the one that has waited longest first, as far as the time allows.

    What is left is checked in the next pass. Raises LedgerError.
    """
    notes, now = services.ledger.workspace_notes(deadline)
    present = {workspace.key for workspace in services.workspaces}
    for key, note in notes.items():
        if key not in present:
            services.ledger.forget_workspace(note.workspace, deadline)
    waiting = sorted(services.workspaces, key=lambda one: _looked_at(notes.get(one.key)))
    for place, workspace in enumerate(waiting):
        share = max(_SHORTEST_LOOK, deadline.remaining / (len(waiting) - place))
        note = notes.get(workspace.key)
        look = _Look(workspace, book, services, now, deadline.within(share))
        try:
            yield from look.through(note or WorkspaceNote(workspace, since=now), is_new=not note)
        except (LedgerError, ConflictError) as error:
            _log.error("reconcile: workspace %s: %s", workspace.id, error)
        except Exception:  # noqa: BLE001 - a fault that nobody has thought of yet stops no other workspace
            _log.exception("reconcile: workspace %s could not be checked", workspace.id)


def _looked_at(note: WorkspaceNote | None) -> datetime:
    return (note and note.looked_at) or datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look through one workspace."""

    workspace: Workspace
    book: RuleBook
    services: Services
    now: datetime
    deadline: Deadline

    def through(self, note: WorkspaceNote, *, is_new: bool) -> Iterator[Decision]:
        """Go through the workspace's models, those first that were not listed for longest.

        Raises LedgerError.
        """
        ledger = self.services.ledger
        looked = replace(note, looked_at=self.now)
        if is_new:
            ledger.note_workspace(looked, self.deadline)
        memory = ledger.memory(self.workspace, self.deadline)
        rules = self._noted_rules(memory, note)
        this = Pass(rules, memory.models, self.now, self.services.reconcile_lookback)
        models, is_whole = self._listed()
        due = [
            (model, rules)
            for model in models
            if this.must_list(model, rules := self.book.about(model.name))
        ]
        due.sort(key=lambda one: this.listed_at(one[0].name))
        checked = yield from self._models(this, due)
        progress = Progress(len(models), checked, len(due) - checked)
        passed_at = self.now if is_whole and not progress.left else note.passed_at
        ledger.note_workspace(
            replace(looked, passed_at=passed_at, progress=progress), self.deadline
        )

    def _listed(self) -> tuple[Sequence[ModelSummary], bool]:
        """List the models as far as possible, and return whether that is all of them."""
        models: list[ModelSummary] = []
        try:
            models.extend(self.services.azure_ml().models(self.workspace, self.deadline))
        except (AzureMLError, WorkspaceAccessError) as error:
            _log.error("reconcile: %s", error)
            return models, False
        return models, True

    def _noted_rules(self, memory: Memory, workspace: WorkspaceNote) -> Mapping[str, RuleNote]:
        """Note each rule that is new or selects otherwise than before, and forget the absent."""
        ledger = self.services.ledger
        rules: dict[str, Rule | BrokenRule] = {**self.book.rules, **self.book.broken}
        for name in memory.rules.keys() - rules.keys():
            ledger.forget_rule(self.workspace, name, self.deadline)
        notes: dict[str, RuleNote] = {}
        for name, rule in rules.items():
            before = memory.rules.get(name)
            notes[name] = noted(rule, before, workspace.since, self.now)
            if notes[name] != before:
                ledger.note_rule(self.workspace, name, notes[name], self.deadline)
        return notes

    def _models(
        self, this: Pass, due: Sequence[tuple[ModelSummary, Sequence[Rule | BrokenRule]]]
    ) -> Generator[Decision, None, int]:
        """List the versions of each model, and return how many are done with."""
        checked = failures = 0
        for model, rules in due:
            if not self.deadline.allows(_ONE_START) or failures == _MOST_FAILURES:
                break
            try:
                checked += yield from self._versions(this, model, rules)
                failures = 0
            except (AzureMLError, LedgerError, ConflictError) as error:
                _log.error("reconcile: %s", error)
                failures += 1
            except WorkspaceAccessError as error:
                _log.error("reconcile: %s", error)
            except Exception:  # noqa: BLE001 - a fault that nobody has thought of yet stops no other model
                _log.exception("reconcile: model %r of %s", model.name, self.workspace.id)
        return checked

    def _versions(
        self, this: Pass, model: ModelSummary, rules: Sequence[Rule | BrokenRule]
    ) -> Decisions:
        """Go through a model's versions for each rule that is about it."""
        azure_ml = self.services.azure_ml()
        versions = list(azure_ml.versions(self.workspace, model.name, self.deadline))
        decided = True
        for rule in rules:
            missing = [one for one in versions if this.may_be_missing(rule.name, one)]
            if isinstance(rule, Rule):
                if this.is_new(rule.name, model.name):
                    there = [one for one in versions if this.is_baseline(rule.name, one)]
                    self._mark_baseline(rule, there)
                found = self._started(rule, missing)
            else:
                found = self._kept(rule, missing)
            for decision in found:
                decided = decided and decision.outcome is not Outcome.PENDING
                yield decision
        if decided:
            note = this.noted(model, versions)
            self.services.ledger.note_model(self.workspace, note, self.deadline)
        return decided

    def _mark_baseline(self, rule: Rule, there: Sequence[Registration]) -> None:
        """Mark the newest version that was there before the rule, unless one is claimed.

        Raises LedgerError.
        """
        mark = baseline_mark((rule.evaluate(one), one) for one in there)
        if mark is None:
            return
        partition = partition_of(rule, there[0])
        if self.services.ledger.read(partition, mark.version, self.deadline).mark is None:
            with suppress(ConflictError):  # one has been claimed meanwhile
                self.services.ledger.write(partition, None, mark, self.deadline)

    def _started(self, rule: Rule, missing: Sequence[Registration]) -> Iterator[Decision]:
        """Start what the rule wants and does not know, the older versions first."""
        pairs = [(rule.evaluate(one), one) for one in missing]
        wanted = [(found, one) for found, one in pairs if found.matched and found.version]
        for evaluation, registration in sorted(wanted, key=_by_version):
            if not self._is_known(rule, registration):
                yield attend(evaluation, registration, self.services, self._one())

    def _kept(self, broken: BrokenRule, missing: Sequence[Registration]) -> Iterator[Decision]:
        """Keep what a broken rule may want."""
        for registration in missing:
            if not self._is_known(broken, registration):
                yield keep(broken, registration, self.services, self._one())

    def _is_known(self, rule: Rule | BrokenRule, registration: Registration) -> bool:
        """Whether the rule has decided on a registration, or keeps it until it is fixed."""
        partition = partition_of(rule, registration)
        claim = self.services.ledger.read(partition, registration.version, self.deadline).claim
        return claim is not None and (claim.state is not State.KEPT or isinstance(rule, BrokenRule))

    def _one(self) -> Deadline:
        return self.deadline.within(_ONE_START)


def _by_version(pair: tuple[Evaluation, Registration]) -> Version:
    version = pair[0].version
    assert version is not None, "what matches has a version"  # noqa: S101
    return version
