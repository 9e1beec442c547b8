# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportPrivateUsage=false
# azure-devops and msrest carry no types; what leaves this module is typed.
"""The azure-devops clients with their traps closed: no POST is replayed, no answer misread.

azure-devops 7.1.0b4 and msrest 0.7.1 are frozen (https://github.com/Azure/msrest-for-python/issues/261)
and therefore pinned. What is closed here: retries that replay a POST, a cache folder made in the
home directory while importing, a time-out of 100 s, sign-in pages and redirects taken for answers,
errors without their status and Retry-After.
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

# Before the import, for it makes a folder in the home directory, which may be read-only or shared
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
# What may be sent again when a connection was dropped: nothing that starts something.
_HARMLESS = {"GET", "HEAD", "OPTIONS"}
# How long a connection may have been idle, in seconds, for a POST to be sent over it. Servers and
# load balancers drop idle connections, the most impatient after 5 s, and some say so only to the
# next byte: https://nodejs.org/api/http.html#serverkeepalivetimeout. What a POST over such a
# connection became is unknown; a new connection that cannot be made has started nothing.
_LONGEST_IDLE = 4.0
_PREVIEW = "53df2d18-29ea-46a9-bee0-933540f80abf"

# No file: what a process learns about locations is its own, and is forgotten when it is wrong.
OPTIONS_CACHE.file_name = ""


@dataclass
class Exchange:
    """All that is sent for one call from outside: until when, and whether a POST was among it."""

    deadline: Deadline
    post_was_sent: bool = False


class Authorization(Authentication):
    """Signs each request by itself, for the address to which it is about to be sent.

    So no token expires unseen, and neither a location that a server returns nor a redirect gets a
    credential that it may not have. `header` returns the Authorization header for an address.
    """

    def __init__(self, header: Callable[[str], str]) -> None:
        self._header = header

    def signed_session(self, session: "Session | None" = None) -> "Session":
        """Return the session, which signs its requests. Sending raises what `header` does."""
        session = super().signed_session(session)
        session.auth = self
        return session

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Sign a request, as requests asks of an `auth`."""
        try:
            request.headers["Authorization"] = self._header(request.url or "")
        except AzureError as error:
            raise NoTokenError(error) from error
        return request


class Pace:
    """When an organization wants its next request.

    An answer with Retry-After is a success all the same: it says how long to wait, so that the next
    request is not delayed or refused. What is refused with 429 says so by itself.
    https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
    """

    def __init__(self) -> None:
        self._not_before = 0.0

    def keep(self, deadline: Deadline) -> None:
        """Wait if it is short. Raises PauseError when too little would be left for the request."""
        seconds = self._not_before - deadline.clock()
        if seconds > min(_LONGEST_PAUSE, deadline.remaining / 2):
            raise PauseError(seconds)
        if seconds > 0:
            deadline.pause(seconds)

    def note(self, headers: Mapping[str, str], deadline: Deadline) -> None:
        """Note what an answer says about the next request."""
        if seconds := retry_after(headers):
            self._not_before = max(self._not_before, deadline.clock() + seconds)


class _Hardened(Client):
    """Mixed in before a client of azure-devops.

    Threads share its connections; `during` binds it to what one of them does.
    """

    exchange: Exchange

    def __init__(self, base_url: str, credentials: Authentication, pace: Pace) -> None:
        super().__init__(base_url, credentials)
        self._pace = pace
        # Of this thread's session, by the deadline's clock.
        self._last_used = local()
        retry = self.config.retry_policy
        retry.retries = 0
        # In place, since the session of this thread already holds the object. An empty set of
        # methods would mean every method to urllib3.
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
        """Return the client, over the same connections, for one exchange."""
        bound = copy(self)
        bound.exchange = exchange
        return bound

    def _get_resource_locations(self, url: str, all_host_types: bool) -> Any:  # noqa: ANN401, FBT001
        """Ask where things are, whatever was answered before: `forget_locations` is why."""
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
            # A process that was frozen since the deadline was set sends nothing any more.
            msg = "no time was left to ask"
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
                # No redirect is followed; this one is the answer.
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
        """Have a run checked; nothing is started, whatever the body says."""
        checked = self.preview(RunPipelineParameters.deserialize(dict(body)), project, pipeline)
        if checked is None or checked.final_yaml is None:
            msg = "a preview without its YAML"
            raise ValueError(msg)

    @property
    def can_dry_run(self) -> bool:
        """Whether runs can be checked: Azure DevOps Server 2020 cannot.

        https://github.com/MicrosoftDocs/vsts-rest-api-specs/tree/master/specification/pipelines
        """
        return self._get_organization_resource_location(_PREVIEW) is not None


class HardenedBuildClient(_Hardened, BuildClient):
    """Pipelines and their runs, under their older names: build definitions and builds."""


class HardenedSecurityClient(_Hardened, SecurityClient):
    """What the identity that asks is permitted to do."""


def _read_content(response: Any, deadline: Deadline) -> None:  # noqa: ANN401
    """Wait for the rest of an answer no longer than until the deadline.

    A time-out counts from byte to byte, so that an answer which begins late could stall as long
    once more.
    """
    if not deadline.remaining:
        msg = "no time was left to read the answer"
        raise ClientRequestError(msg)
    connection = response.raw.connection
    if connection is not None and connection.sock is not None:
        connection.sock.settimeout(deadline.remaining)
    try:
        _ = response.content
    except RequestException as error:
        msg = "the answer broke off"
        raise ClientRequestError(msg, error) from error


def unparsed(client: Client) -> Any:  # noqa: ANN401 - its methods return other types than declared
    """Return the client, over the same connections, with methods that return responses.

    msrest takes 60 ms to make models of 100 runs, json 2 ms to read them.
    """
    twin: Any = copy(client)
    # There is no other way. The response is the last argument of both.
    twin._unwrap_collection = twin._deserialize = lambda *arguments: arguments[-1]  # noqa: SLF001
    return twin


def started(model: Model, page: Callable[[int], str]) -> Release | None:
    """Read what a POST started; None where the answer does not say what.

    `page` returns the address of the page for people, where the answer has none.
    """
    if model is None or model.id is None:
        return None
    links = model._links and model._links.additional_properties  # noqa: SLF001 - msrest's name
    return Release(model.id, page_of({"_links": links}) or page(model.id))


def forget_locations() -> None:
    """Ask again where the API's resources are, after an answer that did not say so."""
    Client._locations_cache.clear()  # noqa: SLF001 - there is no other way
