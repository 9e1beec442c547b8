# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportPrivateUsage=false
# azure-devops and msrest carry no types; what leaves this module is typed.
"""The azure-devops clients, hardened: no POST is replayed, no response misread.

azure-devops 7.1.0b4 and msrest 0.7.1 are frozen (https://github.com/Azure/msrest-for-python/issues/261)
and therefore pinned. Fixed here: retries that replay a POST, a cache folder created in the home
directory on import, a timeout of 100 s, sign-in pages and redirects taken for results, and errors
without their status and Retry-After.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from threading import local
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from model_trigger.deadline import Deadline
from model_trigger.outbound import authorities, proxies_for

# Before the import, which creates a folder in the home directory, which may be read-only or shared
# (https://github.com/microsoft/azure-devops-python-api/issues/90).
os.environ.setdefault("AZURE_DEVOPS_CACHE_DIR", tempfile.gettempdir())

from azure.core.exceptions import AzureError
from azure.devops._file_cache import OPTIONS_CACHE
from azure.devops.client import Client
from azure.devops.v7_1.build.build_client import BuildClient
from azure.devops.v7_1.pipelines.models import RunPipelineParameters
from azure.devops.v7_1.pipelines.pipelines_client import PipelinesClient
from azure.devops.v7_1.release.models import ReleaseStartMetadata
from azure.devops.v7_1.release.release_client import ReleaseClient
from azure.devops.v7_1.security.security_client import SecurityClient
from msrest.authentication import Authentication
from msrest.exceptions import ClientRequestError
from requests.exceptions import RequestException, TooManyRedirects

from model_trigger.targets.azure_devops.answers import (
    AnswerError,
    NoTokenError,
    PauseError,
    is_json,
    retry_after,
    was_dropped,
)
from model_trigger.targets.azure_devops.plain_json import page_of
from model_trigger.targets.request import Release

if TYPE_CHECKING:
    from msrest.universal_http import ClientRequest
    from msrest.universal_http.requests import RequestsClientResponse
    from requests import PreparedRequest, Session

# What the clients return, such as a Release or a Build: msrest's models carry no types.
Model: TypeAlias = Any

_LONGEST_CONNECT = 5.0
_LONGEST_PAUSE = 5.0
# The methods that may be sent again after a connection was dropped: none that starts something.
_HARMLESS = {"GET", "HEAD", "OPTIONS"}
# How long, in seconds, a connection may have been idle before a POST is sent over it. Servers and
# load balancers drop idle connections, some after only 5 s, and some report it only when the next
# byte arrives: https://nodejs.org/api/http.html#serverkeepalivetimeout. The outcome of a POST over
# such a connection is unknown, whereas a new connection that fails has started nothing.
_LONGEST_IDLE = 4.0
_PREVIEW = "53df2d18-29ea-46a9-bee0-933540f80abf"

# No cache file: each process learns the locations itself, and forgets them when they are wrong.
OPTIONS_CACHE.file_name = ""


@dataclass
class Exchange:
    """The requests of one call from outside: their deadline, and whether a POST was among them.

    A client that knows better sets `post_was_sent` to False until it sends one: what may have been
    sent is looked up, and never sent again.
    """

    deadline: Deadline
    post_was_sent: bool = True


class Authorization(Authentication):
    """Signs each request separately, for the address to which it is about to be sent.

    So no token expires unnoticed, and neither a location returned by a server nor a redirect
    receives a credential that it may not have. `header` returns the Authorization header for an
    address.
    """

    def __init__(self, header: Callable[[str], str]) -> None:
        self._header = header

    def signed_session(self, session: "Session | None" = None) -> "Session":
        """Return a session that signs its requests. Sending raises what `header` raises."""
        session = super().signed_session(session)
        session.auth = self
        return session

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Sign a request: requests calls the `auth` of a session."""
        try:
            request.headers["Authorization"] = self._header(request.url or "")
        except AzureError as error:
            raise NoTokenError(error) from error
        return request


class Pace:
    """When an organization accepts its next request.

    A successful response with Retry-After states how long to wait so that the next request is not
    delayed or refused. A refusal with 429 states its own pause.
    https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
    """

    def __init__(self) -> None:
        self._not_before = 0.0

    def keep(self, deadline: Deadline) -> None:
        """Wait if the pause is short. Raises PauseError if too little time would remain."""
        seconds = self._not_before - deadline.clock()
        if seconds > min(_LONGEST_PAUSE, deadline.remaining / 2):
            raise PauseError(seconds)
        if seconds > 0:
            deadline.pause(seconds)

    def note(self, headers: Mapping[str, str], deadline: Deadline) -> None:
        """Note when the next request may follow a response."""
        if seconds := retry_after(headers):
            self._not_before = max(self._not_before, deadline.clock() + seconds)


