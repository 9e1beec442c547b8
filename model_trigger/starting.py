"""Bring one registration under one rule to its end: claim, start, complete, or look up.

Each round reads the ledger, asks claims.py for the next step and takes it; whoever loses a
conditional write reads again. A crash at any line leaves a claim that the next delivery finishes.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import uuid4

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
    State,
    Take,
    TakeOver,
    Turn,
)
from model_trigger.deadline import Deadline
from model_trigger.decisions import Decision, Outcome
from model_trigger.events import Registration
from model_trigger.grammar import Mode, Start
from model_trigger.ports import AzureDevOpsError, ConflictError, LedgerError, Services
from model_trigger.rulebook import BrokenRule
from model_trigger.rules import Evaluation
from model_trigger.targets import (
    NotStarted,
    Refused,
    Release,
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
# What completing the claim may take after the POST has been answered.
_RESERVE = 3.0
_SHORTEST_POST = 1.0

_log = logging.getLogger("model_trigger")


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
    attempt = _Attempt.of(evaluation, registration, services, deadline)
    try:
        done = attempt.run(retry=retry)
    except (AzureDevOpsError, LedgerError) as error:
        done = Done(Outcome.PENDING, str(error))
    return Decision(
        outcome=done.outcome,
        reason=done.reason or evaluation.reason,
        rule=evaluation.rule.name,
        registration=registration,
        clauses=evaluation.clauses,
        release=done.release,
    )


def keep(
    broken: BrokenRule, registration: Registration, services: Services, deadline: Deadline
) -> Decision:
    """Keep a registration that a broken rule may want, until a person has mended the rule."""
    partition = Partition(broken.name, registration.workspace, registration.model)
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

    evaluation: Evaluation
    services: Services
    deadline: Deadline
    partition: Partition
    candidate: Candidate
    turn: Turn = field(init=False)
    # When the write of the claim began, in seconds of the deadline's clock: leases count from it.
    claimed_since: float = 0.0

    def __post_init__(self) -> None:
        self.turn = Turn(uuid4().hex, uuid4().hex, self.services.claim_lease)

    @classmethod
    def of(
        cls,
        evaluation: Evaluation,
        registration: Registration,
        services: Services,
        deadline: Deadline,
    ) -> "_Attempt":
        rule = evaluation.rule
        observed = rule.mode is Mode.OBSERVE
        partition = Partition(rule.name, registration.workspace, registration.model, observed)
        return cls(evaluation, services, deadline, partition, _candidate(evaluation, registration))

    def run(self, *, retry: bool) -> Done:
        """Take step after step until there is an answer."""
        patience = self.deadline.within(_PATIENCE)
        while True:
            snapshot = self._read()
            step = claims.next_step(snapshot, self.candidate, self.turn.owner, retry=retry)
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
                self._write(claims.settled(step.claim, step.done), None)
                return step.done
            case MakeMarkAnew():
                known = self.services.ledger.claims(self.partition, self.deadline)
                self._write(None, claims.mark_anew(step.mark, known, self.candidate))
                return None
            case TakeOver():
                return self._take_over(step.claim, snapshot)
            case Held(claim):
                go_on = self._look_up if claim.is_looked_up else self._start_again
                return go_on(claim, snapshot)
            case Take():
                return self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> Done | None:
        """Prepare the POST, write the claim, then send the POST."""
        try:
            request = self._request(claims.key_for(snapshot, self.turn))
        except (TargetError, UnsafeValueError) as error:
            return self._refuse(snapshot, str(error))
        claim, mark = claims.take(snapshot, self.candidate, self.turn, request)
        self.claimed_since = self.deadline.clock()
        written, moved = self._write(claim, mark)
        return self._start(written or claim, moved or snapshot.mark)

    def _request(self, key: str) -> StartRequest:
        services = self.services
        rule = self.evaluation.rule
        address = address_of(rule, services.organization_url, services.project)
        definition = services.azure_devops().definition(address, self.deadline)
        return request_for(rule, self.candidate.registration, address, definition, key)

    def _refuse(self, snapshot: Snapshot, reason: str) -> Done:
        """Keep a start that cannot even be asked for; the mark moves with it all the same."""
        claim, mark = claims.take(snapshot, self.candidate, self.turn, None)
        pause = self.services.retry_pause
        refused = claims.refused(claim, reason, snapshot.read_at, pause)
        self._write(refused, claims.without_slot(mark, claim.version) or mark)
        return Done(Outcome.FAILED, reason)

    def _start_again(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Go on with a claim of ours, the answer to whose write was lost."""
        return self._start(claim, snapshot.mark)

    def _start(self, claim: Claim, mark: Mark | None) -> Done | None:
        """Send the POST and write down its result."""
        result = self._result(claim)
        if isinstance(result, Unknown):
            found = self._found_at_once(claim)
            result = Started(found) if found else result
        completed, done = self._ended(claim, result)
        return self._complete(completed, mark, done)

    def _result(self, claim: Claim) -> StartResult | None:
        """Send the POST, in the first half of the lease only; None in mode `observe`."""
        half = self.turn.lease.total_seconds() / 2
        left = half - (self.deadline.clock() - self.claimed_since)
        seconds = min(left, self.deadline.remaining - _RESERVE)
        if claim.request is None or seconds < min(_SHORTEST_POST, half / 2):
            return NotStarted("too little time was left to start it")
        if self.partition.observed:
            return None
        return self.services.azure_devops().start(claim.request, self.deadline.within(seconds))

    def _found_at_once(self, claim: Claim) -> Release | None:
        """Look for a release whose answer was lost: what is found is certain at any time."""
        within = self.deadline.within(max(0.0, self.deadline.remaining - _RESERVE))
        if not within.allows(_SHORTEST_POST):
            return None
        try:
            return self._found(claim, within)
        except (AzureDevOpsError, TargetError):
            return None

    def _found(self, claim: Claim, deadline: Deadline) -> Release | None:
        """Look for the claim's release; what is only observed has none."""
        if claim.request is None or self.partition.observed:
            return None
        find = self.services.azure_devops().find
        return find(claim.request, claim.key, claim.claimed_at, deadline)

    def _ended(self, claim: Claim, result: StartResult | None) -> tuple[Claim, Done]:
        """Give the claim as the result leaves it, and the answer."""
        now = claim.post_until - self.turn.lease
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

    def _complete(self, completed: Claim, mark: Mark | None, done: Done) -> Done | None:
        """Write down how a start ended, as long as the claim is ours.

        None when it is not, and the next step is to be asked for again.
        """
        while True:
            # A start whose outcome is unknown keeps the slot until its lease is over.
            keeps_slot = completed.state is State.STARTING
            freed = None if keeps_slot else claims.without_slot(mark, completed.version)
            try:
                self._write(completed, freed)
            except ConflictError:
                snapshot = self._read()
                mark, other = snapshot.mark, claims.after_conflict(snapshot.claim, completed)
                if other is None:
                    return done if completed.release else None
                completed = other
            else:
                self._tell_second(completed)
                return done

    def _tell_second(self, claim: Claim) -> None:
        if claim.second_release:
            _log.error(
                "duplicate_release %s: %s and %s were both started for %s %s: abandon one of them. "
                "A process was frozen between its last check and the POST until another took over",
                self.partition.rule,
                claim.release.url if claim.release else "one that is being started",
                claim.second_release.url,
                self.partition.model,
                claim.version,
            )

    def _take_over(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Take over a claim whose outcome is unknown, and look its release up."""
        taken = claims.taken_over(claim, self.turn, snapshot.read_at)
        written, _ = self._write(taken, None)
        return self._look_up(written or taken, snapshot)

    def _look_up(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Look the release up; only late enough does its absence let the claim be taken again."""
        told = "whether an earlier delivery started it is unknown"
        try:
            release = self._found(claim, self.deadline)
        except AzureDevOpsError as error:
            return self._still_unknown(claim, snapshot, Done(Outcome.PENDING, f"{told}: {error}"))
        except TargetError as error:
            return self._still_unknown(claim, snapshot, Done(Outcome.FAILED, f"{told}: {error}"))
        if release:
            done = Done(Outcome.STARTED, f"{claim.reason or 'the answer was lost'}; found", release)
            return self._complete(claims.started(claim, release), snapshot.mark, done)
        lag = self.services.list_lag
        if not self.partition.observed and not claims.may_say_not_there(
            claim, snapshot.read_at, lag
        ):
            until = f"{claim.post_until + lag:%H:%M:%S}"
            done = Done(Outcome.PENDING, f"{told}; it is not there, which is certain after {until}")
            return self._still_unknown(claim, snapshot, done)
        self._write(claims.not_started(claim, "a look-up found no release"), None)
        return None

    def _still_unknown(self, claim: Claim, snapshot: Snapshot, done: Done) -> Done:
        self._write(claims.unknown(claim, done.reason, snapshot.read_at), None)
        return done

    def _read(self) -> Snapshot:
        return self.services.ledger.read(self.partition, self.candidate.version, self.deadline)

    def _write(self, claim: Claim | None, mark: Mark | None) -> tuple[Claim | None, Mark | None]:
        return self.services.ledger.write(self.partition, claim, mark, self.deadline)


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
