"""Error responses and faults of Azure DevOps, and what each of them means."""

import json
import re
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError
from msrest.exceptions import ClientException, ClientRequestError
from requests.exceptions import ConnectionError as NoConnectionError
from requests.exceptions import ConnectTimeout, Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError, SSLError

_EXCERPT = 300
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
# The window over which Azure DevOps counts what an identity consumes:
# https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits
_WINDOW = 300.0
# The longest pause that is respected: no header may block the releases of an organization for days.
_LONGEST_PAUSE = 3600.0
_RENEW = "renew AZURE_DEVOPS_PAT, or add the app's managed identity to the organization"


class AnswerError(Exception):
    """A response that is not the expected one.

    `status` is the HTTP status, `retry_after` the pause that it asks for in seconds (0 for none),
    `message` its error message on one line, `type_key` the service's name for the error, `is_json`
    whether the service itself responded, `is_page` whether it is a web page.
    """

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.is_json = is_json(headers)
        self.is_page = "html" in headers.get("Content-Type", "").lower()
        self.retry_after = retry_after(headers) or _until_reset(headers)
        self._whole_message, self.type_key = _error(text) if self.is_json else ("", "")
        line = "; ".join(self._whole_message.splitlines())
        excerpt = line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"
        self.message = excerpt or f"{len(text)} characters that are not JSON"
        super().__init__(f"HTTP {status}: {self.message}")

    def mentions(self, word: str) -> bool:
        """Whether the whole message contains a word, in whatever language it is written."""
        return word.lower() in self._whole_message.lower()

    @property
    def is_sign_in(self) -> bool:
        """Whether it is the sign-in page, or a redirect to it."""
        redirect = HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST
        return redirect or self.status == HTTPStatus.NON_AUTHORITATIVE_INFORMATION

    @property
    def lasts(self) -> bool:
        """Whether the same request would get the same response until a person acts.

        This includes every 4xx that concerns the request, even one that is not JSON: the server at
        that address is not Azure DevOps.
        """
        is_refusal = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        may_pass = self.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        return self.refuses or (is_refusal and not may_pass)

    @property
    def refuses(self) -> bool:
        """Whether it is a definite refusal; a server error or a lost response is not."""
        if self.status == HTTPStatus.OK:
            return self.is_page
        if self.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}:
            return False
        if HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.is_json or self.status == HTTPStatus.UNAUTHORIZED
        return self.is_sign_in

    @property
    def sentence(self) -> str:
        """The message for the person who must act."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return f"Azure DevOps rejected the credentials (HTTP 401: {self.message}): {_RENEW}"
        if self.is_sign_in or self.status == HTTPStatus.OK:
            return f"Azure DevOps returned its sign-in page (HTTP {self.status}): {_RENEW}"
        if not self.is_json:
            return (
                f"the response is not from Azure DevOps (HTTP {self.status}: {self.message}): "
                "correct the address of the organization, AZURE_DEVOPS_ORG_URL or the rule's "
                "organization_url, or the proxy or firewall in between"
            )
        return f"Azure DevOps refused (HTTP {self.status}): {self.message}"


def needs(answer: AnswerError, permissions: str) -> str:
    """Return the message for a missing permission, with all that the app needs."""
    return f"{answer.sentence.rstrip('.')}: the app's identity needs {permissions}"


class NoTokenError(Exception):
    """There is no token for Azure DevOps; `may_pass` unless a person must act."""

    def __init__(self, cause: AzureError) -> None:
        self.may_pass = not isinstance(cause, ClientAuthenticationError)
        super().__init__(f"no token for Azure DevOps: {_first_line(cause.message or repr(cause))}")


class PauseError(Exception):
    """Azure DevOps asks for a pause that is too long to wait for: nothing was sent."""

    def __init__(self, seconds: float) -> None:
        self.seconds = min(seconds, _LONGEST_PAUSE)
        super().__init__(f"Azure DevOps asked for a pause, with {self.seconds:.0f} s left")


# What the client raises for JSON of an unexpected shape.
_MISREAD = (ValueError, TypeError, AttributeError, KeyError)
# What a request may raise.
FAULTS = (AnswerError, NoTokenError, PauseError, AzureError, ClientException, *_MISREAD)


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether a response is labelled JSON."""
    return headers.get("Content-Type", "").startswith("application/json")


def retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After in seconds; 0 if there is none. Azure DevOps sends no dates."""
    seconds = headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_PAUSE) if seconds.isdecimal() else 0.0


def cause_of(fault: Exception) -> str:
    """Return on one line why there is no usable response, in the words of the failing layer."""
    if isinstance(fault, _MISREAD) and type(fault) is not ValueError:
        return f"JSON of an unexpected shape ({type(fault).__name__}: {fault})"
    if not isinstance(fault, ClientRequestError):
        return _first_line(str(fault) or type(fault).__name__)
    inner: Any = fault.inner_exception
    reason = _reason(inner)
    if isinstance(reason, SSLError):
        return f"the connection is not secure: {_first_line(str(reason.args[0]))}"
    if isinstance(reason, NewConnectionError | ConnectTimeoutError) or was_never_made(fault):
        why = _ERRNO.sub("", _first_line(str(reason)).rpartition(": ")[2])
        url = inner.request.url if inner is not None and inner.request is not None else ""
        host = urlsplit(str(url)).netloc or "Azure DevOps"
        return f"no connection to {host}: {why}"
    return _first_line(str(inner or fault))


def was_never_made(error: ClientRequestError) -> bool:
    """Whether the connection failed before anything could be sent over it."""
    inner = error.inner_exception
    if isinstance(inner, ConnectTimeout):
        return True
    reason = _reason(inner)
    if isinstance(reason, SSLError):
        return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def was_dropped(error: ClientRequestError) -> bool:
    """Whether the other side closed or reset the connection before it responded.

    A load balancer does so with a connection that was idle for minutes.
    """
    reason = _reason(error.inner_exception)
    return isinstance(reason, ProtocolError) and isinstance(reason.args[-1], ConnectionError)


def answered(fault: Exception) -> bool:
    """Whether the organization responded at all, or nothing was sent to it."""
    inner = fault.inner_exception if isinstance(fault, ClientRequestError) else None
    return not isinstance(inner, NoConnectionError | Timeout)


def _reason(inner: Any) -> Any:  # noqa: ANN401 - whatever urllib3 has put into it
    """Return urllib3's error of a connection, unwrapped from those of requests and its own."""
    cause = inner.args[0] if inner is not None and inner.args else inner
    return getattr(cause, "reason", cause)


def _until_reset(headers: Mapping[str, str]) -> float:
    """Return the seconds until the consumed quota is reset, by the service's own clock."""
    reset = headers.get("X-RateLimit-Reset", "")
    if headers.get("X-RateLimit-Remaining") != "0" or not reset.isdecimal():
        return 0.0
    try:
        now = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, float(reset) - now), _WINDOW)


def _error(text: str) -> tuple[str, str]:
    """Read the message and the type of a service error."""
    try:
        answer: object = json.loads(text)
    except ValueError:
        return "a response labelled JSON that is not JSON", ""
    if not isinstance(answer, dict):
        return text, ""
    fields = cast("Mapping[str, object]", answer)
    return str(fields.get("message") or text), str(fields.get("typeKey") or "")


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")
