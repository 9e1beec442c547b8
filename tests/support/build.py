"""Makes what tests are about: registrations, events, rules, deadlines."""

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
    """Make a registration of churn 17, or as told."""
    return Registration(
        **{"workspace": WORKSPACE, "registered_at": NOON, **fields}, model=model, version=version
    )


def claim(state: State = State.STARTING, version: str = "17", **fields: Any) -> Claim:
    """Make the claim of another delivery on churn 17, or as told, taken at noon."""
    lease_until = NOON + timedelta(minutes=2)
    times = {"claimed_at": NOON, "lease_until": lease_until, "tried_at": NOON}
    owned = {"owner": "other", "key": "its key", "attempts": 1, "etag": "etag"}
    return Claim(**{**times, **owned, **fields}, registration=registration(version), state=state)


def event(
    version: object = 17, model: str = "churn", tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Make an event of Event Grid's schema."""
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
    """Make the text that a function is given for an event."""
    return json.dumps(event(*arguments, **options))


def rule(name: str = "churn", **fields: Any) -> Rule:
    """Make a rule that starts release definition 1 for churn, or as told."""
    return rulebook(**{name: fields}).rules[name]


def rulebook(mode: Mode = Mode.LIVE, **rules: Mapping[str, Any]) -> RuleBook:
    """Make a book of rules, each of which starts release definition 1 for churn, or as told."""
    sources = {
        name: RuleSource({"model": "churn", "release": {"definition": 1}, **fields})
        for name, fields in rules.items()
    }
    return RuleBook.read(sources, mode)


def deadline(seconds: float = 25) -> Deadline:
    """Make a deadline on the real clock."""
    return Deadline(time.monotonic() + seconds, time.monotonic, time.sleep)


def standing_still(seconds: float = 25, sleep: Callable[[float], None] = time.sleep) -> Deadline:
    """Make a deadline whose clock stands still: on a busy machine, too, so much is always left."""
    now = time.monotonic()
    return Deadline(now + seconds, lambda: now, sleep)
