"""Finish open claims: unknown, refused, waiting, or kept for a broken rule."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from model_trigger.claims import transitions
from model_trigger.claims.claim import Claim, Done, Partition, State, is_over
from model_trigger.claims.lookup import Freshness, Hold
from model_trigger.claims.starter import Starter, partition_of
from model_trigger.claims.store import ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.rules.fields import Mode
from model_trigger.rules.rule import Rule
from model_trigger.targets.request import Found

# Seconds for one claim, as for a delivery.
_ONE_CLAIM = 25.0

_log = logging.getLogger("model_trigger")


def finish_claims(
    book: RuleBook | None,
    starter: Starter,
    workspaces: Sequence[Workspace],
    deadline: Deadline,
) -> Iterator[Decision]:
    """Try to finish each claim that is due, the longest untried first, until time runs out.

    An organization or workspace that does not respond is not called again. Without a book, because
    the rules cannot be read, releases are looked up and nothing is started. Claims of workspaces
    outside `workspaces` are left alone, unless that is empty. Raises LedgerError.
    """
    found, now = starter.claims.open_claims(deadline)
    began = Freshness(deadline.clock(), now)
    unanswered: set[str] = set()
    for partition, claim in sorted(found, key=lambda one: one[1].tried_at):
        if not deadline.allows(_ONE_CLAIM):
            return
        one = OpenClaim(partition, claim, starter, deadline.within(_ONE_CLAIM), began, now)
        is_blocked = not unanswered.isdisjoint(one.dependencies(book))
        if is_left_alone(partition, workspaces) or not one.is_due or is_blocked:
            continue
        decision = one.try_to_finish(book)
        if decision:
            unanswered |= {decision.unanswered} - {""}
            yield decision


def is_left_alone(partition: Partition, workspaces: Sequence[Workspace]) -> bool:
    """Whether a claim's workspace has been removed from WORKSPACES."""
    return bool(workspaces) and partition.workspace.key not in {one.key for one in workspaces}


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """An open claim, and what is needed to finish it."""

    partition: Partition
    claim: Claim
    starter: Starter
    deadline: Deadline
    freshness: Freshness
    now: datetime

    def __str__(self) -> str:
        return f"rule {self.partition.rule!r}, {self.partition.model!r} {self.claim.version!r}"

    @property
    def is_due(self) -> bool:
        """Whether the claim may be processed now: no start is in flight, and its pause is over."""
        if self.claim.standing(self.now) is State.STARTING:
            return False
        return self.claim.not_before is None or self.claim.not_before <= self.now

    @property
    def is_unknown(self) -> bool:
        """Whether a POST may have been sent for it."""
        return self.claim.standing(self.now) is State.UNKNOWN

    def dependencies(self, book: RuleBook | None) -> tuple[str, ...]:
        """Return the organization and workspace that finishing the claim would call."""
        if self.is_unknown:
            return (self.claim.organization,)
        rule = book.rules.get(self.partition.rule) if book else None
        return self.starter.dependencies(rule, self.partition.workspace) if rule else ()

    def try_to_finish(self, book: RuleBook | None) -> Decision | None:
        """Finish the claim; log any error, so that it does not stop other claims."""
        try:
            return self.finish(book)
        except ConflictError:
            return None  # another process has taken it over
        except LedgerError as error:
            _log.warning("reconcile: %s: %s", self, error)
        except Exception:  # noqa: BLE001 - an unexpected error must not stop others
            _log.exception("reconcile: %s could not be finished", self)
        return None

    def finish(self, book: RuleBook | None) -> Decision | None:
        """Finish the claim under the current rules; None if there is nothing to report.

        Raises ConflictError, LedgerError.
        """
        name = self.partition.rule
        if book is None:
            return self.look_up()
        rule = book.rules.get(name)
        if rule is None and name not in book.broken:
            return self.finish_without_rule()
        if self.claim.absent_since:
            return self.rewrite(replace(self.claim, absent_since=None)).finish(book)
        return self.finish_under(rule) if rule else self.look_up()

    def finish_under(self, rule: Rule) -> Decision | None:
        """Finish the claim under its valid rule. Raises ConflictError, LedgerError."""
        registration = replace(self.claim.registration, source="reconcile")
        evaluation = rule.evaluate(registration)
        is_elsewhere = partition_of(rule, registration) != self.partition
        if rule.mode is Mode.OFF or (is_elsewhere and self.claim.state is not State.KEPT):
            return self.look_up()
        if not evaluation.matched:
            return self.close(f"the rule no longer matches it: {evaluation.reason}")
        decision = self.starter.start(evaluation, registration, self.deadline, retry=self.freshness)
        if not is_elsewhere:
            return self.give_up_unknown(decision) or self.give_up_refused(decision) or decision
        # The claim was kept for a broken rule, which now turns out to be in mode `observe`.
        if decision.outcome is not Outcome.PENDING:
            with suppress(ConflictError, LedgerError):  # the next pass evaluates it again
                self.settle(Outcome.CLOSED, f"evaluated in mode observe: {decision.outcome}")
        return decision

    def finish_without_rule(self) -> Decision | None:
        """Look up an unknown start; close other claims `RETRY_FOR` after their rule went absent."""
        since = self.claim.absent_since
        if self.is_unknown:
            return self.look_up()
        if since is None:
            self.rewrite(replace(self.claim, absent_since=self.now))
        if not self.is_retry_over(since):
            return None
        reason = f"rule {self.partition.rule!r} has been absent since {since:%Y-%m-%d %H:%M} UTC"
        return self.settle(Outcome.CLOSED, reason)

    def close(self, reason: str) -> Decision | None:
        """Close a claim that its rule no longer matches; look it up first if it is unknown."""
        if self.is_unknown:
            return self.look_up(or_close=reason)
        return self.settle(Outcome.CLOSED, reason)

    def look_up(self, *, or_close: str = "") -> Decision | None:
        """Look up a start whose outcome is unknown, without starting anything.

        `or_close` is the reason to close the claim if the release is proven to be absent.
        """
        if not self.is_unknown:
            return None
        snapshot = self.hold.read()
        if snapshot.claim is None or snapshot.claim.etag != self.claim.etag:
            return None
        result = self.hold.look_up(snapshot.claim, snapshot, record=True)
        if isinstance(result, Claim):
            absent = replace(self, claim=result)
            return absent.settle(Outcome.CLOSED, or_close) if or_close else None
        if result is None:
            return None
        decision = self.decision(result)
        return self.give_up_unknown(decision) or decision

    def give_up_refused(self, decision: Decision) -> Decision | None:
        """Stop retrying a claim refused for `RETRY_FOR` that was just refused again, else None."""
        is_refused = self.claim.state is State.FAILED and decision.outcome is Outcome.FAILED
        if not is_refused or not self.is_retry_over(self.claim.failed_since):
            return None
        with suppress(ConflictError, LedgerError):  # the next pass gives it up
            current = self.hold.read().claim
            if current and current.state is State.FAILED:
                # Without its request, which started nothing, so other lookups can disregard it.
                refused = replace(self, claim=replace(current, request=None))
                return refused.settle(Outcome.GIVEN_UP, f"given up: {decision.reason}")
        return None

    def give_up_unknown(self, decision: Decision) -> Decision | None:
        """Stop looking up a claim unknown for `RETRY_FOR`; a person must check it.

        Only if an earlier lookup was inconclusive although it could have proven absence: the app
        may simply have been stopped all that time.
        """
        claim, until = self.claim, self.claim.lease_until + self.starter.policy.list_lag
        is_unclear = self.is_unknown and decision.outcome in {Outcome.FAILED, Outcome.PENDING}
        was_looked_up = claim.state is State.UNKNOWN and is_over(until, claim.tried_at)
        if not is_unclear or not was_looked_up or not self.is_retry_over(until):
            return None
        reason = f"given up; check Azure DevOps for [model-trigger:{claim.key}]: {decision.reason}"
        with suppress(ConflictError, LedgerError):  # the next pass gives it up
            snapshot = self.hold.read()
            current = snapshot.claim
            if current is None or (current.state, current.owner) != (State.UNKNOWN, claim.owner):
                return None
            if current.second_release:
                done = self.hold.found(current, snapshot, Found(current.second_release))
                return done and self.decision(done)
            return replace(self, claim=current).settle(Outcome.GIVEN_UP, reason)
        return None

    def is_retry_over(self, since: datetime | None) -> bool:
        """Whether `RETRY_FOR` has passed since this time; False if it is None."""
        return since is not None and since + self.starter.policy.retry_for <= self.now

    def settle(self, outcome: Outcome, reason: str) -> Decision:
        """Settle the claim. Raises ConflictError if it changed after it was read."""
        done = Done(outcome, reason)
        self.rewrite(transitions.settled(self.claim, done))
        return self.decision(done)

    def rewrite(self, claim: Claim) -> "OpenClaim":
        """Write the claim and return it as written. Raises ConflictError."""
        written, _ = self.hold.write(claim, None)
        return replace(self, claim=written or claim)

    @property
    def hold(self) -> Hold:
        """The hold that reads, writes and looks up the claim."""
        return self.starter.hold(self.partition, self.claim.version, self.deadline, self.freshness)

    def decision(self, done: Done) -> Decision:
        """Return the result as a decision of reconcile."""
        return Decision(
            done.outcome,
            done.reason,
            rule=self.partition.rule,
            registration=replace(self.claim.registration, source="reconcile"),
            release=done.release,
            unanswered=done.unanswered,
        )
