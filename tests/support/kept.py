"""Write claims and decisions to a ledger as if they had been made some time before noon."""

from datetime import timedelta
from typing import Any

from model_trigger.claims.claim import Claim, Partition, State
from model_trigger.decisions.decision import Decision, Outcome
from model_trigger.pages.lookup import Reading
from model_trigger.pages.status import Configuration
from model_trigger.services import Services
from model_trigger.targets.request import Release
from tests.support.build import NOON, WORKSPACE, deadline, registration

NO_TIME = timedelta()
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RELEASE = Release(7, "https://dev.azure.com/contoso/ml/_release?releaseId=7")


def reading(services: Services) -> Reading:
    """Read the ledger at noon."""
    ledger = services.ledger
    return Reading(ledger.claims, ledger.decisions, services.policy, NOON, deadline())


def configuration(services: Services) -> Configuration:
    """Return what a page shows of the app itself."""
    app = services.rules, services.ledger.notes(), services.workspaces
    return Configuration(*app, services.mode, services.defaults)


def keep_claim(
    services: Services, state: State, version: str = "17", *, ago: timedelta = HOUR, **fields: Any
) -> None:
    """Write a claim of rule churn on churn, made some time before noon."""
    about = {"rule": "churn", "workspace": WORKSPACE, "model": "churn", "observed": False}
    partition = Partition(**{name: fields.pop(name, value) for name, value in about.items()})
    when = NOON - ago
    claim = Claim(
        registration=registration(
            version,
            partition.model,
            workspace=partition.workspace,
            tags=fields.pop("tags", {}),
        ),
        state=state,
        owner="owner",
        key="key",
        **{"claimed_at": when, "lease_until": when, "tried_at": when, **fields},
    )
    services.ledger.claims.write(partition, claim, None, deadline())


def keep_decision(
    services: Services, outcome: Outcome, reason: str = "because", **fields: Any
) -> None:
    """Write a decision of rule churn on churn 17, made some time before noon."""
    about = {"version": "17", "model": "churn", "workspace": WORKSPACE}
    found = registration(**{name: fields.pop(name, value) for name, value in about.items()})
    when = NOON - fields.pop("ago", HOUR)
    decision = Decision(outcome, reason, **{"rule": "churn", "registration": found, **fields})
    services.ledger.decisions.record(decision, 12, when, deadline())
