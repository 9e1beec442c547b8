"""Process one registration under one rule: claim it, start the target, complete the claim.

Each round reads the ledger, lets the protocol decide the next step and takes it. If a conditional
write conflicts, the next round reads again. A crash at any line leaves a claim that the next
delivery finishes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Semaphore
from uuid import uuid4

from model_trigger.claims import protocol, transitions
from model_trigger.claims.claim import Candidate, Claim, Done, Snapshot
from model_trigger.claims.lookup import RESERVE, SHORTEST_CALL, SLOW, Hold
from model_trigger.claims.policy import Policy
from model_trigger.claims.protocol import Busy, LookUp, Proceed, RemakeMark, Settle, Take
from model_trigger.claims.store import ConflictError
from model_trigger.claims.transitions import Turn
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from model_trigger.registrations.listing import AzureMLError, ModelLister, WorkspaceAccessError
from model_trigger.registrations.registration import Registration
from model_trigger.rules.fields import Start
from model_trigger.rules.rule import Rule
from model_trigger.targets.request import (
    AzureDevOpsError,
    NotStarted,
    Refused,
    StartRequest,
    StartResult,
    TargetDefaults,
    TargetError,
    Unknown,
)
from model_trigger.targets.values import UnsafeValueError

_PATIENCE = 5.0
_PAUSE = 0.25


@dataclass
class Attempt:
    """One delivery's attempt at one claim; `retry` is whether a refused start may be retried.

    `turn` is set while this delivery has written a claim, or tried to, and has certainly not sent
    the POST under it; None otherwise.
    """

    rule: Rule
    candidate: Candidate
    hold: Hold
    models: Callable[[], ModelLister]
    defaults: TargetDefaults
    policy: Policy
    waiting_room: Semaphore
    retry: bool
    turn: Turn | None = field(default=None, init=False)

    @property
    def deadline(self) -> Deadline:
        """The deadline of the delivery."""
        return self.hold.deadline

    def run(self) -> Done:
        """Take steps until one ends the attempt, and return the result."""
        patience = self.hold.before_reserve.within(_PATIENCE)
        while True:
            began = self.deadline.clock()
            snapshot = self.hold.read()
            owner = self.turn.owner if self.turn else ""
            step = protocol.next_step(snapshot, self.candidate, owner, retry=self.retry)
            if isinstance(step, Busy):
                if self.wait(patience):
                    continue
                step = step if step.must_keep else step.otherwise
            if isinstance(step, Done):
                return step
            try:
                done = self.do(step, snapshot, began)
            except ConflictError:
                done = None
            if done:
                return done
            if not self.deadline.allows(_PAUSE):
                reason = "gave up after repeated write conflicts; it will be retried"
                return Done(Outcome.PENDING, reason)

    def wait(self, patience: Deadline) -> bool:
        """Wait briefly; return False at once if patience or the waiting room is exhausted."""
        if not patience.allows(_PAUSE) or not self.waiting_room.acquire(blocking=False):
            return False
        try:
            self.deadline.pause(_PAUSE)
        finally:
            self.waiting_room.release()
        return True

    def do(
        self,
        step: Busy | LookUp | Proceed | RemakeMark | Settle | Take,
        snapshot: Snapshot,
        began: float,
    ) -> Done | None:
        """Take a step; return the result, or None to continue. Raises ConflictError."""
        match step:
            case Settle():
                return self.settle(step)
            case RemakeMark(mark):
                known = self.hold.claims.all_in(self.hold.partition, self.deadline)
                self.hold.write(None, transitions.remade_mark(mark, known, self.candidate))
                return None
            case LookUp(claim):
                result = self.hold.look_up(claim, snapshot, record=self.retry)
                return result if isinstance(result, Done) else None
            case Proceed(claim):
                return self.start(claim, snapshot)
            case Busy() | Take():
                turn = Turn(uuid4().hex, uuid4().hex, self.policy.claim_lease, began)
                if isinstance(step, Busy):
                    return self.defer(snapshot, turn, step.otherwise)
                return self.take(snapshot, turn)

    def settle(self, step: Settle) -> Done:
        """Record that a version will not be started."""
        self.hold.write(transitions.settled(step.claim, step.done), None)
        return step.done

    def take(self, snapshot: Snapshot, turn: Turn) -> Done | None:
        """Prepare the POST, write the claim, then send the POST."""
        began = self.deadline.clock()
        try:
            newer = self.newer_registered()
            if newer:
                step = protocol.superseded_by_registered(snapshot, self.candidate, newer)
                return self.settle(step)
            request = self.request(transitions.key_for(snapshot, turn))
        except (TargetError, UnsafeValueError, WorkspaceAccessError) as error:
            return self.refuse(snapshot, turn, str(error))
        except AzureMLError as error:
            workspace = self.candidate.registration.workspace
            done = Done(Outcome.PENDING, str(error), unanswered=workspace.key)
            return self.defer(snapshot, turn, done)
        except AzureDevOpsError as error:
            url = self.rule.address(self.defaults).organization_url
            unanswered = self.hold.unresponsive(url, began, answered=error.answered)
            done = Done(Outcome.PENDING, str(error), unanswered=unanswered)
            return self.defer(snapshot, turn, done)
        claim, mark = transitions.take(snapshot, self.candidate, turn, request)
        self.turn = turn
        written, moved = self.hold.write(claim, mark)
        return self.start(written or claim, replace(snapshot, mark=moved or snapshot.mark))

    def newer_registered(self) -> Registration | None:
        """Return a newer version that the rule matches, for `start: latest`; None otherwise.

        Raises AzureMLError, WorkspaceAccessError.
        """
        if self.rule.start is not Start.LATEST:
            return None
        found = self.candidate.registration
        within = self.hold.before_reserve
        listed = self.models().versions(found.workspace, found.model, within)
        for evaluation, registration in ((self.rule.evaluate(one), one) for one in listed):
            version = evaluation.version
            if evaluation.matched and version and version.newer_than(self.candidate.compared):
                return registration
        return None

    def request(self, key: str) -> StartRequest:
        """Return the POST that starts the target; a lookup finds its release by the key.

        Raises TargetError, UnsafeValueError, AzureDevOpsError.
        """
        address = self.rule.address(self.defaults)
        definition = self.hold.targets().definition(address, self.hold.before_reserve)
        return self.rule.request(self.candidate.registration, address, definition, key)

    def refuse(self, snapshot: Snapshot, turn: Turn, reason: str) -> Done:
        """Record a start whose POST cannot be prepared; the mark still moves."""
        claim, mark = transitions.take_unstarted(snapshot, self.candidate, turn)
        pause = self.policy.retry_pause
        self.hold.write(transitions.refused(claim, reason, snapshot.read_at, pause), mark)
        return Done(Outcome.FAILED, reason)

    def defer(self, snapshot: Snapshot, turn: Turn, done: Done) -> Done:
        """Record a start that is not possible yet; the mark still moves."""
        claim, mark = transitions.take_unstarted(snapshot, self.candidate, turn)
        self.hold.write(transitions.not_started(claim, done.reason), mark)
        return done

    def start(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Send the POST under the claim of this turn, and write its result."""
        turn = self.turn
        assert turn is not None, "a start has a turn"  # noqa: S101
        result = self.post(claim, turn)
        if isinstance(result, Refused) and result.corrected:
            # Refused because of our own optional parameter, so nothing was started.
            self.turn = turn
            written, _ = self.hold.write(replace(claim, request=result.corrected), None)
            claim = written or claim
            result = self.post(claim, turn)
        if isinstance(result, Unknown):
            found = self.hold.found_at_once(claim)
            if found:
                return self.hold.found(claim, snapshot, found)
        moment = snapshot.read_at + timedelta(seconds=self.deadline.clock() - turn.began)
        completed, done = transitions.ended(claim, result, moment, self.policy.retry_pause)
        return self.hold.complete(completed, snapshot.mark, done)

    def post(self, claim: Claim, turn: Turn) -> StartResult | None:
        """Send the POST, only in the first half of the lease; None in mode `observe`."""
        left = turn.post_until() - self.deadline.clock()
        seconds = min(left, self.deadline.remaining - RESERVE)
        shortest = min(SHORTEST_CALL, turn.lease.total_seconds() / 4)
        if claim.request is None or seconds < shortest:
            return NotStarted("not enough time was left to start it; it will be retried")
        if self.hold.partition.observed:
            return None
        self.turn = None
        began, within = self.deadline.clock(), self.deadline.within(seconds)
        result = self.hold.targets().start(claim.request, within, claim.key)
        is_slow = self.deadline.clock() - began > SLOW
        if isinstance(result, NotStarted | Unknown) and is_slow:
            return replace(result, answered=False)
        return result
