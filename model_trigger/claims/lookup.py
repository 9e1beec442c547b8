"""Complete one claim: record the result of its start, or look up a result that is unknown."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from model_trigger.claims import sighting, transitions
from model_trigger.claims.claim import Claim, Done, Mark, Partition, Snapshot, State
from model_trigger.claims.sighting import Inconclusive
from model_trigger.claims.store import ClaimStore, ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome, duplicate_line
from model_trigger.targets.request import Absent, AzureDevOpsError, Found, TargetClient, TargetError

# Seconds reserved for completing the claim after Azure DevOps has responded.
RESERVE = 3.0
SHORTEST_CALL = 1.0
# A temporary error that takes more seconds than this counts as no response: a gateway that times
# out returns 504 after a while, and many claims would wait for it one after the other.
SLOW = 5.0

_UNCLEAR = "it is unknown whether an earlier delivery started it"

_log = logging.getLogger("model_trigger")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How recent a reading of Azure DevOps must be for a lookup: when it may begin at the earliest.

    Lookups of the same freshness share a reading. `at` is in seconds of the deadline's clock; `on`
    is the same moment in storage time, None if not known.
    """

    at: float
    on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """One claim, and what is needed to read, write and look it up.

    `list_lag` is how long Azure DevOps may take to list a release or run that was started.
    """

    claims: ClaimStore
    targets: Callable[[], TargetClient]
    list_lag: timedelta
    deadline: Deadline
    partition: Partition
    version: str
    freshness: Freshness

    @property
    def before_reserve(self) -> Deadline:
        """The deadline for calls whose result must be recorded afterwards."""
        return self.deadline.within(max(0.0, self.deadline.remaining - RESERVE))

    def unresponsive(self, organization: str, began: float, *, answered: bool) -> str:
        """Return the organization if it did not respond, or too slowly; otherwise ""."""
        is_slow = self.deadline.clock() - began > SLOW
        return "" if answered and not is_slow else organization

    def complete(self, completed: Claim, mark: Mark | None, done: Done) -> Done | None:
        """Write the result of a start if this delivery still owns the claim.

        Return None if it does not, so that the next step must be decided again. Each call gets
        time even after the deadline: a process that froze, perhaps repeatedly, may have started a
        second release.
        """
        late = replace(self, deadline=replace(self.deadline, reserve=RESERVE))
        current = completed
        while True:
            # A start that may still send its POST, or whose outcome is unknown, holds the slot.
            keeps_slot = current.state in {State.STARTING, State.UNKNOWN}
            freed = None if keeps_slot else transitions.without_slot(mark, current.version)
            try:
                late.write(current, freed)
            except ConflictError:
                snapshot = late.read()
                mark, other = snapshot.mark, transitions.after_conflict(snapshot.claim, completed)
                if other is None:
                    self._report_third(snapshot.claim, completed)
                    return done if completed.release else None
                current = other
            else:
                self._report_second(current)
                return done

    def look_up(self, claim: Claim, snapshot: Snapshot, *, record: bool) -> Done | Claim | None:
        """Look up the release of a claim whose outcome is unknown.

        Return the result; the claim as written once it is proven that nothing was started; or None
        if another process has taken over the claim. With `record`, an inconclusive lookup is
        recorded too. Raises ConflictError, LedgerError.
        """
        freshness, began = self._freshness(claim, snapshot), self.deadline.clock()
        try:
            seen = self._sighting(claim, freshness.at, self.before_reserve)
        except (AzureDevOpsError, LedgerError, TargetError) as error:
            done = self._failed(claim, error, began)
        else:
            if freshness.on and claim.second_release and isinstance(seen, Absent):
                # Its turns started nothing except the release that a frozen process recorded.
                seen = Found(claim.second_release)
            match seen:
                case Found(second=None) if claim.was_absent and not freshness.on:
                    # It may be that of an earlier turn, and that of this one may not be listed yet.
                    done = Done(Outcome.PENDING, f"{_UNCLEAR}; there may be two releases")
                case Found() as found:
                    return self.found(claim, snapshot, found)
                case Absent() if freshness.on:
                    absent = transitions.not_started(claim, "a lookup found no release")
                    written, _ = self.write(replace(absent, was_absent=True), None)
                    return written
                case Absent():
                    until = f"{claim.lease_until + self.list_lag:%H:%M:%S}"
                    reason = (
                        f"{_UNCLEAR}; no release was found, but only a lookup after {until} UTC "
                        "is conclusive"
                    )
                    done = Done(Outcome.PENDING, reason)
                case Inconclusive(reason):
                    done = Done(Outcome.FAILED, f"{_UNCLEAR}: {reason}")
        if record or claim.state is not State.UNKNOWN:
            self.write(transitions.unknown(claim, done.reason, snapshot.read_at), None)
        return done

    def _failed(self, claim: Claim, error: Exception, began: float) -> Done:
        """Return the result of a failed lookup; after a TargetError, a person must act."""
        outcome = Outcome.FAILED if isinstance(error, TargetError) else Outcome.PENDING
        unanswered = ""
        if isinstance(error, AzureDevOpsError):
            unanswered = self.unresponsive(claim.organization, began, answered=error.answered)
        return Done(outcome, f"{_UNCLEAR}: {error}", unanswered=unanswered)

    def found(self, claim: Claim, snapshot: Snapshot, found: Found) -> Done | None:
        """Record the release that a lookup found; None if the claim is being started again.

        In that case the current owner may have just started the release found by the key.
        """
        reason = f"{claim.reason or 'the response was lost'}; a lookup found the release"
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

    def _freshness(self, claim: Claim, snapshot: Snapshot) -> Freshness:
        """Return when a reading may begin at the earliest; `on` is None if it proves no absence."""
        lag = self.list_lag
        if self.freshness.on and sighting.may_prove_absence(claim, self.freshness.on, lag):
            return self.freshness
        if self.partition.observed or sighting.may_prove_absence(claim, snapshot.read_at, lag):
            return Freshness(self.deadline.clock(), snapshot.read_at)
        return Freshness(self.freshness.at)

    def found_at_once(self, claim: Claim) -> Found | None:
        """Look for a release whose response was lost; finding it is conclusive at any time."""
        within = self.before_reserve
        if not within.allows(SHORTEST_CALL):
            return None
        try:
            seen = self._sighting(claim, self.deadline.clock(), within)
        except (AzureDevOpsError, LedgerError, TargetError):
            return None
        is_certain = isinstance(seen, Found) and (seen.second or not claim.was_absent)
        return seen if isinstance(seen, Found) and is_certain else None

    def _sighting(
        self, claim: Claim, began_after: float, deadline: Deadline
    ) -> Found | Absent | Inconclusive:
        """Look for the release of the claim; an observed claim has none."""
        request = claim.request
        if request is None or self.partition.observed:
            return Absent()
        seen = self.targets().find(request, claim.key, claim.claimed_at, began_after, deadline)
        if isinstance(seen, Found | Absent):
            return seen
        others = self.claims.on_target(request, deadline)
        me = (self.partition, claim.version)
        rivals = [other for one, other in others if (one, other.version) != me]
        return sighting.resolve(seen, request, rivals, claim.second_release)

    def read(self) -> Snapshot:
        """Read the claim and the mark. Raises LedgerError."""
        return self.claims.read(self.partition, self.version, self.deadline)

    def write(self, claim: Claim | None, mark: Mark | None) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both. Raises ConflictError, LedgerError."""
        return self.claims.write(self.partition, claim, mark, self.deadline)

    def _report_third(self, current: Claim | None, completed: Claim) -> None:
        """Log a release for which the claim has no place: two are recorded already."""
        first = current and (current.release or current.second_release)
        if current and completed.release not in {None, current.release, current.second_release}:
            third = replace(current, release=first, second_release=completed.release)
            self._report_second(third)

    def _report_second(self, claim: Claim) -> None:
        if claim.release and claim.second_release:
            line = duplicate_line(
                self.partition.rule, claim.registration, claim.release, claim.second_release
            )
            _log.error("%s", line)
