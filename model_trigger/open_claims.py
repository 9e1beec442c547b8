"""Bring claims to their end that no delivery has: unknown, refused, waiting, or kept unread."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from model_trigger import claims
from model_trigger.claims import Claim, Done, Partition, State
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision, Outcome
from model_trigger.holding import Hold
from model_trigger.ports import ConflictError, Services
from model_trigger.rulebook import RuleBook
from model_trigger.rules import Rule
from model_trigger.starting import attend, partition_of

# What one claim may take, in seconds, as for a delivery.
_ONE_CLAIM = 25.0


def finish_claims(
    book: RuleBook | None, services: Services, deadline: Deadline
) -> Iterator[Decision]:
    """Take up every claim that is due; what the time does not allow is left to the next run.

    Without a book, when the rules cannot be read, releases are looked up and nothing is started.
    Raises LedgerError.
    """
    _, now = services.ledger.rule_notes(deadline)
    for partition, claim in services.ledger.open_claims(deadline):
        if not deadline.allows(_ONE_CLAIM):
            return
        if _is_due(claim, now):
            open_claim = _OpenClaim(partition, claim, services, deadline.within(_ONE_CLAIM), now)
            decision = open_claim.finish(book)
            if decision:
                yield decision


def _is_due(claim: Claim, now: datetime) -> bool:
    if claim.state is State.STARTING:
        return claim.lease_until <= now
    return claim.not_before is None or claim.not_before <= now


@dataclass(frozen=True, slots=True)
class _OpenClaim:
    """A claim that is due, and what is needed to finish it."""

    partition: Partition
    claim: Claim
    services: Services
    deadline: Deadline
    now: datetime

    def finish(self, book: RuleBook | None) -> Decision | None:
        """Take the claim up under the present rules; None when there is nothing to tell."""
        name = self.partition.rule
        if book is None or name in book.broken:
            return self._look_up_only() if self.claim.state is State.STARTING else None
        rule = book.rules.get(name)
        if rule is None:
            return self._close(f"there is no rule {name!r} any more")
        return self._finish_under(rule)

    def _finish_under(self, rule: Rule) -> Decision | None:
        registration = replace(self.claim.registration, source="reconcile")
        evaluation = rule.evaluate(registration)
        if not evaluation.matched:
            return self._close(f"the rule does not want it any more: {evaluation.reason}")
        if partition_of(rule, registration) != self.partition:
            return self._close(f"the rule's mode is {rule.mode} now")
        if self.claim.state is State.FAILED and self._is_over(self.claim.failed_since):
            return self._settle(Outcome.GIVEN_UP, f"given up: {self.claim.reason}")
        decision = attend(evaluation, registration, self.services, self.deadline, retry=True)
        return self._given_up(decision) or decision

    def _close(self, reason: str) -> Decision | None:
        """Close a claim that nobody wants any more, unless its release is there."""
        if self.claim.state is not State.STARTING:
            return self._settle(Outcome.CLOSED, reason)
        decision = self._look_up_only()
        return decision or self._settle(Outcome.CLOSED, reason)

    def _look_up_only(self) -> Decision | None:
        """Look up a release without starting it; None when it is not there, for certain."""
        hold = Hold(self.services, self.deadline, self.partition, self.claim.version)
        try:
            snapshot = hold.read()
            if snapshot.claim is None or snapshot.claim.etag != self.claim.etag:
                return None
            done = hold.take_over(snapshot.claim, snapshot)
        except ConflictError:
            return None
        if done is None:
            return None
        decision = self._decision(done)
        return self._given_up(decision) or decision

    def _given_up(self, decision: Decision) -> Decision | None:
        """Give up what is unknown for so long that a person should look."""
        is_unknown = decision.outcome in {Outcome.FAILED, Outcome.PENDING}
        if (
            self.claim.state is State.STARTING
            and is_unknown
            and self._is_over(self.claim.claimed_at)
        ):
            reason = f"given up, look for [model-trigger:{self.claim.key}]: {decision.reason}"
            return self._settle(Outcome.GIVEN_UP, reason)
        return None

    def _is_over(self, since: datetime | None) -> bool:
        return since is not None and since + self.services.retry_for <= self.now

    def _settle(self, outcome: Outcome, reason: str) -> Decision | None:
        """End the claim; None when another process has gone on with it."""
        hold = Hold(self.services, self.deadline, self.partition, self.claim.version)
        current = hold.read().claim
        if current is None or current.state not in {self.claim.state, State.WAITING}:
            return None
        done = Done(outcome, reason)
        try:
            hold.write(claims.settled(current, done), None)
        except ConflictError:
            return None
        return self._decision(done)

    def _decision(self, done: Done) -> Decision:
        registration = replace(self.claim.registration, source="reconcile")
        return Decision(
            done.outcome,
            done.reason,
            rule=self.partition.rule,
            registration=registration,
            release=done.release,
        )
