"""What a look-up proves about a start whose outcome is unknown."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from model_trigger.claims.claim import (
    Claim,
    State,
    is_over,
)
from model_trigger.claims.transitions import (
    started,
)
from model_trigger.targets.kinds import may_be_mistaken
from model_trigger.targets.request import Absent, Candidates, Found, Sighting, StartRequest

# What may have started something that the ledger does not know.
_MAY_HAVE_STARTED = (State.STARTING, State.UNKNOWN, State.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class CouldNotTell:
    """A look-up proved neither that there is a release nor that there is none."""

    reason: str


def may_prove_absence(claim: Claim, looked_up_at: datetime, list_lag: timedelta) -> bool:
    """Whether a look-up that begins at this time may prove that there is no release.

    Azure DevOps documents no bound on how long a list lags behind, so a POST that may have been
    sent at the end of its lease is granted `list_lag` more to appear.
    """
    return is_over(claim.lease_until + list_lag, looked_up_at)


def resolve(
    sighting: Sighting, request: StartRequest, others: Iterable[Claim]
) -> Found | Absent | CouldNotTell:
    """Decide what became of a request, given what a look-up saw and all other claims.

    `others` are read after the list was, so that whoever started a run in it is among them. A run
    without a key that another claim holds, or may hold, is never taken for this one's.
    """
    if not isinstance(sighting, Candidates):
        return sighting
    claims = list(others)
    held = {one.id for claim in claims for one in (claim.release, claim.second_release) if one}
    fitting = [run for run in sighting.fitting if run.id not in held]
    silent = [run for run in sighting.silent if run.id not in held]
    if not fitting and not silent:
        return Absent()
    links = ", ".join(run.url for run in (*fitting, *silent))
    rival = next((claim for claim in claims if _may_have_started_the_same(claim, request)), None)
    if rival:
        what = f"{rival.registration.model} {rival.version}"
        return CouldNotTell(f"another start of {what} sent the same, and either may have: {links}")
    if silent:
        return CouldNotTell(f"whether it is one of these cannot be read: {links}")
    if len(fitting) > 1:
        return CouldNotTell(
            f"{len(fitting)} runs were given the same, and one of them may be it: {links}. Delete "
            "those that are too many, or forget the claim; declare the parameter modelTriggerKey "
            "in the pipeline, and runs can be distinguished"
        )
    return Found(fitting[0])


def _may_have_started_the_same(claim: Claim, request: StartRequest) -> bool:
    if claim.state not in _MAY_HAVE_STARTED or claim.release or claim.request is None:
        return False
    return may_be_mistaken(request, claim.request)


def sighted(claim: Claim, found: Found) -> Claim:
    """Complete a claim: its release was found, perhaps with a second one."""
    others = (found.second, claim.second_release)
    second = next((one for one in others if one and one != found.release), None)
    return replace(started(claim, found.release), second_release=second)


def after_sighting(current: Claim | None, sought: Claim, found: Found) -> Claim | None:
    """Return what to write when a claim has changed while its release was found.

    None when there is nothing to write: all is recorded, or a later turn than that of the claim
    that was `sought` is starting it, so that the release may be its own. One that is not the
    recorded one is the second.
    """
    if current is None:
        return None
    if current.release is None:
        if current.state is State.STARTING and current.owner != sought.owner:
            return None
        # The request by which the look-up found it is the one that started it.
        return sighted(replace(current, request=sought.request or current.request), found)
    known = {current.release, current.second_release, None}
    second = next((one for one in (found.release, found.second) if one not in known), None)
    if second is None or current.second_release:
        return None
    return replace(current, second_release=second)
