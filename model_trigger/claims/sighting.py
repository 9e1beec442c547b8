"""What a lookup proves about a start whose outcome is unknown."""

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
from model_trigger.targets.request import Absent, Candidates, Found, Release, Sighting, StartRequest

# Claims in these states may have started something that the ledger does not list.
_MAY_HAVE_STARTED = (State.STARTING, State.UNKNOWN, State.GIVEN_UP)
_DISTINGUISH = "To make runs distinguishable, declare the parameter modelTriggerKey in the pipeline"


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The lookup proved neither that a release exists nor that there is none."""

    reason: str


def may_prove_absence(claim: Claim, looked_up_at: datetime, list_lag: timedelta) -> bool:
    """Whether a lookup that begins at this time can prove that there is no release.

    Azure DevOps documents no bound on the lag of its lists, so a POST sent at the end of its lease
    gets another `list_lag` to appear.
    """
    return is_over(claim.lease_until + list_lag, looked_up_at)


def resolve(
    sighting: Sighting,
    request: StartRequest,
    others: Iterable[Claim],
    recorded: Release | None = None,
) -> Found | Absent | Inconclusive:
    """Decide the outcome of a request from the result of a lookup and all other claims.

    `others` must be read after the list, so that they include the claim of every run in it. A run
    without a key that belongs, or may belong, to another claim is never attributed to this one, nor
    is the one that a frozen process has `recorded` attributed to a later turn.
    """
    if not isinstance(sighting, Candidates):
        return sighting
    claims = list(others)
    held = {one.id for claim in claims for one in (claim.release, claim.second_release) if one}
    held |= {recorded.id} if recorded else set()
    fitting = [run for run in sighting.fitting if run.id not in held]
    silent = [run for run in sighting.silent if run.id not in held]
    if not fitting and not silent:
        return Absent()
    links = ", ".join(run.url for run in (*fitting, *silent))
    rival = next((claim for claim in claims if _may_have_started_the_same(claim, request)), None)
    if rival:
        what = f"{rival.registration.model} {rival.version}"
        return Inconclusive(
            f"another start of {what} sent an indistinguishable request, and these may belong to "
            f"either: {links}. {_DISTINGUISH}"
        )
    if silent:
        return Inconclusive(
            f"Azure DevOps does not report the parameters of these runs, and one may be it: {links}"
        )
    if len(fitting) > 1:
        return Inconclusive(
            f"{len(fitting)} runs have the same parameters, and any of them may be it: {links}. "
            f"Delete the surplus runs, or forget the claim once it is given up. {_DISTINGUISH}"
        )
    return Found(fitting[0])


def _may_have_started_the_same(claim: Claim, request: StartRequest) -> bool:
    if claim.state not in _MAY_HAVE_STARTED or claim.release or claim.request is None:
        return False
    return may_be_mistaken(request, claim.request)


def sighted(claim: Claim, found: Found) -> Claim:
    """Complete a claim whose release was found, perhaps with a second one."""
    others = (found.second, claim.second_release)
    second = next((one for one in others if one and one != found.release), None)
    return replace(started(claim, found.release), second_release=second)


def after_sighting(current: Claim | None, sought: Claim, found: Found) -> Claim | None:
    """Return the claim to write if it changed during the lookup that found its release.

    None if there is nothing to write: everything is recorded already, or a later turn than that of
    the `sought` claim is starting it, or may have, and may own the release: it is looked up itself.
    A release other than the recorded one becomes the second.
    """
    if current is None:
        return None
    if current.release is None:
        may_have_started = current.state in {State.STARTING, State.UNKNOWN}
        if may_have_started and current.owner != sought.owner:
            return None
        # The request by which the lookup found the release is the one that started it.
        return sighted(replace(current, request=sought.request or current.request), found)
    known = {current.release, current.second_release, None}
    second = next((one for one in (found.release, found.second) if one not in known), None)
    if second is None or current.second_release:
        return None
    return replace(current, second_release=second)
