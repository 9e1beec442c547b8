"""Bring one registration under one rule to its end: claim, start, complete, or look up.

Each round reads the ledger, asks claims.py for the next step and takes it; whoever loses a
conditional write reads again. A crash at any line leaves a claim that the next delivery finishes.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from model_trigger import claims
from model_trigger.claims import (
    Busy,
    Candidate,
    Claim,
    Done,
    Held,
    MakeMarkAnew,
    Mark,
    Partition,
    Settle,
    Snapshot,
    Take,
    TakeOver,
)
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision, Outcome
from model_trigger.events import Registration
from model_trigger.grammar import Mode, Start
from model_trigger.holding import RESERVE, SHORTEST_CALL, Hold
from model_trigger.ports import (
    AzureDevOpsError,
    AzureMLError,
    ConflictError,
    LedgerError,
    Services,
    WorkspaceAccessError,
)
from model_trigger.rulebook import BrokenRule
from model_trigger.rules import Evaluation, Rule
from model_trigger.targets import (
    NotStarted,
    Refused,
    Started,
    StartRequest,
    StartResult,
    TargetError,
    Unknown,
    address_of,
    request_for,
)
from model_trigger.templates import UnsafeValueError
from model_trigger.versions import parse_version

_PATIENCE = 5.0
_PAUSE = 0.25


def attend(
    evaluation: Evaluation,
    registration: Registration,
    services: Services,
    deadline: Deadline,
    *,
    retry: bool = False,
) -> Decision:
    """Start the target of a rule that matched, unless it was started or must not be.

    `retry` is for reconcile: a refused start is tried again once its pause is over.
    """
    partition = partition_of(evaluation.rule, registration)
    hold = Hold(services, deadline, partition, registration.version)
    attempt = _Attempt(evaluation.rule, _candidate(evaluation, registration), hold)
    try:
        done = attempt.run(retry=retry)
    except (AzureDevOpsError, AzureMLError, LedgerError) as error:
        done = Done(Outcome.PENDING, str(error))
    return Decision(
        outcome=done.outcome,
        reason=done.reason or evaluation.reason,
        rule=evaluation.rule.name,
        registration=registration,
        clauses=evaluation.clauses,
        release=done.release,
    )


def partition_of(rule: Rule | BrokenRule, registration: Registration) -> Partition:
    """Give the partition of a rule's claims on a model, as the rule's mode is now."""
    observed = isinstance(rule, Rule) and rule.mode is Mode.OBSERVE
    return Partition(rule.name, registration.workspace, registration.model, observed)


def keep(
    broken: BrokenRule, registration: Registration, services: Services, deadline: Deadline
) -> Decision:
    """Keep a registration that a broken rule may want, until a person has mended the rule."""
    partition = partition_of(broken, registration)
    outcome, reason = Outcome.FAILED, broken.reason
    try:
        snapshot = services.ledger.read(partition, registration.version, deadline)
        if snapshot.claim is None:
            claim = claims.kept(registration, reason, snapshot.read_at)
            services.ledger.write(partition, claim, None, deadline)
    except ConflictError:
        reason = f"{reason} (another delivery keeps it)"
    except LedgerError as error:
        outcome, reason = Outcome.PENDING, f"{reason}; {error}"
    return Decision(outcome, reason, rule=broken.name, registration=registration)


@dataclass
class _Attempt:
    """One delivery's attempt at one claim."""

    rule: Rule
    candidate: Candidate
    hold: Hold
    # When the write of the claim began, in seconds of the deadline's clock: leases count from it.
    claimed_since: float = 0.0

    @property
    def services(self) -> Services:
        return self.hold.services

    @property
    def deadline(self) -> Deadline:
        return self.hold.deadline

    def run(self, *, retry: bool) -> Done:
        """Take step after step until there is an answer."""
        patience = self.deadline.within(_PATIENCE)
        while True:
            snapshot = self.hold.read()
            step = claims.next_step(snapshot, self.candidate, self.hold.turn.owner, retry=retry)
            if isinstance(step, Busy):
                if not patience.allows(_PAUSE):
                    return step.otherwise
                self.deadline.pause(_PAUSE)
                continue
            try:
                done = self._do(step, snapshot)
            except ConflictError:
                done = None
            if done:
                return done
            if not self.deadline.allows(_PAUSE):
                return Done(Outcome.PENDING, "no time was left: others were faster again and again")

    def _do(
        self, step: Done | Settle | MakeMarkAnew | Held | Take | TakeOver, snapshot: Snapshot
    ) -> Done | None:
        """Take a step; None when there is another one after it. Raises ConflictError."""
        match step:
            case Done():
                return step
            case Settle():
                return self._settle(step)
            case MakeMarkAnew():
                known = self.services.ledger.claims(self.hold.partition, self.deadline)
                self.hold.write(None, claims.mark_anew(step.mark, known, self.candidate))
                return None
            case TakeOver():
                return self.hold.take_over(step.claim, snapshot)
            case Held(claim):
                go_on = self.hold.look_up if claim.is_looked_up else self._start_again
                return go_on(claim, snapshot)
            case Take():
                return self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> Done | None:
        """Prepare the POST, write the claim, then send the POST."""
        try:
            newer = self._newer_registered()
            if newer:
                step = claims.superseded_by_registered(snapshot, self.candidate, newer)
                return self._settle(step)
            request = self._request(claims.key_for(snapshot, self.hold.turn))
        except (TargetError, UnsafeValueError, WorkspaceAccessError) as error:
            return self._refuse(snapshot, str(error))
        claim, mark = claims.take(snapshot, self.candidate, self.hold.turn, request)
        self.claimed_since = self.deadline.clock()
        written, moved = self.hold.write(claim, mark)
        return self._start(written or claim, moved or snapshot.mark)

    def _newer_registered(self) -> Registration | None:
        """Look for a newer version that the rule wants, for `start: latest`.

        Raises AzureMLError, WorkspaceAccessError.
        """
        if self.rule.start is not Start.LATEST:
            return None
        found = self.candidate.registration
        listed = self.services.azure_ml().versions(found.workspace, found.model, self.deadline)
        for evaluation, registration in ((self.rule.evaluate(one), one) for one in listed):
            version = evaluation.version
            if evaluation.matched and version and version.newer_than(self.candidate.compared):
                return registration
        return None

    def _settle(self, step: Settle) -> Done:
        self.hold.write(claims.settled(step.claim, step.done), None)
        return step.done

    def _request(self, key: str) -> StartRequest:
        services = self.services
        address = address_of(self.rule, services.organization_url, services.project)
        definition = services.azure_devops().definition(address, self.deadline)
        return request_for(self.rule, self.candidate.registration, address, definition, key)

    def _refuse(self, snapshot: Snapshot, reason: str) -> Done:
        """Keep a start that cannot even be asked for; the mark moves with it all the same."""
        claim, mark = claims.take(snapshot, self.candidate, self.hold.turn, None)
        pause = self.services.retry_pause
        refused = claims.refused(claim, reason, snapshot.read_at, pause)
        self.hold.write(refused, claims.without_slot(mark, claim.version) or mark)
        return Done(Outcome.FAILED, reason)

    def _start_again(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Go on with a claim of ours, the answer to whose write was lost."""
        return self._start(claim, snapshot.mark)

    def _start(self, claim: Claim, mark: Mark | None) -> Done | None:
        """Send the POST and write down its result."""
        result = self._result(claim)
        if isinstance(result, Unknown):
            found = self.hold.found_at_once(claim)
            result = Started(found) if found else result
        completed, done = self._ended(claim, result)
        return self.hold.complete(completed, mark, done)

    def _result(self, claim: Claim) -> StartResult | None:
        """Send the POST, in the first half of the lease only; None in mode `observe`."""
        half = self.hold.turn.lease.total_seconds() / 2
        left = half - (self.deadline.clock() - self.claimed_since)
        seconds = min(left, self.deadline.remaining - RESERVE)
        if claim.request is None or seconds < min(SHORTEST_CALL, half / 2):
            return NotStarted("too little time was left to start it")
        if self.hold.partition.observed:
            return None
        return self.services.azure_devops().start(claim.request, self.deadline.within(seconds))

    def _ended(self, claim: Claim, result: StartResult | None) -> tuple[Claim, Done]:
        """Give the claim as the result leaves it, and the answer."""
        now = claim.post_until - self.hold.turn.lease
        match result:
            case None:
                return claims.observed(claim), Done(Outcome.OBSERVED, "")
            case Started(release):
                return claims.started(claim, release), Done(Outcome.STARTED, "", release)
            case Refused(reason):
                refused = claims.refused(claim, reason, now, self.services.retry_pause)
                return refused, Done(Outcome.FAILED, reason)
            case NotStarted(reason, seconds):
                waiting = claims.not_started(claim, reason, now + timedelta(seconds=seconds))
                return waiting, Done(Outcome.PENDING, reason)
            case Unknown(reason):
                return claims.unknown(claim, reason, now), Done(Outcome.PENDING, reason)


def _candidate(evaluation: Evaluation, registration: Registration) -> Candidate:
    rule = evaluation.rule
    compared = evaluation.version or rule.read_version(registration)
    return Candidate(
        registration=registration,
        compared=compared,
        ordering=rule.ordering,
        exclusive=rule.start is not Start.EVERY,
        read=partial(parse_version, scheme=rule.fields.scheme),
        compare=rule.read_version,
    )
