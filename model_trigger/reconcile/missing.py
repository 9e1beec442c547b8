"""Find registrations whose event never arrived, by listing the models of the workspaces."""

import logging
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from model_trigger.claims.claim import State
from model_trigger.claims.starter import Starter, partition_of
from model_trigger.claims.store import ConflictError, LedgerError, UnreadableRowError
from model_trigger.claims.transitions import with_baseline
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.matching.versions import Version
from model_trigger.reconcile.progress import (
    Memory,
    NoteStore,
    Pass,
    Progress,
    RuleNote,
    WorkspaceNote,
    baseline_of,
    noted,
)
from model_trigger.registrations.listing import AzureMLError, ModelSummary, WorkspaceAccessError
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import BrokenRule, RuleBook
from model_trigger.rules.rule import Evaluation, Rule

# What one registration may take, in seconds, as for a delivery.
_ONE_START = 25.0
# What a workspace may take at least, in seconds, however many there are.
_SHORTEST_LOOK = 60.0
# So many models, or rules of a model, failed in a row: Azure ML or storage is down.
_MOST_FAILURES = 3
# What is left, in seconds, to note how far a look has come.
_TO_NOTE = 10.0
# More claims of a rule and model than this are read with one query.
_MOST_READS = 20

_log = logging.getLogger("model_trigger")

# Yields decisions, and returns whether everything was decided.
Decisions = Generator[Decision, None, bool]


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
    waiting = sorted(workspaces, key=lambda one: _looked_at(notes.get(one.key)))
    for place, workspace in enumerate(waiting):
        share = max(_SHORTEST_LOOK, deadline.remaining / (len(waiting) - place))
        note = notes.get(workspace.key)
        look = _Look(workspace, book, starter, store, now, deadline.within(share), unanswered)
        try:
            yield from look.through(note or WorkspaceNote(workspace, since=now), is_new=not note)
        except (LedgerError, ConflictError) as error:
            _log.error("reconcile: workspace %s: %s", workspace.id, error)
        except Exception:  # noqa: BLE001 - a fault that nobody has thought of yet stops no other workspace
            _log.exception("reconcile: workspace %s could not be checked", workspace.id)


