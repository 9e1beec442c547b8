"""The durations that the app settings fix."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """How long things take, and how long they are retried; the README describes each setting.

    `claim_lease`: how long a start has a claim to itself. `list_lag`: how long Azure DevOps may
    take to list what was started. `retry_pause`: the first pause after a refusal. `retry_for`: how
    long a start is retried. `reconcile_lookback`: how far back missed registrations are looked for.
    `decision_retention`: how long decisions are kept.
    """

    claim_lease: timedelta
    list_lag: timedelta
    retry_pause: timedelta
    retry_for: timedelta
    reconcile_lookback: timedelta
    decision_retention: timedelta
