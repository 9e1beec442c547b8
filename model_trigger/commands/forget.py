"""`forget`: remove a claim, or all claims and the mark, so that a version can start again."""

import argparse
from collections.abc import Iterator
from dataclasses import replace

from model_trigger.claims.claim import Partition, State
from model_trigger.claims.store import ClaimStore
from model_trigger.commands.common import (
    MISTAKE,
    AddCommand,
    described,
    new_deadline,
    text,
    workspace,
)
from model_trigger.deadline import Deadline

_ABOUT = """\
Remove a claim from the ledger, or all claims of a model and the mark of its
newest version, and print what was removed. The next event then starts the
version again. Needs the app's storage settings: AzureWebJobsStorage or
AzureWebJobsStorage__accountName.

Exit code: 0 if something was removed, 1 if nothing was or a start is in flight,
2 on a usage error.
"""


class InFlightError(Exception):
    """A start is in flight, or its outcome is unknown: removing its claim could start it twice."""


def add(add_command: AddCommand) -> None:
    """Add the command."""
    about = "remove a claim from the ledger, so that its version can start again"
    command = add_command("forget", help=about, **described(_ABOUT))
    option = command.add_argument
    option("--rule", metavar="NAME", type=text, required=True, help="the rule's name")
    option("--workspace", metavar="ID", type=workspace, required=True, help="its resource id")
    option("--model", metavar="NAME", type=text, required=True, help="the model's name")
    option("--version", metavar="V", type=text, help="one version; by default all, and the mark")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Remove a claim, or all claims and the mark of a model, and print what was removed."""
    from model_trigger.services import services  # noqa: PLC0415 - it imports the SDKs

    partition = Partition(options.rule, options.workspace, options.model)
    claims = services().ledger.claims
    removed = list(forget(partition, options.version, claims, new_deadline()))
    print("\n".join(removed or ["nothing to forget"]))
    return 0 if removed else MISTAKE


def forget(
    partition: Partition, version: str | None, claims: ClaimStore, deadline: Deadline
) -> Iterator[str]:
    """Remove one version's claim, or all claims and the mark, live and observed; yield each.

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
        if claim.state in {State.STARTING, State.UNKNOWN}:
            msg = (
                f"version {claim.version} is being started, or it is not known whether it was: "
                f"wait until reconcile has looked for [model-trigger:{claim.key}] in Azure DevOps"
            )
            raise InFlightError(msg)
    for one in partitions:
        removed = claims.remove(one, version, deadline)
        kind = "observed claim" if one.observed else "claim"
        for owner, claim in found:
            if owner == one:
                link = f", {claim.release.url}" if claim.release else ""
                yield f"{kind} {claim.version}: {claim.state}{link}"
        if "mark" in removed:
            yield f"mark of {kind}s"
