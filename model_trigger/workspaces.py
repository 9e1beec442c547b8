"""Find registrations whose event never arrived, by listing the models of the workspaces."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from model_trigger.claims import State
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision, Outcome
from model_trigger.events import Registration, Workspace
from model_trigger.passes import (
    ModelSummary,
    Pass,
    RuleNote,
    WorkspaceNote,
    baseline_mark,
    noted,
)
from model_trigger.ports import AzureMLError, ConflictError, Services, WorkspaceAccessError
from model_trigger.rulebook import BrokenRule, RuleBook
from model_trigger.rules import Evaluation, Rule
from model_trigger.starting import attend, keep, partition_of
from model_trigger.versions import Version

# What one registration may take, in seconds, as for a delivery.
_ONE_START = 25.0

_log = logging.getLogger("model_trigger")

# Yields decisions, and returns whether everything was seen to.
Decisions = Generator[Decision, None, bool]


def find_missing(book: RuleBook, services: Services, deadline: Deadline) -> Iterator[Decision]:
    """Look through every workspace; what the time does not allow is left to the next run.

    Raises LedgerError.
    """
    before, now = services.ledger.rule_notes(deadline)
    notes = _note_rules(book, before, now, services, deadline)
    complete = True
    for workspace in services.workspaces:
        look = _Look(workspace, book, services, notes, now, deadline)
        complete = (yield from look.through()) and complete
    if complete and services.workspaces:
        for name, note in notes.items():
            if not note.has_baseline:
                services.ledger.note_rule(name, replace(note, has_baseline=True), deadline)


def _note_rules(
    book: RuleBook,
    before: Mapping[str, RuleNote],
    now: datetime,
    services: Services,
    deadline: Deadline,
) -> Mapping[str, RuleNote]:
    """Note each rule that is new or selects otherwise than before."""
    rules: dict[str, Rule | BrokenRule] = {**book.rules, **book.broken}
    notes = {name: noted(rule, before.get(name), now) for name, rule in rules.items()}
    for name, note in notes.items():
        if note != before.get(name):
            services.ledger.note_rule(name, note, deadline)
    return notes


@dataclass(frozen=True, slots=True)
class _Look:
    """One look through one workspace."""

    workspace: Workspace
    book: RuleBook
    services: Services
    rules: Mapping[str, RuleNote]
    now: datetime
    deadline: Deadline

    def through(self) -> Decisions:
        """Go through the workspace's models; true when all were seen and all is decided."""
        ledger = self.services.ledger
        note = ledger.workspace_note(self.workspace, self.deadline)
        if note is None:
            note = WorkspaceNote(since=self.now)
            ledger.note_workspace(self.workspace, note, self.deadline)
        this = Pass(note, self.rules, self.now, self.services.reconcile_lookback)
        try:
            complete = yield from self._models(this)
        except (AzureMLError, WorkspaceAccessError) as error:
            _log.error("reconcile: %s", error)
            return False
        if complete:
            ledger.note_workspace(self.workspace, replace(note, passed_at=self.now), self.deadline)
        return complete

    def _models(self, this: Pass) -> Decisions:
        complete = True
        for model in self.services.azure_ml().models(self.workspace, self.deadline):
            if not self.deadline.allows(_ONE_START):
                return False
            rules = self.book.about(model.name)
            if this.must_list_versions(model, rules):
                complete = (yield from self._versions(this, model, rules)) and complete
        return complete

    def _versions(
        self, this: Pass, model: ModelSummary, rules: Sequence[Rule | BrokenRule]
    ) -> Decisions:
        """Go through a model's versions for each rule that is about it."""
        azure_ml = self.services.azure_ml()
        try:
            versions = list(azure_ml.versions(self.workspace, model.name, self.deadline))
        except WorkspaceAccessError as error:
            _log.error("reconcile: %s", error)  # the others go on
            return False
        decided = True
        for rule in rules:
            missing = [one for one in versions if this.may_be_missing(rule.name, one)]
            if isinstance(rule, Rule):
                if not self.rules[rule.name].has_baseline:
                    self._mark_baseline(
                        rule, [one for one in versions if this.is_baseline(rule.name, one)]
                    )
                found = self._started(rule, missing)
            else:
                found = self._kept(rule, missing)
            for decision in found:
                decided = decided and decision.outcome is not Outcome.PENDING
                yield decision
        if decided:
            self.services.ledger.note_model(self.workspace, this.noted(model), self.deadline)
        return decided

    def _mark_baseline(self, rule: Rule, there: Sequence[Registration]) -> None:
        """Mark the newest version that was there before the rule, unless one is claimed."""
        mark = baseline_mark((rule.evaluate(one), one) for one in there)
        if mark is None:
            return
        partition = partition_of(rule, there[0])
        if self.services.ledger.read(partition, mark.version, self.deadline).mark is None:
            try:
                self.services.ledger.write(partition, None, mark, self.deadline)
            except ConflictError:
                return

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
        """Tell whether the rule has decided on a registration, or keeps it until it is mended."""
        partition = partition_of(rule, registration)
        claim = self.services.ledger.read(partition, registration.version, self.deadline).claim
        return claim is not None and (
            claim.state is not State.UNREADABLE or isinstance(rule, BrokenRule)
        )

    def _one(self) -> Deadline:
        return self.deadline.within(_ONE_START)


def _by_version(pair: tuple[Evaluation, Registration]) -> Version:
    version = pair[0].version
    assert version is not None, "what matches has a version"  # noqa: S101
    return version
