"""Take one registration under one rule to its end: claim, start, complete, or look up.

Each round reads the ledger, asks the protocol for the next step and takes it; whoever loses a
conditional write reads again. A crash at any line leaves a claim that the next delivery finishes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Semaphore
from uuid import uuid4

from model_trigger.claims import protocol, transitions
from model_trigger.claims.claim import Candidate, Claim, Done, Partition, Snapshot
from model_trigger.claims.lookup import RESERVE, SHORTEST_CALL, SLOW, Asked, Hold
from model_trigger.claims.policy import Policy
from model_trigger.claims.protocol import Busy, LookUp, Proceed, RemakeMark, Settle, Take
from model_trigger.claims.store import ClaimStore, ConflictError, LedgerError
from model_trigger.claims.transitions import Turn
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.matching.versions import parse_version
from model_trigger.registrations.listing import AzureMLError, ModelLister, WorkspaceAccessError
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import BrokenRule
from model_trigger.rules.fields import Mode, Start
from model_trigger.rules.rule import Evaluation, Rule
from model_trigger.targets.request import (
    AzureDevOpsError,
    NotStarted,
    Refused,
    Started,
    StartRequest,
    StartResult,
    TargetAddress,
    TargetClient,
    TargetDefaults,
    TargetError,
    Unknown,
)
from model_trigger.targets.values import UnsafeValueError

_PATIENCE = 5.0
_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts the targets of rules, each registration once.

    `targets` and `models` are built when they are first called. `waiting_room` bounds how many
    threads of the process may wait for another start at once: whoever waits holds a worker thread,
    of which Azure Functions has few, and who gets no place is delivered again by Event Grid.
    """

    claims: ClaimStore
    targets: Callable[[], TargetClient]
    models: Callable[[], ModelLister]
    defaults: TargetDefaults
    policy: Policy
    waiting_room: Semaphore

    def attend(
        self,
        evaluation: Evaluation,
        registration: Registration,
        deadline: Deadline,
        *,
        retry: Asked | None = None,
    ) -> Decision:
        """Start the target of a rule that matched, unless it was started or must not be.

        `retry` is for reconcile, and when it began: a refused start is retried once its pause is
        over.
        """
        rule = evaluation.rule
        asked = retry or Asked(deadline.clock())
        partition = partition_of(rule, registration)
        hold = self.hold(partition, registration.version, deadline, asked)
        candidate = _candidate(evaluation, registration)
        try:
            done = _Attempt(rule, candidate, self, hold, retry is not None).run()
        except (AzureDevOpsError, AzureMLError, LedgerError) as error:
            done = Done(Outcome.PENDING, str(error))
        return Decision(
            outcome=done.outcome,
            reason=done.reason or evaluation.reason,
            rule=rule.name,
            registration=registration,
            clauses=evaluation.clauses,
            release=done.release,
            unanswered=done.unanswered,
        )

    def keep(self, broken: BrokenRule, registration: Registration, deadline: Deadline) -> Decision:
        """Keep a registration that a broken rule may want, until a person has fixed the rule.

        What the rule has observed before it broke is not kept, so that it never starts.
        """
        partition = partition_of(broken, registration)
        observed = replace(partition, observed=True)
        outcome, reason = Outcome.FAILED, broken.reason
        try:
            if self.claims.read(observed, registration.version, deadline).claim:
                reason = "this rule has observed it before"
                return Decision(Outcome.DUPLICATE, reason, broken.name, registration)
            snapshot = self.claims.read(partition, registration.version, deadline)
            if snapshot.claim is None:
                claim = transitions.kept(registration, reason, snapshot.read_at)
                self.claims.write(partition, claim, None, deadline)
        except ConflictError:
            reason = f"{reason} (another delivery keeps it)"
        except LedgerError as error:
            outcome, reason = Outcome.PENDING, f"{reason}; {error}"
        return Decision(outcome, reason, broken.name, registration)

    def hold(self, partition: Partition, version: str, deadline: Deadline, asked: Asked) -> Hold:
        """Return what reads, writes and looks up one claim."""
        lag = self.policy.list_lag
        return Hold(self.claims, self.targets, lag, deadline, partition, version, asked)

    def asks(self, rule: Rule, workspace: Workspace) -> tuple[str, ...]:
        """Return whom a start asks: the organization, and the workspace if its list is needed."""
        url = (rule.target.organization_url or self.defaults.organization_url or "").rstrip("/")
        return (url, workspace.key) if rule.start is Start.LATEST else (url,)


