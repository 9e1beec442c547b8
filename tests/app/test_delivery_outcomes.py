"""Target by fault by authentication: what the user, the ledger and Event Grid see."""

import base64
import json
import time
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from model_trigger.claims.claim import State
from model_trigger.handlers import DeliverAgainError, handle_event
from model_trigger.targets.azure_devops.client import AzureDevOps as Adapter
from tests.sandbox.azure_devops.organization import FABRIKAM, Identity
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.build import deadline, event_text, rulebook
from tests.support.trial import CHURN

RENEW = "renew AZURE_DEVOPS_PAT, or add the app's managed identity to the organization"
TARGETS = {
    "classic release": {"release": {"definition": "Deploy churn"}},
    "YAML pipeline": {"release": None, "pipeline": {"id": "deploy-churn"}},
}
AUTHORIZATIONS = {
    "personal access token": f"Basic {base64.b64encode(b':secret').decode()}",
    "managed identity": "Bearer secret",
}


@dataclass(frozen=True)
class Row:
    """What goes wrong, and the result: outcome, claim and what was started.

    `again` is the outcome of an immediate second delivery; `reason` is a part of the message, or
    one per way to sign in.
    """

    outcome: str
    claim: State | None
    again: str
    started: int = 0
    reason: str | dict[str, str] = ""
    faults: list[dict] = field(default_factory=list)
    identity: dict = field(default_factory=dict)
    list_lag: float = 0

    @property
    def delivered_again(self):
        return self.outcome == "pending"


def starting(kind, **options):
    """Return a fault of only the request that starts something."""
    return [{"kind": kind, **options, "path": path} for path in ("/releases", "/runs")]


ROWS = {
    "nothing goes wrong": Row("started", State.STARTED, "duplicate", started=1),
    "a success that asks for a pause": Row(
        "started",
        State.STARTED,
        "duplicate",
        started=1,
        faults=starting("retry-after", retry_after=120),
    ),
    "refused": Row(
        "failed",
        State.FAILED,
        "failed",
        reason="Azure DevOps refused (HTTP 400): Something went wrong.",
        faults=starting("error", status=400),
    ),
    "throttled": Row(
        "pending",
        State.WAITING,
        "pending",
        reason="Azure DevOps is throttling: TF400733: The request has been canceled.",
        faults=starting("error", status=429, retry_after=120),
    ),
    "signed out during the start": Row(
        "failed",
        State.FAILED,
        "failed",
        reason=f"Azure DevOps returned its sign-in page (HTTP 203): {RENEW}",
        faults=starting("sign-in page"),
    ),
    "redirected to the sign-in page": Row(
        "failed",
        State.FAILED,
        "failed",
        reason=f"Azure DevOps returned its sign-in page (HTTP 302): {RENEW}",
        faults=starting("redirect"),
    ),
    "expired": Row(
        "failed",
        State.FAILED,
        "failed",
        reason={
            "personal access token": "Azure DevOps rejected the credentials (HTTP 401: Access "
            f"Denied: The Personal Access Token used has expired.): {RENEW}",
            "managed identity": f"Azure DevOps returned its sign-in page (HTTP 203): {RENEW}",
        },
        identity={"expired": True},
    ),
    "unknown to the organization": Row(
        "failed",
        State.FAILED,
        "failed",
        reason="Azure DevOps rejected the credentials (HTTP 401: TF400813: The user '' is not "
        f"authorized to access this resource.): {RENEW}",
        identity={"secret": "another"},
    ),
    "not permitted to start": Row(
        "failed",
        State.FAILED,
        "failed",
        reason="Azure DevOps refused (HTTP 403): ",
        identity={"create_releases": (), "queue_builds": ()},
    ),
    "a server error": Row(
        "pending",
        State.UNKNOWN,
        "pending",
        reason="no usable response from Azure DevOps: HTTP 500: Something went wrong.",
        faults=starting("error", status=500),
    ),
    "no response, although it was started": Row(
        "started", State.STARTED, "duplicate", started=1, faults=starting("close", commit=True)
    ),
    "half a response, although it was started": Row(
        "started", State.STARTED, "duplicate", started=1, faults=starting("truncated")
    ),
    "no response, and nothing was started": Row(
        "pending",
        State.UNKNOWN,
        "pending",
        reason="no usable response from Azure DevOps: ",
        faults=starting("reset"),
    ),
    "no response, and lists lag behind": Row(
        "pending",
        State.UNKNOWN,
        "pending",
        started=1,
        reason="no usable response from Azure DevOps: ",
        faults=starting("close", commit=True),
        list_lag=3600,
    ),
    "discovery fails": Row(
        "pending",
        State.WAITING,
        "started",
        reason="the request to Azure DevOps failed: HTTP 503: The service is unavailable.",
        faults=[{"kind": "error", "verb": "OPTIONS", "status": 503}],
    ),
    "the definition is unavailable": Row(
        "pending",
        State.WAITING,
        "started",
        reason="the request to Azure DevOps failed: HTTP 500: Something went wrong.",
        faults=[{"kind": "error", "verb": "GET", "path": "/definitions", "status": 500}],
    ),
    "reading the definitions is too slow": Row(
        "started",
        State.STARTED,
        "duplicate",
        started=1,
        faults=[{"kind": "hang", "verb": "GET", "path": "/definitions", "seconds": 0.2}],
    ),
}


@dataclass(frozen=True)
class Delivery:
    """The result of one delivery."""

    outcome: str
    reason: str
    release: int | None
    delivered_again: bool


@pytest.fixture(name="deliver")
def _deliver(caplog):
    """Return a function that delivers churn 17 and returns the result."""
    caplog.set_level("INFO", "model_trigger")

    def deliver(services):
        caplog.clear()
        try:
            handle_event(event_text(17), services)
        except DeliverAgainError:
            again = True
        else:
            again = False
        (line,) = [each.message for each in caplog.records if each.message.startswith("decision ")]
        reported = json.loads(line.removeprefix("decision "))
        return Delivery(reported["outcome"], reported["reason"], reported.get("release_id"), again)

    return deliver


@pytest.mark.parametrize("authorization", AUTHORIZATIONS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("row", ROWS)
def test_what_the_user_the_ledger_and_event_grid_see(
    row, target, authorization, make_services, deliver
):
    row, header = ROWS[row], AUTHORIZATIONS[authorization]
    identity = Identity(**{"name": "trigger", "secret": "secret", **row.identity})
    with AzureDevOps((replace(FABRIKAM, identities=(identity,)),)) as azure_devops:
        adapter = Adapter(lambda _: header, time.monotonic)
        services = make_services(
            targets=lambda: adapter,
            organization_url=azure_devops.url,
            rules=partial(rulebook, churn=TARGETS[target]),
        )
        azure_devops.list_lag = row.list_lag
        for fault in row.faults:
            azure_devops.fault(**fault)
        first = deliver(services)
        claim = services.ledger.claims.read(CHURN, "17", deadline()).claim
        made = [each["id"] for each in azure_devops.releases + azure_devops.runs]
        azure_devops.clear_faults()
        again = deliver(services)

        assert (row.outcome, row.delivered_again) == (first.outcome, first.delivered_again)
        reason = row.reason if isinstance(row.reason, str) else row.reason[authorization]
        assert first.reason.startswith(reason)
        assert row.claim == (claim.state if claim else None)
        assert row.started == len(made)
        held = claim.release.id if claim and claim.release else None
        assert (first.release, held) == (
            (*made, *made) if row.claim is State.STARTED else (None,) * 2
        )
        assert row.again == again.outcome
        assert max(1, row.started) >= len(azure_devops.releases + azure_devops.runs)
