"""List what is registered in a workspace: azure-ai-ml, imported when needed and kept to a deadline.

Importing the client takes a second and adds 60 MB, so that an event which needs no list never pays
for it. The client reads a page of a list as a whole, and fails on a single element that it does not
expect; so it asks, signs in and knows the addresses, and what it was answered is read here, element
by element.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

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
from model_trigger.registrations.listing import AzureMLError, ModelSummary, WorkspaceAccessError
from model_trigger.registrations.registration import (
    Registration,
    RejectedEventError,
    Workspace,
    check_length,
    read_name,
    read_texts,
    read_time,
)
from model_trigger.text import cut, one_line, quoted, shown, well_formed

_PAUSES = (0.5, 2.0)
_LONGEST_CONNECT = 5.0
_LONGEST_CALL = 10.0
_SHORTEST_CALL = 1.0
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_SERVER_ERRORS = HTTPStatus.INTERNAL_SERVER_ERROR
# What the client raises, and what reading an answer that nobody expected may raise.
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
# Only compared with what was listed before.
_LONGEST_LATEST = 1_000

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

Read = TypeVar("Read", ModelSummary, Registration)

_log = logging.getLogger("model_trigger")


@dataclass
class _Exchange:
    """One request within a deadline; `answer` is the HTTP response, once there is one.

    The client lets nobody pass anything to a request but by its hooks.
    """

    deadline: Deadline
    answer: Any = None


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


@dataclass
class AzureMachineLearning:
    """The models of any workspace; `credential` gives what asks for tokens, and is called once."""

    credential: Callable[[], TokenCredential]
    _clients: dict[str, Any] = field(default_factory=dict[str, Any], init=False)
    _identity: TokenCredential | None = field(default=None, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def models(self, workspace: Workspace, deadline: Deadline) -> Iterator[ModelSummary]:
        """List the models that are not archived; each page is fetched when it is reached.

        A model that cannot be read is logged and left out. Raises WorkspaceAccessError when a
        person must act, AzureMLError when it may pass.
        """
        listed = f"the models in workspace {workspace.id}"
        for document in self._listed(workspace, None, listed, deadline):
            yield from _readable(_summary, document, f"model {_named(document)}", workspace)

    def versions(
        self, workspace: Workspace, model: str, deadline: Deadline
    ) -> Iterator[Registration]:
        """List the versions of a model that are not archived; those created last come first.

        The order is what the service does, and no promise of it. A list may lag half a minute
        behind a registration: the client's own tests wait as long
        (https://github.com/Azure/azure-sdk-for-python, sdk/ml/azure-ai-ml/tests/model/e2etests).
        A version that cannot be read is logged and left out. Raises WorkspaceAccessError when a
        person must act, AzureMLError when it may pass.
        """

        def read(document: object) -> Registration:
            return _registration(document, workspace, model)

        listed = f"the versions of model {quoted(model)} in workspace {workspace.id}"
        for document in self._listed(workspace, model, listed, deadline):
            what = f"version {_named(document)} of model {quoted(model)}"
            yield from _readable(read, document, what, workspace)

    def _listed(
        self, workspace: Workspace, model: str | None, listed: str, deadline: Deadline
    ) -> Iterator[object]:
        """Yield what the service lists as JSON values, page after page, to the last one."""
        link = None
        followed: set[str | None] = set()
        while link not in followed:
            followed.add(link)
            found, link = self._page(workspace, model, link, listed, deadline)
            yield from found
            if link is None:
                return
        msg = f"could not list {listed}: a page of the list links to one before it"
        raise AzureMLError(msg)

    def _page(
        self,
        workspace: Workspace,
        model: str | None,
        link: str | None,
        listed: str,
        deadline: Deadline,
    ) -> tuple[list[object], str | None]:
        """Ask for a page within the deadline; a fault that may pass is retried while time is left.

        Return what stands in it, and the link to the next one.
        """
        for pause in (*_PAUSES, None):
            if not deadline.allows(_SHORTEST_CALL):
                msg = f"no time was left to list {listed}"
                raise AzureMLError(msg)
            try:
                return _content(self._answer(workspace, model, link, deadline))
            except _FAULTS as fault:
                wait = max(pause or 0.0, _retry_after(fault))
                if (
                    pause is None
                    or not _may_pass(fault)
                    or not deadline.allows(wait + _SHORTEST_CALL)
                ):
                    raise _error(fault, listed) from fault
                deadline.pause(wait)
        raise AssertionError  # unreachable: the last round returns or raises

    def _answer(
        self, workspace: Workspace, model: str | None, link: str | None, deadline: Deadline
    ) -> Any:  # noqa: ANN401 - azure-core's HttpResponse of any transport
        """Return the answer to one request, whatever the client makes of its content."""
        exchange = _Exchange(deadline)
        _exchange.set(exchange)
        try:
            next(self._client(workspace).models.list(name=model).by_page(link), None)
        except _FAULTS:
            if exchange.answer is None or exchange.answer.status_code != HTTPStatus.OK:
                raise
        return exchange.answer

    def _client(self, workspace: Workspace) -> Any:  # noqa: ANN401 - the client's type is not loaded
        """Return the client of a workspace, made once."""
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
        **client_options("https://management.azure.com"),
        raw_request_hook=_keep_to_deadline,
        raw_response_hook=_keep_answer,
    )


def _quieten() -> None:
    """Take back that importing the client lets it write to standard error, from INFO on."""
    logger = logging.getLogger("azure.ai.ml")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.ERROR)


def _keep_to_deadline(request: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineRequest
    """Limit a request to what is left: half to connect, half until it is answered."""
    half = max(0.001, _exchange.get().deadline.remaining / 2)
    request.context.options["connection_timeout"] = min(_LONGEST_CONNECT, half)
    request.context.options["read_timeout"] = min(_LONGEST_CALL, half)


def _keep_answer(response: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineResponse
    _exchange.get().answer = response.http_response


def _content(answer: Any) -> tuple[list[object], str | None]:  # noqa: ANN401 - as above
    """Read the elements of a page, and the link to the next; numbers stay text, of any size."""
    page: object = json.loads(answer.text(), parse_int=str, parse_float=str)
    found, link = _part(page, "value"), _part(page, "nextLink")
    if not isinstance(found, list) or not isinstance(link, str | None):
        msg = f"a page of the list is {shown(page)}"
        raise TypeError(msg)
    if link and urlsplit(link).hostname != urlsplit(answer.request.url).hostname:
        msg = f"the link to the next page, {shown(link)}, would hand the token to another host"
        raise ValueError(msg)
    return cast("list[object]", found), link or None


def _readable(
    read: Callable[[object], Read], document: object, what: str, workspace: Workspace
) -> Iterator[Read]:
    """Yield what can be read of an element; nothing, and log why, when it cannot be."""
    try:
        yield read(document)
    except RejectedEventError as error:
        _log.warning("%s in workspace %s is left out: %s", what, workspace.id, error)


def _summary(document: object) -> ModelSummary:
    latest = _part(document, "properties", "latestVersion")
    return ModelSummary(
        read_name(_part(document, "name"), "name"),
        cut(well_formed(latest), _LONGEST_LATEST) if isinstance(latest, str) else None,
        read_time(_part(document, "systemData", "lastModifiedAt")),
    )


def _registration(document: object, workspace: Workspace, model: str) -> Registration:
    registration = Registration(
        workspace=workspace,
        model=model,
        version=read_name(_part(document, "name"), "name"),
        tags=read_texts(_part(document, "properties", "tags"), "tags"),
        properties=read_texts(_part(document, "properties", "properties"), "properties"),
        registered_at=read_time(_part(document, "systemData", "createdAt")),
        source="reconcile",
    )
    check_length(registration)
    return registration


def _part(document: object, *names: str) -> object:
    """Return what stands under these names, one within the other; None where nothing does."""
    for name in names:
        if not isinstance(document, Mapping):
            return None
        document = cast("Mapping[str, object]", document).get(name)
    return document


def _named(document: object) -> str:
    name = _part(document, "name")
    return quoted(name) if isinstance(name, str) else shown(name)


def _may_pass(fault: Exception) -> bool:
    """Whether asking for the same page again may help."""
    if isinstance(fault, HttpResponseError) and fault.status_code:
        return fault.status_code in _PASSING or fault.status_code >= _SERVER_ERRORS
    return isinstance(fault, ServiceRequestError | ServiceResponseError | IncompleteReadError)


def _retry_after(fault: Exception) -> float:
    """Read Retry-After in seconds; 0 when there is none, or a date."""
    response: Any = fault.response if isinstance(fault, HttpResponseError) else None
    text: str = response.headers.get("Retry-After", "") if response else ""
    return float(text) if text.isdecimal() else 0.0


def _error(fault: Exception, listed: str) -> AzureMLError | WorkspaceAccessError:
    first = (str(fault).splitlines() or [type(fault).__name__])[0]
    cause = cut(one_line(first), _LONGEST_CAUSE)
    status = fault.status_code if isinstance(fault, HttpResponseError) else None
    if status == HTTPStatus.FORBIDDEN:
        return WorkspaceAccessError(f"not allowed to list {listed}: {cause}; {_GRANT}")
    if isinstance(fault, ClientAuthenticationError):
        return WorkspaceAccessError(f"no valid token to list {listed}: {cause}; {_LOG_IN}")
    if status == HTTPStatus.NOT_FOUND:
        return WorkspaceAccessError(f"Azure does not find {listed}: {cause}; {_CORRECT}")
    if status and status >= HTTPStatus.BAD_REQUEST and not _may_pass(fault):
        return WorkspaceAccessError(f"Azure refused to list {listed} (HTTP {status}): {cause}")
    return AzureMLError(f"could not list {listed}: {cause}")
