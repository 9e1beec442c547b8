"""Claims, marks and requests with every field filled, as the ledger keeps them."""

from datetime import timedelta

from model_trigger.claims.claim import Baseline, Claim, Mark, State
from model_trigger.targets.request import Release, StartRequest
from tests.support.build import NOON, registration

REQUEST = StartRequest("release", "https://dev.azure.com/contoso", "ml", 1, {"a": ["b"]})
CLAIM = Claim(
    registration=registration(tags={"stage": "prod"}),
    state=State.FAILED,
    owner="owner",
    key="key",
    claimed_at=NOON,
    lease_until=NOON + timedelta(minutes=2),
    tried_at=NOON + timedelta(minutes=1),
    request=REQUEST,
    release=Release(2**40, "https://dev.azure.com/contoso/ml/_release?releaseId=7"),
    reason="because",
    attempts=3,
    failed_since=NOON,
    not_before=NOON + timedelta(minutes=5),
    second_release=Release(8, "https://dev.azure.com/contoso/ml/_release?releaseId=8"),
)
MARK = Mark("17", "1.4.0", "semver tag:semver", in_flight="17", in_flight_until=NOON)
BASELINE = Baseline("9", "1.0.0", "semver version")
