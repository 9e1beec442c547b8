"""Work on one claim: record how its start ended, and look up what became of it when unknown."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from model_trigger.claims import sighting, transitions
from model_trigger.claims.claim import Claim, Done, Mark, Partition, Snapshot, State
from model_trigger.claims.sighting import CouldNotTell
from model_trigger.claims.store import ClaimStore, ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome, duplicate_line
from model_trigger.targets.request import Absent, AzureDevOpsError, Found, TargetClient, TargetError

# What completing the claim may take after Azure DevOps has answered, in seconds.
RESERVE = 3.0
SHORTEST_CALL = 1.0
# An answer that takes longer, in seconds, and says only "not now", is none: a gateway that times
# out answers 504 after a while, and many claims would wait for it one after the other.
SLOW = 5.0

_UNCLEAR = "whether an earlier delivery started it is unknown"

_log = logging.getLogger("model_trigger")


@dataclass(frozen=True, slots=True)
class Asked:
    """When a look-up was asked for, so that all that are asked for at once share one reading.

    `at` is on the deadline's clock; `on` is the storage time, None where it is not known.
    """

    at: float
    on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """One claim, and what is needed to read, write and look it up.

    `list_lag` is how long Azure DevOps may take to list what was started.
    """

    claims: ClaimStore
    targets: Callable[[], TargetClient]
    list_lag: timedelta
    deadline: Deadline
    partition: Partition
    version: str
    asked: Asked

    @property
    def before_reserve(self) -> Deadline:
        """The deadline for whatever must still be recorded afterwards."""
        return self.deadline.within(max(0.0, self.deadline.remaining - RESERVE))

    def silent(self, organization: str, began: float, *, answered: bool) -> str:
        """Return the organization if it did not answer a call, or too slowly; otherwise ""."""
        is_slow = self.deadline.clock() - began > SLOW
        return "" if answered and not is_slow else organization

    def complete(self, completed: Claim, mark: Mark | None, done: Done) -> Done | None:
        """Write how a start ended, as long as the claim is ours.

        Return None when it is not, and the next step is to be asked for again. There is time for
        each call also after the deadline: a process that was frozen, perhaps more than once, may
        have started a second release.
        """
        while True:
            # A start whose outcome is unknown keeps the slot until its lease is over.
            keeps_slot = completed.state is State.UNKNOWN
            freed = None if keeps_slot else transitions.without_slot(mark, completed.version)
            try:
                self._late.write(completed, freed)
            except ConflictError:
                snapshot = self._late.read()
                mark, other = snapshot.mark, transitions.after_conflict(snapshot.claim, completed)
                if other is None:
                    return done if completed.release else None
                completed = other
            else:
                self._report_second(completed)
                return done

    @property
    def _late(self) -> "Hold":
        """The same with time for one call, whatever the deadline is."""
        return replace(self, deadline=self.deadline.at_least(RESERVE))

    def look_up(self, claim: Claim, snapshot: Snapshot, *, record: bool) -> Done | Claim | None:
        """Look up the release of a claim whose outcome is unknown.

        Return the answer; or the claim as it was written once it is proven that nothing was
        started; or None when others have gone on with the claim meanwhile. `record` writes down
        the attempt also where nothing came of it. Raises ConflictError, LedgerError.
        """
        asked, began = self._asked(claim, snapshot), self.deadline.clock()
        try:
            seen = self._sighting(claim, asked.at, self.before_reserve)
        except (AzureDevOpsError, LedgerError, TargetError) as error:
            done = self._failed(claim, error, began)
        else:
            if asked.on and claim.second_release and not isinstance(seen, Found):
                # All that its turns have started is what a frozen process has recorded.
                seen = Found(claim.second_release)
            match seen:
                case Found() as found:
                    return self.found(claim, snapshot, found)
                case Absent() if asked.on:
                    absent = transitions.not_started(claim, "a look-up found no release")
                    written, _ = self.write(absent, None)
                    return written
                case Absent():
                    until = f"{claim.lease_until + self.list_lag:%H:%M:%S}"
                    reason = f"{_UNCLEAR}; it is not there, which is certain after {until} UTC"
                    done = Done(Outcome.PENDING, reason)
                case CouldNotTell(reason):
                    done = Done(Outcome.FAILED, f"{_UNCLEAR}: {reason}")
        if record or claim.state is not State.UNKNOWN:
            self.write(transitions.unknown(claim, done.reason, snapshot.read_at), None)
        return done

    def _failed(self, claim: Claim, error: Exception, began: float) -> Done:
        """Answer for a look-up that failed; with a TargetError, a person must act."""
        outcome = Outcome.FAILED if isinstance(error, TargetError) else Outcome.PENDING
        unanswered = ""
        if isinstance(error, AzureDevOpsError):
            unanswered = self.silent(claim.organization, began, answered=error.answered)
        return Done(outcome, f"{_UNCLEAR}: {error}", unanswered=unanswered)

    def found(self, claim: Claim, snapshot: Snapshot, found: Found) -> Done | None:
        """Write that the release of a claim was found; None when it is being started again.

        Then what was found by its key may be what the present owner has just started.
        """
        reason = f"{claim.reason or 'the response was lost'}; found"
        done = Done(Outcome.STARTED, reason, found.release)
        mark, seen = snapshot.mark, sighting.sighted(claim, found)
        while True:
            try:
                self.write(seen, transitions.without_slot(mark, claim.version))
            except ConflictError:
                now = self.read()
                mark, other = now.mark, sighting.after_sighting(now.claim, claim, found)
                if other is None:
                    return done if now.claim and now.claim.release else None
                seen = other
            else:
                self._report_second(seen)
                return done

    def _asked(self, claim: Claim, snapshot: Snapshot) -> Asked:
        """Return from when on a reading serves; `on` is None where it cannot prove absence."""
        lag = self.list_lag
        if self.asked.on and sighting.may_prove_absence(claim, self.asked.on, lag):
            return self.asked
        if self.partition.observed or sighting.may_prove_absence(claim, snapshot.read_at, lag):
            return Asked(self.deadline.clock(), snapshot.read_at)
        return Asked(self.asked.at)

    def found_at_once(self, claim: Claim) -> Found | None:
        """Look for a release whose response was lost: what is found is certain at any time."""
        within = self.before_reserve
        if not within.allows(SHORTEST_CALL):
            return None
        try:
            seen = self._sighting(claim, self.deadline.clock(), within)
        except (AzureDevOpsError, LedgerError, TargetError):
            return None
        return seen if isinstance(seen, Found) else None

    def _sighting(
        self, claim: Claim, began_after: float, deadline: Deadline
    ) -> Found | Absent | CouldNotTell:
        """Look for the claim's release; what is only observed has none."""
        request = claim.request
        if request is None or self.partition.observed:
            return Absent()
        seen = self.targets().find(request, claim.key, claim.claimed_at, began_after, deadline)
        if isinstance(seen, Found | Absent):
            return seen
        others = self.claims.on_target(request, deadline)
        me = (self.partition, claim.version)
        return sighting.resolve(
            seen, request, [other for one, other in others if (one, other.version) != me]
        )

    def read(self) -> Snapshot:
        """Read the claim and the mark. Raises LedgerError."""
        return self.claims.read(self.partition, self.version, self.deadline)

    def write(self, claim: Claim | None, mark: Mark | None) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both. Raises ConflictError, LedgerError."""
        return self.claims.write(self.partition, claim, mark, self.deadline)

    def _report_second(self, claim: Claim) -> None:
        if claim.release and claim.second_release:
            line = duplicate_line(
                self.partition.rule, claim.registration, claim.release, claim.second_release
            )
            _log.error("%s", line)
