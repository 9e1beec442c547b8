"""Decide on the versions of one model that one rule may have missed."""

import logging
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from model_trigger.claims.claim import State
from model_trigger.claims.starter import Starter, partition_of
from model_trigger.claims.store import UnreadableRowError
from model_trigger.claims.transitions import with_baseline
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.reconcile.progress import (
    Pass,
    baseline_of,
)
from model_trigger.registrations.registration import Registration
from model_trigger.rules.book import BrokenRule
from model_trigger.rules.rule import Rule

# Seconds for one registration, as for a delivery.
ONE_START = 25.0
# Seconds for reading and writing one mark.
_ONE_BASELINE = 10.0
# If more claims than this are needed, all claims of the partition are read with one query.
_MAX_SINGLE_READS = 20

# Yields decisions and returns whether everything was decided.
Decisions = Generator[Decision, None, bool]

_log = logging.getLogger("model_trigger")


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """The check of one model's versions under one rule.

    `before_notes` is the deadline for reading what is decided already; `unanswered` are the
    organizations and workspaces that did not respond in this pass.
    """

    rule: Rule | BrokenRule
    versions: Sequence[Registration]
    current: Pass
    starter: Starter
    deadline: Deadline
    before_notes: Deadline
    unanswered: set[str]

    def run(self) -> Decisions:
        """Mark the baseline of a rule that is new to the model; start or keep what is missing.

        Raises LedgerError, and ConflictError if a version is claimed at the same time.
        """
        rule = self.rule
        missing = [one for one in self.versions if self.current.may_be_missing(rule.name, one)]
        is_new = bool(self.versions) and self.current.is_new(rule.name, self.versions[0].model)
        needed = ONE_START if missing else _ONE_BASELINE if is_new else 0.0
        if not self.deadline.allows(needed):
            return False
        if isinstance(rule, BrokenRule):
            return (yield from self.keep(rule, missing))
        if is_new:
            self.mark_baseline(rule)
        return (yield from self.start(rule, missing))

    def mark_baseline(self, rule: Rule) -> None:
        """Mark the newest matching version that was registered before the rule was known."""
        known = [one for one in self.versions if self.current.is_baseline(rule.name, one)]
        baseline = baseline_of((rule.evaluate(one), one) for one in known)
        if baseline is None:
            return
        partition, claims = partition_of(rule, known[0]), self.starter.claims
        marked = with_baseline(claims.mark(partition, self.deadline), baseline)
        if marked:
            claims.write(partition, None, marked, self.deadline)

    def start(self, rule: Rule, missing: Sequence[Registration]) -> Decisions:
        """Start the undecided versions that the rule matches, in ascending order."""
        pairs = [(rule.evaluate(one), one) for one in self.undecided(missing)]
        wanted = [(found.version, found, one) for found, one in pairs if found.matched]
        needed = self.starter.dependencies(rule, self.versions[0].workspace) if wanted else ()
        decided = True
        for _, evaluation, registration in sorted(wanted, key=itemgetter(0)):
            if not self.unanswered.isdisjoint(needed) or not self.deadline.allows(ONE_START):
                return False
            one = self.deadline.within(ONE_START)
            decision = self.starter.start(evaluation, registration, one)
            self.unanswered.update({decision.unanswered} - {""})
            decided = decided and decision.outcome is not Outcome.PENDING
            yield decision
        return decided

    def keep(self, broken: BrokenRule, missing: Sequence[Registration]) -> Decisions:
        """Keep the undecided versions for a broken rule, which may match them."""
        decided = True
        for registration in [*self.undecided(missing)]:
            if not self.deadline.allows(ONE_START):
                return False
            decision = self.starter.keep(broken, registration, self.deadline.within(ONE_START))
            decided = decided and decision.outcome is not Outcome.PENDING
            yield decision
        return decided

    def undecided(self, missing: Sequence[Registration]) -> Iterator[Registration]:
        """Yield the registrations that have no claim or, if the rule is valid, are only kept.

        One whose row is invalid counts as decided, and is logged.
        """
        states = self.states(missing) if len(missing) > _MAX_SINGLE_READS else None
        for one in missing:
            try:
                state = states[one.version] if states is not None else self.state(one)
            except UnreadableRowError as error:
                _log.error("reconcile: %s", error)
                continue
            if state is None or (state is State.KEPT and isinstance(self.rule, Rule)):
                yield one

    def state(self, one: Registration) -> State | None:
        """Read the state of one version's claim; None if there is no claim."""
        partition = partition_of(self.rule, one)
        claim, _ = self.starter.claims.claim(partition, one.version, self.before_notes)
        return claim.state if claim else None

    def states(self, missing: Sequence[Registration]) -> Mapping[str, State | None] | None:
        """Read the states of all claims at once; None if a row is invalid."""
        partition = partition_of(self.rule, missing[0])
        try:
            found = self.starter.claims.all_in(partition, self.before_notes)
        except UnreadableRowError:
            return None
        return defaultdict(lambda: None, {claim.version: claim.state for claim in found})
