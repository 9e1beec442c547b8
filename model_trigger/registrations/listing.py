"""Listing the models of a workspace: the protocol, its values and its errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from model_trigger.deadline import Deadline
from model_trigger.registrations.registration import Registration, Workspace


class AzureMLError(Exception):
    """The models of a workspace could not be listed; a retry may help."""


class WorkspaceAccessError(Exception):
    """The models of a workspace cannot be listed; the message says what to fix."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model that is not archived, as its workspace lists it.

    `latest_version` is the version that Azure ML calls the latest. `modified_at` is when the model
    itself was changed: registering a version does not count as a change (recorded in
    https://github.com/Azure/azure-sdk-for-python, sdk/ml/azure-ai-ml/tests/recordings/model).
    """

    name: str
    latest_version: str | None
    modified_at: datetime | None


class ModelLister(Protocol):
    """Lists models. Every method raises WorkspaceAccessError or AzureMLError."""

    def models(self, workspace: Workspace, deadline: Deadline) -> Iterator[ModelSummary]:
        """List the active models of a workspace."""
        ...

    def versions(
        self, workspace: Workspace, model: str, deadline: Deadline
    ) -> Iterator[Registration]:
        """List the active versions of a model."""
        ...
