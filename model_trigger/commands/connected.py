"""The commands that reach what the settings name: Azure DevOps, the workspaces, the ledger."""

import time
from collections.abc import Iterator

from model_trigger.claims.claim import Partition
from model_trigger.commands import forget as forgetting
from model_trigger.commands.online import Finding, check_rules, check_workspaces
from model_trigger.deadline import Deadline
from model_trigger.registrations.registration import Workspace
from model_trigger.rules.book import RuleBook
from model_trigger.services import services

# A person waits, and no event does: Azure DevOps may delay a request by half a minute
# (https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits).
_SECONDS = 60.0


def check_online(book: RuleBook) -> Iterator[Finding]:
    """Check the valid rules, and the workspaces of WORKSPACES, against what is really there.

    Raises SettingsError.
    """
    parts = services()
    targets = parts.targets()
    rules = book.rules.values()
    yield from check_rules(
        rules, targets, parts.defaults.organization_url, parts.defaults.project, _new_deadline
    )
    if parts.workspaces:
        yield from check_workspaces(parts.workspaces, parts.models().models, _new_deadline)


def forget(rule: str, workspace: Workspace, model: str, version: str | None) -> Iterator[str]:
    """Forget a claim, or all claims and the mark; yield what was removed.

    Raises SettingsError, InFlightError and LedgerError.
    """
    partition = Partition(rule, workspace, model)
    return forgetting.forget(partition, version, services().ledger.claims, _new_deadline())


def _new_deadline() -> Deadline:
    return Deadline(time.monotonic() + _SECONDS, time.monotonic, time.sleep)
