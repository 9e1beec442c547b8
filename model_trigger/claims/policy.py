"""The durations from the app settings."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """Durations; the README describes the setting of each.

    `claim_lease`: how long a start owns its claim. `list_lag`: how long Azure DevOps may take to
    list a release or run that was started. `retry_pause`: the first pause after a refusal.
    `retry_for`: how long a start is retried. `reconcile_lookback`: how far back reconcile searches
    for missed registrations. `decision_retention`: how long decisions are stored.
    """

    claim_lease: timedelta
    list_lag: timedelta
    retry_pause: timedelta
    retry_for: timedelta
    reconcile_lookback: timedelta
    decision_retention: timedelta
