# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false
# azure-devops and msrest carry no types; what leaves this module is typed.
"""The azure-devops client with its traps closed: no POST is ever replayed, no answer misread.

azure-devops 7.1.0b4 and msrest 0.7.1 are frozen (https://github.com/Azure/msrest-for-python/issues/261)
and therefore pinned. What is closed here: retries that replay a POST, a cache folder made in the
home directory while importing, a time-out of 100 s, sign-in pages and redirects taken for answers,
errors without their status and Retry-After, a list's continuation token that is dropped.
"""

import json
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from model_trigger.deadline import Deadline

# Before the import, for it makes the folder: the home directory may be read-only or shared
# (https://github.com/microsoft/azure-devops-python-api/issues/90).
os.environ.setdefault("AZURE_DEVOPS_CACHE_DIR", tempfile.mkdtemp(prefix="azure-devops-"))

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.devops._file_cache import OPTIONS_CACHE
from azure.devops.client import Client
from azure.devops.v7_1.release.models import ReleaseStartMetadata
from azure.devops.v7_1.release.release_client import ReleaseClient
from msrest.authentication import Authentication
from msrest.exceptions import ClientRequestError
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

if TYPE_CHECKING:
    from msrest.universal_http import ClientRequest
    from msrest.universal_http.requests import RequestsClientResponse
    from requests import Session

_LONGEST_CONNECT = 5.0
_EXCERPT = 300

deadline_in_force: ContextVar[Deadline] = ContextVar("deadline_in_force")
post_was_sent: ContextVar[bool] = ContextVar("post_was_sent", default=False)
continuation_token: ContextVar[str | None] = ContextVar("continuation_token", default=None)


class AnswerError(Exception):
    """Azure DevOps answered, but not with what was asked for.

    `status` is the HTTP status, `retry_after` the seconds of Retry-After (0 when absent), `told`
    what the answer says, `is_json` whether it is the service that speaks.
    """

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.is_json = _is_json(headers)
        self.is_page = "html" in headers.get("Content-Type", "").lower()
        self.retry_after = _seconds(headers.get("Retry-After", ""))
        self.told = _message(text) if self.is_json else f"{len(text)} characters that are not JSON"
        super().__init__(f"HTTP {status}: {self.told}")


class NoTokenError(Exception):
    """There is no token to ask Azure DevOps with; `may_pass` unless a person must act."""

    def __init__(self, cause: AzureError) -> None:
        first_line = cause.message.splitlines()[0] if cause.message else type(cause).__name__
        self.may_pass = not isinstance(cause, ClientAuthenticationError)
        super().__init__(f"no token for Azure DevOps: {first_line}")


class Authorization(Authentication):
    """Asks for the Authorization header anew for every request, so that no token grows stale."""

    def __init__(self, header: Callable[[], str]) -> None:
        self._header = header

    def signed_session(self, session: "Session | None" = None) -> "Session":
        """Give the session with the header of this moment. Raises NoTokenError."""
        session = super().signed_session(session)
        try:
            session.headers["Authorization"] = self._header()
        except AzureError as error:
            raise NoTokenError(error) from error
        return session


class _Hardened(Client):
    """Mixed in before a client of azure-devops."""

    def __init__(self, base_url: str, credentials: Authentication) -> None:
        super().__init__(base_url, credentials)
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

    def _send_request(
        self,
        request: "ClientRequest",
        headers: Mapping[str, str] | None = None,
        content: Any = None,  # noqa: ANN401 - the client's own signature
        media_type: str | None = None,  # noqa: ARG002
        **options: Any,  # noqa: ANN401
    ) -> "RequestsClientResponse":
        seconds = max(0.001, deadline_in_force.get().remaining)
        timeout = (min(_LONGEST_CONNECT, seconds), seconds)
        post_was_sent.set(post_was_sent.get() or request.method == "POST")
        response = self._client.send(
            request=request, headers=headers, content=content, timeout=timeout, **options
        )
        try:
            _ = response.content  # read here, where the answer may break off
        except RequestException as error:
            msg = "the answer broke off"
            raise ClientRequestError(msg, error) from error
        if response.status_code != HTTPStatus.OK or not _is_json(response.headers):
            raise AnswerError(response.status_code, response.headers, response.text)
        continuation_token.set(response.headers.get("X-MS-ContinuationToken"))
        return response


class HardenedReleaseClient(_Hardened, ReleaseClient):
    """Release definitions and releases."""

    def start(self, project: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Create a release; the body is the JSON of a ReleaseStartMetadata."""
        return self.create_release(ReleaseStartMetadata.deserialize(dict(body)), project)


def forget_locations() -> None:
    """Ask anew where the API's resources are, after an answer that did not say so."""
    Client._locations_cache.clear()  # noqa: SLF001 - there is no other way
    OPTIONS_CACHE.clear()


def was_never_made(error: ClientRequestError) -> bool:
    """Tell whether the connection failed before anything could be sent over it."""
    inner = error.inner_exception
    if isinstance(inner, ConnectTimeout):
        return True
    cause: Any = inner.args[0] if inner is not None and inner.args else inner
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, SSLError):
        return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").startswith("application/json")


def _seconds(retry_after: str) -> float:
    """Read Retry-After; Azure DevOps gives seconds, and a date counts as absent."""
    return float(retry_after) if retry_after.isdecimal() else 0.0


def _message(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return "an answer that is not JSON, although it says so"
    told = answer.get("message") if isinstance(answer, dict) else None
    return str(told or text)[:_EXCERPT]
