"""Find registrations whose event never arrived, by listing the models of the workspaces."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from model_trigger.claims.starter import Starter
from model_trigger.claims.store import ConflictError, LedgerError, UnreadableRowError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision
from model_trigger.reconcile.progress import (
    LONG_AGO,
    Memory,
    NoteStore,
    Pass,
    RuleNote,
    Tally,
    WorkspaceNote,
    noted,
)
from model_trigger.reconcile.rule_check import ONE_START, Decisions, RuleCheck
from model_trigger.registrations.listing import AzureMLError, ModelSummary, WorkspaceAccessError
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import BrokenRule, RuleBook
from model_trigger.rules.rule import Rule

# What a workspace may take at least, in seconds, however many there are.
_SHORTEST_LOOK = 60.0
# So many models, or rules of a model, failed in a row: Azure ML or storage is down.
_MOST_FAILURES = 3
# What is left, in seconds, to note how far a check has come.
_TO_NOTE = 10.0

_log = logging.getLogger("model_trigger")


def find_missing(
    book: RuleBook,
    starter: Starter,
    store: NoteStore,
    workspaces: Sequence[Workspace],
    deadline: Deadline,
) -> Iterator[Decision]:
    """Check every workspace, the one that has waited longest first, as far as the time allows.

    What is left is checked in the next pass, as is what would ask someone who did not answer in
    this one. Raises LedgerError.
    """
    # Not those of the open claims: a claim that meets a time-out in every pass would keep missed
    # registrations from ever being found, while one of these leaves a claim of its own.
    unanswered: set[str] = set()
    notes, now = store.workspaces(deadline)
    present = {workspace.key for workspace in workspaces}
    for key, note in notes.items():
        if key not in present:
            with suppress(LedgerError):  # the next pass forgets it
                store.forget_workspace(note.workspace, deadline)
    waiting = sorted(
        workspaces, key=lambda one: notes[one.key].turn if one.key in notes else LONG_AGO
    )
    for place, workspace in enumerate(waiting):
        share = max(_SHORTEST_LOOK, deadline.remaining / (len(waiting) - place))
        note = notes.get(workspace.key)
        check = WorkspaceCheck(
            workspace, book, starter, store, now, deadline.within(share), unanswered
        )
        try:
            yield from check.run(note or WorkspaceNote(workspace, since=now), is_new=not note)
        except (LedgerError, ConflictError) as error:
            _log.error("reconcile: workspace %s: %s", workspace.id, error)
        except Exception:  # noqa: BLE001 - a fault that nobody has thought of yet stops no other workspace
            _log.exception("reconcile: workspace %s could not be checked", workspace.id)


@dataclass(frozen=True, slots=True)
class WorkspaceCheck:
    """One check of one workspace: what is in it that no event has announced."""

    workspace: Workspace
    book: RuleBook
    starter: Starter
    store: NoteStore
    now: datetime
    deadline: Deadline
    unanswered: set[str]

    def run(self, note: WorkspaceNote, *, is_new: bool) -> Iterator[Decision]:
        """Check the workspace's models, those first that were not listed for longest.

        Raises LedgerError.
        """
        if is_new:
            self.store.note_workspace(note, self.deadline)
        memory = self.store.memory(self.workspace, self.deadline)
        rules = self.note_rules(memory, note)
        this = Pass(rules, memory.models, self.now, self.starter.policy.reconcile_lookback)
        models, tally = self.list_models()
        due = [
            (model, about)
            for model in models
            if this.must_list(model, about := self.book.about(model.name))
        ]
        due.sort(key=lambda one: this.tried_at(one[0].name))
        tally.due = len(due)
        yield from self.check_models(this, due, tally)
        self.store.note_workspace(note.after(tally, self.now), self.deadline)

    def list_models(self) -> tuple[Sequence[ModelSummary], Tally]:
        """List the models as far as possible; the tally says why not all of them."""
        models: list[ModelSummary] = []
        problem = ""
        try:
            models.extend(self.starter.models().models(self.workspace, self.before_notes))
        except (AzureMLError, WorkspaceAccessError) as error:
            _log.error("reconcile: %s", error)
            problem = str(error)
        return models, Tally(len(models), problem)

    @property
    def before_notes(self) -> Deadline:
        """The deadline for whatever is noted afterwards."""
        return self.deadline.within(max(0.0, self.deadline.remaining - _TO_NOTE))

    def note_rules(self, memory: Memory, workspace: WorkspaceNote) -> Mapping[str, RuleNote]:
        """Note each rule that is new or selects otherwise than before, and forget the absent."""
        rules: dict[str, Rule | BrokenRule] = {**self.book.rules, **self.book.broken}
        for name in memory.rules.keys() - rules.keys():
            self.store.forget_rule(self.workspace, name, self.deadline)
        notes: dict[str, RuleNote] = {}
        for name, rule in rules.items():
            before = memory.rules.get(name)
            notes[name] = noted(rule, before, workspace, self.now)
            if notes[name] != before:
                self.store.note_rule(self.workspace, name, notes[name], self.deadline)
        return notes

    def check_models(
        self,
        this: Pass,
        due: Sequence[tuple[ModelSummary, Sequence[Rule | BrokenRule]]],
        tally: Tally,
    ) -> Iterator[Decision]:
        """List the versions of each model, as far as the time allows, and count the results."""
        failures = 0
        for model, rules in due:
            if not self.deadline.allows(ONE_START) or failures == _MOST_FAILURES:
                return
            is_done = False
            try:
                is_done = yield from self.check_versions(this, model, rules)
                failures = 0
            except (AzureMLError, LedgerError, ConflictError) as error:
                _log.error("reconcile: %s", error)
                tally.problem, failures = str(error), failures + 1
            except WorkspaceAccessError as error:
                _log.error("reconcile: %s", error)
                tally.problem = str(error)
            except Exception as error:  # noqa: BLE001 - a fault nobody has thought of stops no other
                _log.exception("reconcile: model %r of %s", model.name, self.workspace.id)
                tally.problem = f"model {model.name!r}: {type(error).__name__}: {error}"
            tally.checked += is_done
            tally.failed += not is_done
            if not is_done:
                with suppress(LedgerError):  # then it does not come after the others next time
                    self.store.note_model(self.workspace, this.tried(model), self.deadline)

    def check_versions(
        self, this: Pass, model: ModelSummary, rules: Sequence[Rule | BrokenRule]
    ) -> Decisions:
        """Check a model's versions under each rule that is about it.

        Raises AzureMLError, WorkspaceAccessError, and what storage raises again and again.
        """
        models = self.starter.models()
        within = self.before_notes
        versions = list(models.versions(self.workspace, model.name, within))
        decided, failures = True, 0
        for rule in rules:
            check = RuleCheck(rule, versions, this, self.starter, within, self.unanswered)
            try:
                decided = (yield from check.run()) and decided
                failures = 0
            except UnreadableRowError as error:
                _log.error("reconcile: %s", error)
                decided = False
            except (LedgerError, ConflictError) as error:
                _log.error("reconcile: rule %r, model %r: %s", rule.name, model.name, error)
                decided, failures = False, failures + 1
                if failures == _MOST_FAILURES:
                    raise
            except Exception:  # noqa: BLE001 - a fault in one rule stops no other
                _log.exception("reconcile: rule %r, model %r", rule.name, model.name)
                decided = False
        if decided:
            self.store.note_model(self.workspace, this.noted(model, versions), self.deadline)
        return decided