class _Hardened(Client):
    """A mixin that precedes a client of azure-devops.

    Threads share its connections; `during` binds it to the exchange of one of them.
    """

    exchange: Exchange

    def __init__(self, base_url: str, credentials: Authentication, pace: Pace) -> None:
        super().__init__(base_url, credentials)
        self._pace = pace
        # When this thread's session was last used, on the deadline's clock.
        self._last_used = local()
        retry = self.config.retry_policy
        retry.retries = 0
        # In place, since the session of this thread already refers to the object. For urllib3, an
        # empty set of methods would mean every method.
        policy = retry.policy
        policy.status = policy.other = policy.redirect = 0
        policy.status_forcelist = frozenset()
        policy.respect_retry_after_header = False
        policy.allowed_methods = frozenset({"HEAD"})
        # Not allow=False, which makes msrest fail on a redirected POST.
        self.config.redirect_policy.max_redirects = 0
        # For the sessions of all threads: msrest sets it on each before it sends.
        self.config.proxies.use_env_settings = False
        self.config.proxies.proxies = proxies_for(base_url)
        connection: Any = self.config.connection
        connection.verify = authorities()

    def during(self, exchange: Exchange) -> Self:
        """Return the client bound to one exchange, with the same connections."""
        bound = copy(self)
        bound.exchange = exchange
        exchange.post_was_sent = False
        return bound

    def _get_resource_locations(self, url: str, all_host_types: bool) -> Any:  # noqa: ANN401, FBT001
        """Read where resources are without any cache, so that `forget_locations` has an effect."""
        self._locations.clear()
        OPTIONS_CACHE.data.clear()
        return super()._get_resource_locations(url, all_host_types)

    def _send_request(
        self,
        request: "ClientRequest",
        headers: Mapping[str, str] | None = None,
        content: Any = None,  # noqa: ANN401 - the client's own signature
        media_type: str | None = None,  # noqa: ARG002
        **options: Any,  # noqa: ANN401
    ) -> "RequestsClientResponse":
        deadline = self.exchange.deadline
        self._pace.keep(deadline)
        send = partial(self._send_once, request, headers=headers, content=content)
        try:
            response = send(**options)
        except ClientRequestError as error:
            may_repeat = request.method in _HARMLESS and was_dropped(error)
            if not may_repeat or not deadline.remaining:
                raise
            response = send(**options)
        _read_content(response, deadline)
        if response.status_code != HTTPStatus.OK or not is_json(response.headers):
            raise AnswerError(response.status_code, response.headers, response.text)
        self._pace.note(response.headers, deadline)
        self._last_used.at = deadline.clock()
        return response

    def _send_once(self, request: "ClientRequest", **options: Any) -> Any:  # noqa: ANN401
        deadline = self.exchange.deadline
        seconds = deadline.remaining
        if not seconds:
            # A process that was frozen after the deadline was set no longer sends anything.
            msg = "ran out of time before sending the request"
            raise ClientRequestError(msg)
        if request.method == "POST":
            if deadline.clock() - getattr(self._last_used, "at", 0.0) > _LONGEST_IDLE:
                self._client.close()
            self.exchange.post_was_sent = True
        timeout = (min(_LONGEST_CONNECT, seconds), seconds)
        try:
            return self._client.send(request=request, timeout=timeout, **options)
        except ClientRequestError as error:
            if isinstance(error.inner_exception, TooManyRedirects):
                # No redirect is followed; the redirect is the response.
                return error.inner_exception.response
            raise


class HardenedReleaseClient(_Hardened, ReleaseClient):
    """Release definitions and releases."""

    def start(self, project: str, body: Mapping[str, Any]) -> Model:
        """Create a release; the body is the JSON of a ReleaseStartMetadata."""
        return self.create_release(ReleaseStartMetadata.deserialize(dict(body)), project)


class HardenedPipelinesClient(_Hardened, PipelinesClient):
    """Runs of YAML pipelines."""

    def start(self, project: str, pipeline: int, body: Mapping[str, Any]) -> Model:
        """Run a pipeline; the body is the JSON of RunPipelineParameters."""
        return self.run_pipeline(RunPipelineParameters.deserialize(dict(body)), project, pipeline)

    def dry_run(self, project: str, pipeline: int, body: Mapping[str, Any]) -> None:
        """Preview a run; nothing is started, whatever the body contains."""
        checked = self.preview(RunPipelineParameters.deserialize(dict(body)), project, pipeline)
        if checked is None or checked.final_yaml is None:
            msg = "a preview without its YAML"
            raise ValueError(msg)

    @property
    def can_dry_run(self) -> bool:
        """Whether the server can preview runs: Azure DevOps Server 2020 cannot.

        https://github.com/MicrosoftDocs/vsts-rest-api-specs/tree/master/specification/pipelines
        """
        return self._get_organization_resource_location(_PREVIEW) is not None


class HardenedBuildClient(_Hardened, BuildClient):
    """Pipelines and their runs, under their older names: build definitions and builds."""


class HardenedSecurityClient(_Hardened, SecurityClient):
    """The permissions of the identity that sends the request."""


def _read_content(response: Any, deadline: Deadline) -> None:  # noqa: ANN401
    """Read the rest of a response, at the latest until the deadline.

    A timeout counts from byte to byte, so a response that begins late could stall for as long
    again.
    """
    if not deadline.remaining:
        msg = "ran out of time before reading the response"
        raise ClientRequestError(msg)
    connection = response.raw.connection
    if connection is not None and connection.sock is not None:
        connection.sock.settimeout(deadline.remaining)
    try:
        _ = response.content
    except RequestException as error:
        msg = "the response was cut off"
        raise ClientRequestError(msg, error) from error


def unparsed(client: Client) -> Any:  # noqa: ANN401 - its methods return other types than declared
    """Return the client with the same connections, but its methods return unparsed responses.

    msrest takes 60 ms to build models of 100 runs; json reads them in 2 ms.
    """
    twin: Any = copy(client)
    # Both are called with the response as their last argument; there is no public way.
    twin._unwrap_collection = twin._deserialize = lambda *arguments: arguments[-1]  # noqa: SLF001
    return twin


def started(model: Model, page: Callable[[int], str]) -> Release | None:
    """Return what a POST started, or None if the response does not identify it.

    `page` builds the address of the web page if the response has none.
    """
    if model is None or model.id is None:
        return None
    links = model._links and model._links.additional_properties  # noqa: SLF001 - msrest's name
    return Release(model.id, page_of({"_links": links}) or page(model.id))


def forget_locations() -> None:
    """Forget where the API's resources are, after an invalid response to that question."""
    Client._locations_cache.clear()  # noqa: SLF001 - there is no other way
