"""List what is registered in a workspace: azure-ai-ml, imported when needed and kept to a deadline.

Importing the client takes a second and adds 60 MB, so an event that needs no list must not import
it. The client parses a page as a whole, and fails on a single element that it does not expect;
therefore only its requests, credentials and addresses are used, and `documents` parses its
responses, element by element.
"""

import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any

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
from model_trigger.outbound import client_options
from model_trigger.registrations.documents import name_of, parse_model, parse_page, parse_version
from model_trigger.registrations.listing import AzureMLError, ModelSummary, WorkspaceAccessError
from model_trigger.registrations.registration import Registration, RejectedEventError, Workspace
from model_trigger.text import cut, one_line, quoted

_PAUSES = (0.5, 2.0)
_LONGEST_CONNECT = 5.0
_LONGEST_CALL = 10.0
_SHORTEST_CALL = 1.0
_TRANSIENT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
# What the client raises, including when it parses an unexpected response.
_FAULTS = (
    AzureError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_LONGEST_CAUSE = 1_000

_ACTIONS = "Microsoft.MachineLearningServices/workspaces/models"
_GRANT = (
    "deploy infra/subscribe.bicep for the workspace, or grant the app's identity a role there that "
    f"allows {_ACTIONS}/read and {_ACTIONS}/versions/read"
)
_LOG_IN = (
    "assign the app a managed identity, and set AZURE_CLIENT_ID if it is a user-assigned one; "
    "outside Azure, run `az login`"
)
_CORRECT = "WORKSPACES must name existing workspaces"

_log = logging.getLogger("model_trigger")


@dataclass(frozen=True, slots=True)
class Listed:
    """What is listed: the models of a workspace, or the versions of one of them."""

    workspace: Workspace
    model: str | None = None

    def __str__(self) -> str:
        models = (
            "the models" if self.model is None else f"the versions of model {quoted(self.model)}"
        )
        return f"{models} in workspace {self.workspace.id}"


@dataclass
class Exchange:
    """One request within a deadline, and its HTTP response once there is one.

    The client accepts options for a request only through its hooks.
    """

    deadline: Deadline
    response: Any = None

    @staticmethod
    def limit(request: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineRequest
        """Limit the current request to the time left: half to connect, half for the response."""
        half = max(0.001, _exchange.get().deadline.remaining / 2)
        request.context.options["connection_timeout"] = min(_LONGEST_CONNECT, half)
        request.context.options["read_timeout"] = min(_LONGEST_CALL, half)

    @staticmethod
    def keep(response: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineResponse
        """Keep the response to the current request, whatever the client makes of its content."""
        _exchange.get().response = response.http_response


_exchange: ContextVar[Exchange] = ContextVar("exchange")


@dataclass
class AzureMachineLearning:
    """The models of any workspace; `credential` is called once, when first needed."""

    credential: Callable[[], TokenCredential]
    _clients: dict[str, Any] = field(default_factory=dict[str, Any], init=False)
    _identity: TokenCredential | None = field(default=None, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def models(self, workspace: Workspace, deadline: Deadline) -> Iterator[ModelSummary]:
        """Yield the models that are not archived; each page is fetched when it is reached.

        An invalid model is logged and skipped. Raises WorkspaceAccessError if something has to be
        fixed, AzureMLError if a retry may help.
        """
        for document in self._documents(Listed(workspace), deadline):
            try:
                yield parse_model(document)
            except RejectedEventError as error:
                name = name_of(document)
                _log.warning("model %s in workspace %s is skipped: %s", name, workspace.id, error)

    def versions(
        self, workspace: Workspace, model: str, deadline: Deadline
    ) -> Iterator[Registration]:
        """Yield the versions of a model that are not archived, the last created first.

        The service returns them in this order, but does not promise it. A list may lag half a
        minute behind a registration: the client's own tests wait as long
        (https://github.com/Azure/azure-sdk-for-python, sdk/ml/azure-ai-ml/tests/model/e2etests).
        An invalid version is logged and skipped. Raises WorkspaceAccessError if something has to be
        fixed, AzureMLError if a retry may help.
        """
        for document in self._documents(Listed(workspace, model), deadline):
            try:
                yield parse_version(document, workspace, model)
            except RejectedEventError as error:
                name = f"{name_of(document)} of model {quoted(model)}"
                _log.warning("version %s in workspace %s is skipped: %s", name, workspace.id, error)

    def _documents(self, listed: Listed, deadline: Deadline) -> Iterator[object]:
        """Yield the elements of a list as JSON values, page after page."""
        link = None
        followed: set[str | None] = set()
        while link not in followed:
            followed.add(link)
            found, link = self._page(listed, link, deadline)
            yield from found
            if link is None:
                return
        msg = f"could not list {listed}: a page links to an earlier one"
        raise AzureMLError(msg)

    def _page(
        self, listed: Listed, link: str | None, deadline: Deadline
    ) -> tuple[list[object], str | None]:
        """Return the elements of a page and the link to the next one; retry transient faults."""
        for pause in (*_PAUSES, None):
            if not deadline.allows(_SHORTEST_CALL):
                msg = f"ran out of time before listing {listed}"
                raise AzureMLError(msg)
            try:
                response = self._response(listed, link, deadline)
                return parse_page(response.text(), response.request.url)
            except _FAULTS as fault:
                wait = max(pause or 0.0, retry_after(fault))
                may_retry = pause is not None and deadline.allows(wait + _SHORTEST_CALL)
                if not is_transient(fault) or not may_retry:
                    raise classified(fault, listed) from fault
                deadline.pause(wait)
        raise AssertionError  # unreachable: the last round returns or raises

    def _response(self, listed: Listed, link: str | None, deadline: Deadline) -> Any:  # noqa: ANN401 - azure-core's HttpResponse of any transport
        """Return the response to one request, even if the client fails on its content."""
        exchange = Exchange(deadline)
        _exchange.set(exchange)
        try:
            next(self._client(listed.workspace).models.list(name=listed.model).by_page(link), None)
        except _FAULTS:
            if exchange.response is None or exchange.response.status_code != HTTPStatus.OK:
                raise
        return exchange.response

    def _client(self, workspace: Workspace) -> Any:  # noqa: ANN401 - the client's type is not loaded
        """Return the client of a workspace, created once."""
        with self._lock:
            if workspace.key not in self._clients:
                self._identity = self._identity or self.credential()
                self._clients[workspace.key] = new_client(self._identity, workspace)
            return self._clients[workspace.key]


def new_client(credential: TokenCredential, workspace: Workspace) -> Any:  # noqa: ANN401 - as above
    """Return an MLClient whose requests belong to the current exchange."""
    from azure.ai.ml import MLClient  # noqa: PLC0415 - it is slow

    # Importing the client makes it log to standard error, from INFO on: undo that.
    logger = logging.getLogger("azure.ai.ml")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.ERROR)
    return MLClient(
        credential,
        workspace.subscription_id,
        workspace.resource_group,
        workspace.name,
        enable_telemetry=False,
        show_progress=False,
        # The client's own retries know no deadline, and sleep as long as Retry-After says.
        retry_total=0,
        **client_options("https://management.azure.com"),
        raw_request_hook=Exchange.limit,
        raw_response_hook=Exchange.keep,
    )


def is_transient(fault: Exception) -> bool:
    """Whether requesting the same page again may help."""
    if isinstance(fault, HttpResponseError) and fault.status_code:
        status = fault.status_code
        return status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(fault, ServiceRequestError | ServiceResponseError | IncompleteReadError)


def retry_after(fault: Exception) -> float:
    """Return Retry-After in seconds; 0 if there is none, or a date."""
    response: Any = fault.response if isinstance(fault, HttpResponseError) else None
    text: str = response.headers.get("Retry-After", "") if response else ""
    return float(text) if text.isdecimal() else 0.0


def classified(fault: Exception, listed: Listed) -> AzureMLError | WorkspaceAccessError:
    """Return the error for a fault: whether something has to be fixed, and what."""
    first = (str(fault).splitlines() or [type(fault).__name__])[0]
    cause = cut(one_line(first), _LONGEST_CAUSE)
    status = fault.status_code if isinstance(fault, HttpResponseError) else None
    if status == HTTPStatus.FORBIDDEN:
        return WorkspaceAccessError(f"not allowed to list {listed}: {cause}; {_GRANT}")
    if isinstance(fault, ClientAuthenticationError):
        return WorkspaceAccessError(f"no valid token to list {listed}: {cause}; {_LOG_IN}")
    if status == HTTPStatus.NOT_FOUND:
        return WorkspaceAccessError(f"Azure did not find {listed}: {cause}; {_CORRECT}")
    if status and status >= HTTPStatus.BAD_REQUEST and not is_transient(fault):
        return WorkspaceAccessError(f"Azure refused to list {listed} (HTTP {status}): {cause}")
    return AzureMLError(f"could not list {listed}: {cause}")