def partition_of(rule: Rule | BrokenRule, registration: Registration) -> Partition:
    """Return the partition of a rule's claims on a model, as the rule's mode is now."""
    observed = isinstance(rule, Rule) and rule.mode is Mode.OBSERVE
    return Partition(rule.name, registration.workspace, registration.model, observed)


@dataclass
class _Attempt:
    """One delivery's attempt at one claim.

    `turn` is that of the claim which this delivery has written, or tried to write, and under which
    it has started nothing for certain; None otherwise.
    """

    rule: Rule
    candidate: Candidate
    starter: Starter
    hold: Hold
    retry: bool
    turn: Turn | None = field(default=None, init=False)

    @property
    def deadline(self) -> Deadline:
        return self.hold.deadline

    def run(self) -> Done:
        """Take step after step until there is an answer."""
        patience = self.hold.before_reserve.within(_PATIENCE)
        while True:
            began = self.deadline.clock()
            snapshot = self.hold.read()
            owner = self.turn.owner if self.turn else ""
            step = protocol.next_step(snapshot, self.candidate, owner, retry=self.retry)
            if isinstance(step, Busy):
                if self._has_waited(patience):
                    continue
                step = step if step.must_keep else step.otherwise
            if isinstance(step, Done):
                return step
            try:
                done = self._do(step, snapshot, began)
            except ConflictError:
                done = None
            if done:
                return done
            if not self.deadline.allows(_PAUSE):
                reason = "gave up after repeated write conflicts; it will be retried"
                return Done(Outcome.PENDING, reason)

    def _has_waited(self, patience: Deadline) -> bool:
        """Wait a moment, as long as there is patience and not too many others wait."""
        room = self.starter.waiting_room
        if not patience.allows(_PAUSE) or not room.acquire(blocking=False):
            return False
        try:
            self.deadline.pause(_PAUSE)
        finally:
            room.release()
        return True

    def _do(
        self,
        step: Busy | LookUp | Proceed | RemakeMark | Settle | Take,
        snapshot: Snapshot,
        began: float,
    ) -> Done | None:
        """Take a step; None when there is another one after it. Raises ConflictError."""
        match step:
            case Settle():
                return self._settle(step)
            case RemakeMark():
                known = self.starter.claims.all_in(self.hold.partition, self.deadline)
                self.hold.write(None, transitions.remade_mark(step.mark, known, self.candidate))
                return None
            case LookUp(claim):
                answer = self.hold.look_up(claim, snapshot, record=self.retry)
                return answer if isinstance(answer, Done) else None
            case Busy(otherwise):
                return self._defer(snapshot, self._new_turn(began), otherwise)
            case Proceed(claim):
                return self._start(claim, snapshot)
            case Take():
                return self._take(snapshot, self._new_turn(began))

    def _new_turn(self, began: float) -> Turn:
        return Turn(uuid4().hex, uuid4().hex, self.starter.policy.claim_lease, began)

    def _take(self, snapshot: Snapshot, turn: Turn) -> Done | None:
        """Prepare the POST, write the claim, then send the POST."""
        began = self.deadline.clock()
        try:
            newer = self._newer_registered()
            if newer:
                step = protocol.superseded_by_registered(snapshot, self.candidate, newer)
                return self._settle(step)
            request = self._request(transitions.key_for(snapshot, turn))
        except (TargetError, UnsafeValueError, WorkspaceAccessError) as error:
            return self._refuse(snapshot, turn, str(error))
        except (AzureDevOpsError, AzureMLError) as error:
            return self._defer(snapshot, turn, self._unavailable(error, began))
        claim, mark = transitions.take(snapshot, self.candidate, turn, request)
        self.turn = turn
        written, moved = self.hold.write(claim, mark)
        return self._start(written or claim, replace(snapshot, mark=moved or snapshot.mark))

    def _newer_registered(self) -> Registration | None:
        """Look for a newer version that the rule wants, for `start: latest`.

        Raises AzureMLError, WorkspaceAccessError.
        """
        if self.rule.start is not Start.LATEST:
            return None
        found = self.candidate.registration
        within = self.hold.before_reserve
        listed = self.starter.models().versions(found.workspace, found.model, within)
        for evaluation, registration in ((self.rule.evaluate(one), one) for one in listed):
            version = evaluation.version
            if evaluation.matched and version and version.newer_than(self.candidate.compared):
                return registration
        return None

    def _settle(self, step: Settle) -> Done:
        self.hold.write(transitions.settled(step.claim, step.done), None)
        return step.done

    def _address(self) -> TargetAddress:
        return self.rule.address(self.starter.defaults)

    def _request(self, key: str) -> StartRequest:
        address = self._address()
        within = self.hold.before_reserve
        definition = self.starter.targets().definition(address, within)
        return self.rule.request(self.candidate.registration, address, definition, key)

    def _unavailable(self, error: AzureDevOpsError | AzureMLError, began: float) -> Done:
        """Answer that a service could not be asked just now."""
        if isinstance(error, AzureMLError):
            unanswered = self.candidate.registration.workspace.key
        else:
            organization = self._address().organization_url
            unanswered = self.hold.silent(organization, began, answered=error.answered)
        return Done(Outcome.PENDING, str(error), unanswered=unanswered)

    def _refuse(self, snapshot: Snapshot, turn: Turn, reason: str) -> Done:
        """Keep a start that cannot even be requested; the mark moves with it all the same."""
        claim, mark = transitions.take_unstarted(snapshot, self.candidate, turn)
        pause = self.starter.policy.retry_pause
        self.hold.write(transitions.refused(claim, reason, snapshot.read_at, pause), mark)
        return Done(Outcome.FAILED, reason)

    def _defer(self, snapshot: Snapshot, turn: Turn, done: Done) -> Done:
        """Keep a start that is not possible yet; the mark moves with it all the same."""
        claim, mark = transitions.take_unstarted(snapshot, self.candidate, turn)
        self.hold.write(transitions.not_started(claim, done.reason), mark)
        return done

    def _start(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Send the POST under the claim of this turn, and write its result."""
        turn = self.turn
        assert turn is not None, "a start has a turn"  # noqa: S101
        result = self._post(claim, turn)
        if isinstance(result, Refused) and result.corrected:
            # Refused for our own optional parameter, so nothing was started.
            self.turn = turn
            written, _ = self.hold.write(replace(claim, request=result.corrected), None)
            claim = written or claim
            result = self._post(claim, turn)
        if isinstance(result, Unknown):
            found = self.hold.found_at_once(claim)
            if found:
                return self.hold.found(claim, snapshot, found)
        moment = snapshot.read_at + timedelta(seconds=self.deadline.clock() - turn.began)
        completed, done = self._ended(claim, result, moment)
        return self.hold.complete(completed, snapshot.mark, done)

    def _post(self, claim: Claim, turn: Turn) -> StartResult | None:
        """Send the POST, in the first half of the lease only; None in mode `observe`."""
        left = turn.post_until() - self.deadline.clock()
        seconds = min(left, self.deadline.remaining - RESERVE)
        shortest = min(SHORTEST_CALL, turn.lease.total_seconds() / 4)
        if claim.request is None or seconds < shortest:
            return NotStarted("too little time was left to start it")
        if self.hold.partition.observed:
            return None
        self.turn = None
        began, within = self.deadline.clock(), self.deadline.within(seconds)
        result = self.starter.targets().start(claim.request, within, claim.key)
        is_slow = self.deadline.clock() - began > SLOW
        if isinstance(result, NotStarted | Unknown) and is_slow:
            return replace(result, answered=False)
        return result

    def _ended(
        self, claim: Claim, result: StartResult | None, moment: datetime
    ) -> tuple[Claim, Done]:
        """Return the claim as the result leaves it, and the answer."""
        match result:
            case None:
                return transitions.observed(claim), Done(Outcome.OBSERVED, "")
            case Started(release):
                return transitions.started(claim, release), Done(Outcome.STARTED, "", release)
            case Refused(reason):
                refused = transitions.refused(
                    claim, reason, moment, self.starter.policy.retry_pause
                )
                return refused, Done(Outcome.FAILED, reason)
            case NotStarted(reason, seconds, answered):
                not_before = moment + timedelta(seconds=seconds) if seconds else None
                waiting = transitions.not_started(claim, reason, not_before)
                unanswered = "" if answered else claim.organization
                return waiting, Done(Outcome.PENDING, reason, unanswered=unanswered)
            case Unknown(reason, answered):
                unanswered = "" if answered else claim.organization
                done = Done(Outcome.PENDING, reason, unanswered=unanswered)
                return transitions.unknown(claim, reason, moment), done


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