def _looked_at(note: WorkspaceNote | None) -> datetime:
    return (note and note.looked_at) or datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Tally:
    """What a look has come to so far, and the last thing that went wrong."""

    problem: str
    checked: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """One look through one workspace."""

    workspace: Workspace
    book: RuleBook
    starter: Starter
    store: NoteStore
    now: datetime
    deadline: Deadline
    unanswered: set[str]

    def through(self, note: WorkspaceNote, *, is_new: bool) -> Iterator[Decision]:
        """Go through the workspace's models, those first that were not listed for longest.

        Raises LedgerError.
        """
        if is_new:
            self.store.note_workspace(note, self.deadline)
        memory = self.store.memory(self.workspace, self.deadline)
        rules = self._noted_rules(memory, note)
        this = Pass(rules, memory.models, self.now, self.starter.policy.reconcile_lookback)
        models, problem = self._listed()
        due = [
            (model, about)
            for model in models
            if this.must_list(model, about := self.book.about(model.name))
        ]
        due.sort(key=lambda one: this.tried_at(one[0].name))
        tally = _Tally(problem)
        yield from self._models(this, due, tally)
        self.store.note_workspace(self._looked(note, len(models), len(due), tally), self.deadline)

    def _looked(self, note: WorkspaceNote, models: int, due: int, tally: "_Tally") -> WorkspaceNote:
        """Return what is noted of the workspace after this look."""
        tried = tally.checked + tally.failed
        looked = replace(note, problem=tally.problem)
        if models or not tally.problem:
            progress = Progress(models, tally.checked, tally.failed, due - tried)
            looked = replace(looked, progress=progress)
        if tried or not due:  # a workspace that got no time has its turn first in the next pass
            looked = replace(looked, looked_at=self.now)
        if tally.checked == due and not tally.problem:
            looked = replace(looked, passed_at=self.now)
        return looked

    def _listed(self) -> tuple[Sequence[ModelSummary], str]:
        """List the models as far as possible, and return why not all of them, "" when they are."""
        models: list[ModelSummary] = []
        try:
            models.extend(self.starter.models().models(self.workspace, self._before_notes))
        except (AzureMLError, WorkspaceAccessError) as error:
            _log.error("reconcile: %s", error)
            return models, str(error)
        return models, ""

    @property
    def _before_notes(self) -> Deadline:
        """The deadline for whatever is noted afterwards."""
        return self.deadline.within(max(0.0, self.deadline.remaining - _TO_NOTE))

    def _noted_rules(self, memory: Memory, workspace: WorkspaceNote) -> Mapping[str, RuleNote]:
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

    def _models(
        self,
        this: Pass,
        due: Sequence[tuple[ModelSummary, Sequence[Rule | BrokenRule]]],
        tally: "_Tally",
    ) -> Iterator[Decision]:
        """List the versions of each model, as far as the time allows, and count what came of it."""
        failures = 0
        for model, rules in due:
            if not self.deadline.allows(_ONE_START) or failures == _MOST_FAILURES:
                return
            is_done = False
            try:
                is_done = yield from self._versions(this, model, rules)
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
                self._note_tried(this, model)

    def _note_tried(self, this: Pass, model: ModelSummary) -> None:
        """Note that a model comes after the others in the next pass."""
        with suppress(LedgerError):
            self.store.note_model(self.workspace, this.tried(model), self.deadline)

    def _versions(
        self, this: Pass, model: ModelSummary, rules: Sequence[Rule | BrokenRule]
    ) -> Decisions:
        """Go through a model's versions for each rule that is about it."""
        azure_ml = self.starter.models()
        versions = list(azure_ml.versions(self.workspace, model.name, self._before_notes))
        decided, failures = True, 0
        for rule in rules:
            try:
                decided = (yield from self._for_rule(rule, this, versions)) and decided
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
            note = this.noted(model, versions)
            self.store.note_model(self.workspace, note, self.deadline)
        return decided

    def _for_rule(
        self, rule: Rule | BrokenRule, this: Pass, versions: Sequence[Registration]
    ) -> Decisions:
        missing = [one for one in versions if this.may_be_missing(rule.name, one)]
        if isinstance(rule, BrokenRule):
            return (yield from self._kept(rule, missing))
        if versions and this.is_new(rule.name, versions[0].model):
            there = [one for one in versions if this.is_baseline(rule.name, one)]
            self._mark_baseline(rule, there)
        return (yield from self._started(rule, missing))

    def _mark_baseline(self, rule: Rule, there: Sequence[Registration]) -> None:
        """Mark the newest version that was there before the rule.

        Raises LedgerError, and ConflictError when a version is claimed just now.
        """
        baseline = baseline_of((rule.evaluate(one), one) for one in there)
        if baseline is None:
            return
        partition, claims = partition_of(rule, there[0]), self.starter.claims
        mark = claims.read(partition, baseline.version, self.deadline).mark
        marked = with_baseline(mark, baseline)
        if marked:
            claims.write(partition, None, marked, self.deadline)

    def _started(self, rule: Rule, missing: Sequence[Registration]) -> Decisions:
        """Start what the rule wants and does not know, the older versions first."""
        pairs = [(rule.evaluate(one), one) for one in self._unknown(rule, missing)]
        wanted = [(found, one) for found, one in pairs if found.matched and found.version]
        asked = self.starter.asks(rule, self.workspace)
        decided = True
        for evaluation, registration in sorted(wanted, key=_by_version):
            if not self.unanswered.isdisjoint(asked) or not self.deadline.allows(_ONE_START):
                return False
            decision = self.starter.attend(evaluation, registration, self._one())
            self.unanswered.update({decision.unanswered} - {""})
            decided = decided and decision.outcome is not Outcome.PENDING
            yield decision
        return decided

    def _kept(self, broken: BrokenRule, missing: Sequence[Registration]) -> Decisions:
        """Keep what a broken rule may want."""
        decided = True
        for registration in self._unknown(broken, missing):
            if not self.deadline.allows(_ONE_START):
                return False
            decision = self.starter.keep(broken, registration, self._one())
            decided = decided and decision.outcome is not Outcome.PENDING
            yield decision
        return decided

    def _unknown(
        self, rule: Rule | BrokenRule, missing: Sequence[Registration]
    ) -> Iterator[Registration]:
        """Yield those on which the rule has not decided, and which it does not keep.

        One whose row cannot be read is known, and logged.
        """
        states = self._states(rule, missing)
        for one in missing:
            try:
                state = states[one.version] if states is not None else self._state(rule, one)
            except UnreadableRowError as error:
                _log.error("reconcile: %s", error)
                continue
            if state is None or (state is State.KEPT and isinstance(rule, Rule)):
                yield one

    def _state(self, rule: Rule | BrokenRule, one: Registration) -> State | None:
        partition = partition_of(rule, one)
        claim = self.starter.claims.read(partition, one.version, self._before_notes).claim
        return claim.state if claim else None

    def _states(
        self, rule: Rule | BrokenRule, missing: Sequence[Registration]
    ) -> Mapping[str, State | None] | None:
        """Read many claims at once; None where they are read one by one."""
        if len(missing) <= _MOST_READS:
            return None
        partition = partition_of(rule, missing[0])
        try:
            found = self.starter.claims.all_in(partition, self._before_notes)
        except UnreadableRowError:
            return None
        return defaultdict(lambda: None, {claim.version: claim.state for claim in found})

    def _one(self) -> Deadline:
        return self.deadline.within(_ONE_START)


def _by_version(pair: tuple[Evaluation, Registration]) -> Version:
    version = pair[0].version
    assert version is not None, "what matches has a version"  # noqa: S101
    return version
