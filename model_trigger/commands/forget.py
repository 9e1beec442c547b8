"""Forget a claim, or all claims and the mark, so that something is started again on purpose."""

from collections.abc import Iterator
from dataclasses import replace

from model_trigger.claims.claim import Claim, Partition, State
from model_trigger.claims.store import ClaimStore
from model_trigger.deadline import Deadline


class InFlightError(Exception):
    """A start is in flight, or its outcome is unknown: forgetting it could start it twice."""


def forget(
    partition: Partition, version: str | None, claims: ClaimStore, deadline: Deadline
) -> Iterator[str]:
    """Remove one version's claim, or all claims and the mark, live and observed; tell each.

    Raises InFlightError before anything is removed, and LedgerError.
    """
    partitions = [replace(partition, observed=observed) for observed in (False, True)]
    found = [
        (one, claim)
        for one in partitions
        for claim in claims.all_in(one, deadline)
        if version in {None, claim.version}
    ]
    for _, claim in found:
        _check_not_in_flight(claim)
    for one in partitions:
        removed = claims.remove(one, version, deadline)
        kind = "observed claim" if one.observed else "claim"
        yield from (f"{kind} {_told(claim)}" for owner, claim in found if owner == one)
        if "mark" in removed:
            yield f"mark of {kind}s"


def _check_not_in_flight(claim: Claim) -> None:
    if claim.state in {State.STARTING, State.UNKNOWN}:
        msg = (
            f"version {claim.version} is being started, or whether it was started is unknown: "
            f"wait until reconcile has looked for [model-trigger:{claim.key}] in Azure DevOps"
        )
        raise InFlightError(msg)


def _told(claim: Claim) -> str:
    link = f", {claim.release.url}" if claim.release else ""
    return f"{claim.version}: {claim.state}{link}"
