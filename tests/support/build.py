"""Build the registrations, events, rules and deadlines of tests."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from model_trigger.claims.claim import Claim, State
from model_trigger.claims.policy import Policy
from model_trigger.deadline import Deadline
from model_trigger.registrations.event_grid import EVENT_TYPE
from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import Mode
from model_trigger.rules.rule import Rule

WORKSPACE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ml-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/ml-prod-ws"
)
WORKSPACE = Workspace.parse(WORKSPACE_ID)
# The durations of the app's own defaults.
POLICY = Policy(
    claim_lease=timedelta(minutes=2),
    list_lag=timedelta(minutes=2),
    retry_pause=timedelta(minutes=5),
    retry_for=timedelta(days=1),
    reconcile_lookback=timedelta(days=1),
    decision_retention=timedelta(days=90),
)
OTHER = Workspace.parse(WORKSPACE_ID.replace("ml-prod-ws", "ml-test-ws"))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTOSO = "https://dev.azure.com/contoso"
NEVER_SHOWN = "s3cr3t-never-shown"


def registration(version: str = "17", model: str = "churn", **fields: Any) -> Registration:
    """Return a registration of churn 17, unless specified otherwise."""
    return Registration(
        **{"workspace": WORKSPACE, "registered_at": NOON, **fields}, model=model, version=version
    )


def claim(state: State = State.STARTING, version: str = "17", **fields: Any) -> Claim:
    """Return another delivery's claim on churn 17, taken at noon, unless specified otherwise."""
    lease_until = NOON + timedelta(minutes=2)
    times = {"claimed_at": NOON, "lease_until": lease_until, "tried_at": NOON}
    owned = {"owner": "other", "key": "its key", "attempts": 1, "etag": "etag"}
    return Claim(**{**times, **owned, **fields}, registration=registration(version), state=state)


def event(
    version: object = 17, model: str = "churn", tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return an event in Event Grid's schema."""
    return {
        "topic": WORKSPACE_ID,
        "subject": f"models/{model}:{version}",
        "eventType": EVENT_TYPE,
        "eventTime": "2026-11-22T12:00:00.9584103Z",
        "id": f"{model}-{version}",
        "data": {
            "ModelName": model,
            "ModelVersion": version,
            "ModelTags": tags,
            "ModelProperties": {},
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }


def event_text(*arguments: Any, **options: Any) -> str:
    """Return the text that a function receives for an event."""
    return json.dumps(event(*arguments, **options))


def rule(name: str = "churn", **fields: Any) -> Rule:
    """Return a rule that starts release definition 1 for churn, unless specified otherwise."""
    return rulebook(**{name: fields}).rules[name]


def rulebook(mode: Mode = Mode.LIVE, **rules: Mapping[str, Any]) -> RuleBook:
    """Return a book of rules, each like the one of `rule` unless specified otherwise."""
    sources = {
        name: RuleSource({"model": "churn", "release": {"definition": 1}, **fields})
        for name, fields in rules.items()
    }
    return RuleBook.read(sources, mode)


def deadline(seconds: float = 25) -> Deadline:
    """Return a deadline on the real clock."""
    return Deadline(time.monotonic() + seconds, time.monotonic, time.sleep)


def standing_still(seconds: float = 25, sleep: Callable[[float], None] = time.sleep) -> Deadline:
    """Return a deadline on a stopped clock, so the time left is the same on a busy machine."""
    now = time.monotonic()
    return Deadline(now + seconds, lambda: now, sleep)
