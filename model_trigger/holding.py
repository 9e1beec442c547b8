"""Hold one claim: write down how its start ended, and look up what became of it when unknown."""

import logging
from dataclasses import dataclass, field
from uuid import uuid4

from model_trigger import claims
from model_trigger.claims import Claim, Done, Mark, Partition, Snapshot, State, Turn
from model_trigger.deadline import Deadline
from model_trigger.decisions import Outcome
from model_trigger.ports import AzureDevOpsError, ConflictError, Services
from model_trigger.targets import Absent, Candidates, Found, Release, TargetError

# What completing the claim may take after Azure DevOps has answered, in seconds.
RESERVE = 3.0
SHORTEST_CALL = 1.0

_log = logging.getLogger("model_trigger")


@dataclass
class Hold:
    """One delivery's turn at one claim."""

    services: Services
    deadline: Deadline
    partition: Partition
    version: str
    turn: Turn = field(init=False)

    def __post_init__(self) -> None:
        self.turn = Turn(uuid4().hex, uuid4().hex, self.services.claim_lease)

    def complete(self, completed: Claim, mark: Mark | None, done: Done) -> Done | None:
        """Write down how a start ended, as long as the claim is ours.

        None when it is not, and the next step is to be asked for again.
        """
        while True:
            # A start whose outcome is unknown keeps the slot until its lease is over.
            keeps_slot = completed.state is State.STARTING
            freed = None if keeps_slot else claims.without_slot(mark, completed.version)
            try:
                self.write(completed, freed)
            except ConflictError:
                snapshot = self.read()
                mark, other = snapshot.mark, claims.after_conflict(snapshot.claim, completed)
                if other is None:
                    return done if completed.release else None
                completed = other
            else:
                self._tell_second(completed)
                return done

    def take_over(self, claim: Claim, snapshot: Snapshot) -> Done | None:
        """Take over a claim whose outcome is unknown, and look its release up."""
        taken = claims.taken_over(claim, self.turn, snapshot.read_at)
        written, _ = self.write(taken, None)
        return self.look_up(written or taken, snapshot)

    def look_up(self, claim: Claim, snapshot: Snapshot) -> Done | None:
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
            return self.complete(claims.started(claim, release), snapshot.mark, done)
        lag = self.services.list_lag
        if not self.partition.observed and not claims.may_say_not_there(
            claim, snapshot.read_at, lag
        ):
            until = f"{claim.post_until + lag:%H:%M:%S}"
            done = Done(Outcome.PENDING, f"{told}; it is not there, which is certain after {until}")
            return self._still_unknown(claim, snapshot, done)
        self.write(claims.not_started(claim, "a look-up found no release"), None)
        return None

    def found_at_once(self, claim: Claim) -> Release | None:
        """Look for a release whose answer was lost: what is found is certain at any time."""
        within = self.deadline.within(max(0.0, self.deadline.remaining - RESERVE))
        if not within.allows(SHORTEST_CALL):
            return None
        try:
            return self._found(claim, within)
        except (AzureDevOpsError, TargetError):
            return None

    def _found(self, claim: Claim, deadline: Deadline) -> Release | None:
        """Look for the claim's release; what is only observed has none."""
        if claim.request is None or self.partition.observed:
            return None
        sighting = self.services.azure_devops().find(
            claim.request, claim.key, claim.claimed_at, deadline.clock(), deadline
        )
        match sighting:
            case Found(release):
                return release
            case Absent():
                return None
            case Candidates(fitting, silent):
                known = self.services.ledger.started_by(claim.request, deadline)
                left = [run for run in (*fitting, *silent) if run.id not in known]
                if len(left) > 1 or (left and left[0] not in fitting):
                    links = ", ".join(run.url for run in left)
                    msg = f"one of these runs may be the one in question: {links}"
                    raise TargetError(msg)
                return left[0] if left else None

    def read(self) -> Snapshot:
        """Read the claim and the mark. Raises LedgerError."""
        return self.services.ledger.read(self.partition, self.version, self.deadline)

    def write(self, claim: Claim | None, mark: Mark | None) -> tuple[Claim | None, Mark | None]:
        """Write a claim, a mark or both. Raises ConflictError, LedgerError."""
        return self.services.ledger.write(self.partition, claim, mark, self.deadline)

    def _still_unknown(self, claim: Claim, snapshot: Snapshot, done: Done) -> Done:
        self.write(claims.unknown(claim, done.reason, snapshot.read_at), None)
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
