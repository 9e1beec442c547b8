"""Start the targets of rules: the entry point for events and for reconcile."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Semaphore

from model_trigger.claims import transitions
from model_trigger.claims.attempt import Attempt
from model_trigger.claims.claim import Candidate, Done, Partition
from model_trigger.claims.lookup import Freshness, Hold
from model_trigger.claims.policy import Policy
from model_trigger.claims.store import ClaimStore, ConflictError, LedgerError
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.registrations.listing import AzureMLError, ModelLister
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import BrokenRule
from model_trigger.rules.fields import Mode, Start
from model_trigger.rules.rule import Evaluation, Rule
from model_trigger.targets.request import (
    AzureDevOpsError,
    TargetClient,
    TargetDefaults,
)


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts the target of a rule exactly once per registration.

    `targets` and `models` are built on first use. `waiting_room` limits how many threads of the
    process wait for another start at once, since each occupies one of the few worker threads of
    Azure Functions; without a place, a delivery fails and Event Grid retries it.
    """

    claims: ClaimStore
    targets: Callable[[], TargetClient]
    models: Callable[[], ModelLister]
    defaults: TargetDefaults
    policy: Policy
    waiting_room: Semaphore

    def start(
        self,
        evaluation: Evaluation,
        registration: Registration,
        deadline: Deadline,
        *,
        retry: Freshness | None = None,
    ) -> Decision:
        """Start the target of a matching rule, unless it was started already or must not be.

        `retry` is set by reconcile to the beginning of its pass: a refused start is retried once
        its pause is over.
        """
        rule = evaluation.rule
        freshness = retry or Freshness(deadline.clock())
        partition = partition_of(rule, registration)
        hold = self.hold(partition, registration.version, deadline, freshness)
        attempt = Attempt(
            rule,
            Candidate.of(evaluation, registration),
            hold,
            self.models,
            self.defaults,
            self.policy,
            self.waiting_room,
            retry is not None,
        )
        try:
            done = attempt.run()
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
        """Keep a registration that a broken rule may match, until a person fixes the rule.

        A version that the rule observed before it broke is not kept, so that it is never started.
        """
        partition = partition_of(broken, registration)
        observed = replace(partition, observed=True)
        outcome, reason = Outcome.FAILED, broken.reason
        try:
            was_observed, _ = self.claims.claim(observed, registration.version, deadline)
            if was_observed:
                reason = "this rule already observed it"
                return Decision(Outcome.DUPLICATE, reason, broken.name, registration)
            claim, read_at = self.claims.claim(partition, registration.version, deadline)
            if claim is None:
                kept = transitions.kept(registration, reason, read_at)
                self.claims.write(partition, kept, None, deadline)
        except ConflictError:
            reason = f"{reason} (kept by another delivery)"
        except LedgerError as error:
            outcome, reason = Outcome.PENDING, f"{reason}; {error}"
        return Decision(outcome, reason, broken.name, registration)

    def hold(
        self, partition: Partition, version: str, deadline: Deadline, freshness: Freshness
    ) -> Hold:
        """Return the hold that reads, writes and looks up one claim."""
        lag = self.policy.list_lag
        return Hold(self.claims, self.targets, lag, deadline, partition, version, freshness)

    def dependencies(self, rule: Rule, workspace: Workspace) -> tuple[str, ...]:
        """Return what a start calls: the organization, and the workspace if it must be listed."""
        url = (rule.target.organization_url or self.defaults.organization_url or "").rstrip("/")
        return (url, workspace.key) if rule.start is Start.LATEST else (url,)


def partition_of(rule: Rule | BrokenRule, registration: Registration) -> Partition:
    """Return the partition of a rule's claims on a model in the rule's current mode."""
    observed = isinstance(rule, Rule) and rule.mode is Mode.OBSERVE
    return Partition(rule.name, registration.workspace, registration.model, observed)
