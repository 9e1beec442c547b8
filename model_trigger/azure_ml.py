"""List what is registered in a workspace: azure-ai-ml, imported when needed and kept to a deadline.

Importing the client takes a second and adds 60 MB, so that an event which needs no list never pays
for it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import Any, TypeVar

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from model_trigger.deadline import Deadline
from model_trigger.events import Registration, Workspace
from model_trigger.passes import ModelSummary
from model_trigger.ports import AzureMLError, WorkspaceAccessError

_PAUSES = (0.5, 2.0)
_LONGEST_CONNECT = 5.0
_LONGEST_CALL = 10.0
_SHORTEST_CALL = 1.0
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_SERVER_ERRORS = HTTPStatus.INTERNAL_SERVER_ERROR
# What the client raises, and what its reading of an answer that it did not expect may raise.
_FAULTS = (AzureError, AttributeError, KeyError, TypeError, ValueError)

_ACTIONS = "Microsoft.MachineLearningServices/workspaces/models"
_GRANT = (
    "deploy infra/subscribe.bicep for the workspace, or grant the app's identity a role there that "
    f"allows {_ACTIONS}/read and {_ACTIONS}/versions/read"
)
_LOG_IN = (
    "give the app a managed identity, a user-assigned one by AZURE_CLIENT_ID; elsewhere than in "
    "Azure, run `az login`"
)
_CORRECT = "WORKSPACES must name workspaces that exist"

Answer = TypeVar("Answer")

_deadline_in_force: ContextVar[Deadline] = ContextVar("deadline_in_force")


@dataclass
class AzureMachineLearning:
    """The models of any workspace; `credential` gives what asks for tokens, and is called once."""

    credential: Callable[[], TokenCredential]
    _clients: dict[str, Any] = field(default_factory=dict[str, Any], init=False)
    _identity: TokenCredential | None = field(default=None, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def models(self, workspace: Workspace, deadline: Deadline) -> Iterator[ModelSummary]:
        """List the models that are not archived; each page is fetched when it is reached.

        Raises WorkspaceAccessError when a person must act, AzureMLError when it may pass.
        """
        for model in self._listed(workspace, None, deadline):
            changed = _utc(model.creation_context.last_modified_at)
            yield ModelSummary(model.name, model.latest_version, changed)

    def versions(
        self, workspace: Workspace, model: str, deadline: Deadline
    ) -> Iterator[Registration]:
        """List the versions of a model that are not archived; those created last come first.

        The order is what the service does, and no promise of it. A list may lag half a minute
        behind a registration: the client's own tests wait as long
        (https://github.com/Azure/azure-sdk-for-python, sdk/ml/azure-ai-ml/tests/model/e2etests).
        Raises WorkspaceAccessError when a person must act, AzureMLError when it may pass.
        """
        for version in self._listed(workspace, model, deadline):
            yield Registration(
                workspace=workspace,
                model=model,
                version=version.version,
                tags=_texts(version.tags),
                properties=_texts(version.properties),
                registered_at=_utc(version.creation_context.created_at),
                source="reconcile",
            )

    def _listed(self, workspace: Workspace, model: str | None, deadline: Deadline) -> Iterator[Any]:
        """Give what the client lists, page after page, from the first to the last."""
        what = f"the versions of model {model!r}" if model else "the models"
        listed = f"{what} in workspace {workspace.id}"
        pages = _asked(
            lambda: self._client(workspace).models.list(name=model).by_page(), listed, deadline
        )
        while True:
            page = _asked(lambda: next(pages, None), listed, deadline)
            if page is None:
                return
            yield from page

    def _client(self, workspace: Workspace) -> Any:  # noqa: ANN401 - the client's type is not loaded
        """Give the client of a workspace, made once."""
        with self._lock:
            if workspace.key not in self._clients:
                self._identity = self._identity or self.credential()
                self._clients[workspace.key] = _new_client(self._identity, workspace)
            return self._clients[workspace.key]


def _new_client(credential: TokenCredential, workspace: Workspace) -> Any:  # noqa: ANN401
    from azure.ai.ml import MLClient  # noqa: PLC0415 - it is slow

    _quieten()
    return MLClient(
        credential,
        workspace.subscription_id,
        workspace.resource_group,
        workspace.name,
        enable_telemetry=False,
        show_progress=False,
        # The client's own retries know no deadline, and sleep as long as Retry-After says.
        retry_total=0,
        permit_redirects=False,
        raw_request_hook=_keep_to_deadline,
    )


def _quieten() -> None:
    """Take back that importing the client lets it write to standard error, from INFO on."""
    logger = logging.getLogger("azure.ai.ml")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.ERROR)


def _keep_to_deadline(request: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineRequest
    """Limit a request to what is left: half to connect, half until it is answered."""
    half = max(0.001, _deadline_in_force.get().remaining / 2)
    request.context.options["connection_timeout"] = min(_LONGEST_CONNECT, half)
    request.context.options["read_timeout"] = min(_LONGEST_CALL, half)


def _asked(ask: Callable[[], Answer], listed: str, deadline: Deadline) -> Answer:
    """Ask within the deadline; a fault that may pass is tried again while there is time."""
    _deadline_in_force.set(deadline)
    for pause in (*_PAUSES, None):
        if not deadline.allows(_SHORTEST_CALL):
            msg = f"no time was left to list {listed}"
            raise AzureMLError(msg)
        try:
            return ask()
        except _FAULTS as fault:
            wait = max(pause or 0.0, _retry_after(fault))
            if pause is None or not _may_pass(fault) or not deadline.allows(wait + _SHORTEST_CALL):
                raise _error(fault, listed) from fault
            deadline.pause(wait)
    raise AssertionError  # unreachable: the last round returns or raises


def _may_pass(fault: Exception) -> bool:
    """Tell whether asking for the same page again may help.

    The client forgets its place in the list when it cannot read an answer, and would then end the
    list early: only what goes wrong before that is tried again.
    """
    if isinstance(fault, HttpResponseError) and fault.status_code:
        return fault.status_code in _PASSING or fault.status_code >= _SERVER_ERRORS
    return isinstance(fault, ServiceRequestError | ServiceResponseError | IncompleteReadError)


def _retry_after(fault: Exception) -> float:
    """Read Retry-After in seconds; 0 when there is none, or a date."""
    response: Any = fault.response if isinstance(fault, HttpResponseError) else None
    text: str = response.headers.get("Retry-After", "") if response else ""
    return float(text) if text.isdecimal() else 0.0


def _error(fault: Exception, listed: str) -> AzureMLError | WorkspaceAccessError:
    told = (str(fault).splitlines() or [type(fault).__name__])[0]
    status = fault.status_code if isinstance(fault, HttpResponseError) else None
    if status == HTTPStatus.FORBIDDEN:
        return WorkspaceAccessError(f"not allowed to list {listed}: {told}; {_GRANT}")
    if isinstance(fault, ClientAuthenticationError):
        return WorkspaceAccessError(f"no valid token to list {listed}: {told}; {_LOG_IN}")
    if status == HTTPStatus.NOT_FOUND:
        return WorkspaceAccessError(f"Azure does not find {listed}: {told}; {_CORRECT}")
    if status and status >= HTTPStatus.BAD_REQUEST and not _may_pass(fault):
        return WorkspaceAccessError(f"Azure refused to list {listed} (HTTP {status}): {told}")
    return AzureMLError(f"could not list {listed}: {told}")


def _texts(texts: Mapping[str, str | None]) -> Mapping[str, str]:
    return {key: text or "" for key, text in texts.items()}


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
