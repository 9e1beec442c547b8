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

# The least time for one workspace in seconds, however many there are.
_SHORTEST_CHECK = 60.0
# After this many consecutive failures of models, or of rules of a model, Azure ML or storage is
# assumed to be down.
_MAX_FAILURES = 3
# Seconds reserved for writing the notes of a check.
_NOTE_RESERVE = 10.0

_log = logging.getLogger("model_trigger")


def find_missing(
    book: RuleBook,
    starter: Starter,
    store: NoteStore,
    workspaces: Sequence[Workspace],
    deadline: Deadline,
) -> Iterator[Decision]:
    """Check the workspaces, the longest unchecked first, until time runs out.

    The next pass continues with the rest, and with whatever needs an organization or workspace
    that did not respond in this one. Raises LedgerError.
    """
    # Separate from that of the open claims: a claim that times out in every pass would otherwise
    # block missed registrations forever, whereas a missed one that times out leaves a claim.
    unanswered: set[str] = set()
    notes, now = store.workspaces(deadline)
    present = {workspace.key for workspace in workspaces}
    for key, note in notes.items():
        if key not in present:
            with suppress(LedgerError):  # the next pass deletes it
                store.forget_workspace(note.workspace, deadline)
    waiting = sorted(
        workspaces, key=lambda one: notes[one.key].turn if one.key in notes else LONG_AGO
    )
    for place, workspace in enumerate(waiting):
        share = max(_SHORTEST_CHECK, deadline.remaining / (len(waiting) - place))
        note = notes.get(workspace.key)
        check = WorkspaceCheck(
            workspace, book, starter, store, now, deadline.within(share), unanswered
        )
        try:
            yield from check.run(note or WorkspaceNote(workspace, since=now), is_new=not note)
        except (LedgerError, ConflictError) as error:
            _log.error("reconcile: workspace %s: %s", workspace.id, error)
        except Exception:  # noqa: BLE001 - an unexpected error must not stop other workspaces
            _log.exception("reconcile: workspace %s could not be checked", workspace.id)


@dataclass(frozen=True, slots=True)
class WorkspaceCheck:
    """One check of one workspace for registrations whose event never arrived."""

    workspace: Workspace
    book: RuleBook
    starter: Starter
    store: NoteStore
    now: datetime
    deadline: Deadline
    unanswered: set[str]

    def run(self, note: WorkspaceNote, *, is_new: bool) -> Iterator[Decision]:
        """Check the models of the workspace, the longest unlisted first.

        Raises LedgerError.
        """
        if is_new:
            self.store.note_workspace(note, self.deadline)
        memory = self.store.memory(self.workspace, self.deadline)
        rules = self.note_rules(memory, note)
        current = Pass(rules, memory.models, self.now, self.starter.policy.reconcile_lookback)
        models, tally = self.list_models()
        due = [
            (model, about)
            for model in models
            if current.must_list(model, about := self.book.about(model.name))
        ]
        due.sort(key=lambda one: current.tried_at(one[0].name))
        tally.due = len(due)
        yield from self.check_models(current, due, tally)
        self.store.note_workspace(note.after(tally, self.now), self.deadline)

    def list_models(self) -> tuple[Sequence[ModelSummary], Tally]:
        """List the models; if the list is incomplete, the tally has the problem."""
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
        """The deadline for calls whose result must be noted afterwards."""
        return self.deadline.within(max(0.0, self.deadline.remaining - _NOTE_RESERVE))

    def note_rules(self, memory: Memory, workspace: WorkspaceNote) -> Mapping[str, RuleNote]:
        """Note each rule that is new or selects differently, and delete notes on absent rules."""
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
        current: Pass,
        due: Sequence[tuple[ModelSummary, Sequence[Rule | BrokenRule]]],
        tally: Tally,
    ) -> Iterator[Decision]:
        """Check the versions of each model until time runs out, and count the results."""
        failures = 0
        for model, rules in due:
            if not self.deadline.allows(ONE_START) or failures == _MAX_FAILURES:
                return
            is_done = False
            try:
                is_done = yield from self.check_versions(current, model, rules, tally)
                failures = 0
            except (AzureMLError, LedgerError, ConflictError) as error:
                _log.error("reconcile: %s", error)
                tally.problem, failures = str(error), failures + 1
            except WorkspaceAccessError as error:
                _log.error("reconcile: %s", error)
                tally.problem = str(error)
            except Exception as error:  # noqa: BLE001 - an unexpected error must not stop others
                _log.exception("reconcile: model %r of %s", model.name, self.workspace.id)
                tally.problem = f"model {model.name!r}: {type(error).__name__}: {error}"
            tally.checked += is_done
            tally.failed += not is_done
            if not is_done:
                with suppress(LedgerError):  # without the note, it goes first in the next pass too
                    self.store.note_model(self.workspace, current.tried(model), self.deadline)

    def check_versions(
        self,
        current: Pass,
        model: ModelSummary,
        rules: Sequence[Rule | BrokenRule],
        tally: Tally,
    ) -> Decisions:
        """Check the versions of a model under each of its rules; return whether all are decided.

        A rule that fails stops no other, unless several fail in a row. Raises AzureMLError,
        WorkspaceAccessError, and LedgerError or ConflictError if no rule could be checked.
        """
        models = self.starter.models()
        versions = list(models.versions(self.workspace, model.name, self.before_notes))
        decided, failures, checked = True, 0, 0
        for rule in rules:
            check = RuleCheck(
                rule,
                versions,
                current,
                self.starter,
                self.deadline,
                self.before_notes,
                self.unanswered,
            )
            try:
                decided = (yield from check.run()) and decided
                failures, checked = 0, checked + 1
            except UnreadableRowError as error:
                _log.error("reconcile: %s", error)
                decided = False
            except (LedgerError, ConflictError) as error:
                decided, failures = False, failures + 1
                if failures in {_MAX_FAILURES, len(rules)} and not checked:
                    raise
                tally.problem = str(error)
                _log.error("reconcile: rule %r, model %r: %s", rule.name, model.name, error)
                if failures == _MAX_FAILURES:
                    break
            except Exception:  # noqa: BLE001 - an error in one rule must not stop others
                _log.exception("reconcile: rule %r, model %r", rule.name, model.name)
                decided = False
        if decided:
            self.store.note_model(self.workspace, current.noted(model, versions), self.deadline)
        return decided
