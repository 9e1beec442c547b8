"""What Azure DevOps answers when it does not do what was asked, and what each answer means."""

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
# The longest pause that is believed: no header may keep an organization from its releases for days.
_LONGEST_PAUSE = 3600.0
_RENEW = "renew AZURE_DEVOPS_PAT, or add the app's managed identity to the organization"


class AnswerError(Exception):
    """Azure DevOps answered, but not with what was asked for.

    `status` is the HTTP status, `retry_after` the seconds that it wants to be left alone (0 when it
    does not say), `told` what the answer says, `type_key` the service's name for the error,
    `is_json` whether it is the service that speaks, `is_page` whether it is a page for people.
    """

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        self.status = status
        self.is_json = is_json(headers)
        self.is_page = "html" in headers.get("Content-Type", "").lower()
        self.retry_after = retry_after(headers) or _until_reset(headers)
        self._message, self.type_key = _error(text) if self.is_json else ("", "")
        line = "; ".join(self._message.splitlines())
        excerpt = line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"
        self.told = excerpt or f"{len(text)} characters that are not JSON"
        super().__init__(f"HTTP {status}: {self.told}")

    def names(self, word: str) -> bool:
        """Whether the whole message names something, in whatever language it is written."""
        return word.lower() in self._message.lower()

    @property
    def is_sign_in(self) -> bool:
        """Whether it is the sign-in page, or a redirect to it."""
        redirect = HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST
        return redirect or self.status == HTTPStatus.NON_AUTHORITATIVE_INFORMATION

    @property
    def lasts(self) -> bool:
        """Whether the same question would get the same answer until a person acts.

        So it is with every 4xx that is about the question, also one that is not JSON: what is asked
        there is no Azure DevOps.
        """
        is_refusal = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        may_pass = self.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        return self.refuses or (is_refusal and not may_pass)

    @property
    def refuses(self) -> bool:
        """Whether it means no, for certain; a server error or a lost answer does not."""
        if self.status == HTTPStatus.OK:
            return self.is_page
        if self.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}:
            return False
        if HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.is_json or self.status == HTTPStatus.UNAUTHORIZED
        return self.is_sign_in

    @property
    def sentence(self) -> str:
        """The sentence for the person who must act."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return f"Azure DevOps does not know who asks (HTTP 401: {self.told}): {_RENEW}"
        if self.is_sign_in or self.status == HTTPStatus.OK:
            return f"Azure DevOps showed its sign-in page (HTTP {self.status}): {_RENEW}"
        if not self.is_json:
            return (
                f"no Azure DevOps answers there (HTTP {self.status}: {self.told}): correct the "
                "address of the organization, AZURE_DEVOPS_ORG_URL or the rule's organization_url, "
                "or the proxy or firewall in between"
            )
        return f"Azure DevOps refused (HTTP {self.status}): {self.told}"


def needs(answer: AnswerError, permissions: str) -> str:
    """Return what a person must grant, where a permission is missing."""
    return f"{answer.sentence.rstrip('.')}: the app's identity needs {permissions}"


class NoTokenError(Exception):
    """There is no token to ask Azure DevOps with; `may_pass` unless a person must act."""

    def __init__(self, cause: AzureError) -> None:
        self.may_pass = not isinstance(cause, ClientAuthenticationError)
        super().__init__(f"no token for Azure DevOps: {_first_line(cause.message or repr(cause))}")


class PauseError(Exception):
    """Azure DevOps wants to be left alone for longer than can be waited: nothing was sent."""

    def __init__(self, seconds: float) -> None:
        self.seconds = min(seconds, _LONGEST_PAUSE)
        super().__init__(f"Azure DevOps asked for a pause, of which {self.seconds:.0f} s are left")


# What the client raises over JSON that is not of the shape it expects.
_MISREAD = (ValueError, TypeError, AttributeError, KeyError)
# What asking may raise.
FAULTS = (AnswerError, NoTokenError, PauseError, AzureError, ClientException, *_MISREAD)


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether an answer is labelled JSON."""
    return headers.get("Content-Type", "").startswith("application/json")


def retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After, in seconds; 0 when there is none. Azure DevOps gives no dates."""
    seconds = headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_PAUSE) if seconds.isdecimal() else 0.0


def cause_of(fault: Exception) -> str:
    """Return on one line why there is no answer, in the words of whoever knows best."""
    if isinstance(fault, _MISREAD) and type(fault) is not ValueError:
        return f"JSON of a shape that is not expected ({type(fault).__name__}: {fault})"
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
    """Whether the other side closed or reset the connection before it answered.

    A load balancer does so to a connection that was idle for minutes.
    """
    reason = _reason(error.inner_exception)
    return isinstance(reason, ProtocolError) and isinstance(reason.args[-1], ConnectionError)


def answered(fault: Exception) -> bool:
    """Whether the organization answered at all, or was not asked."""
    inner = fault.inner_exception if isinstance(fault, ClientRequestError) else None
    return not isinstance(inner, NoConnectionError | Timeout)


def _reason(inner: Any) -> Any:  # noqa: ANN401 - whatever urllib3 has put into it
    """Return what urllib3 says of a connection, below requests' and its own wrappings."""
    cause = inner.args[0] if inner is not None and inner.args else inner
    return getattr(cause, "reason", cause)


def _until_reset(headers: Mapping[str, str]) -> float:
    """Return the seconds until what was consumed is forgotten, by the service's own clock."""
    reset = headers.get("X-RateLimit-Reset", "")
    if headers.get("X-RateLimit-Remaining") != "0" or not reset.isdecimal():
        return 0.0
    try:
        now = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, float(reset) - now), _WINDOW)


def _error(text: str) -> tuple[str, str]:
    """Read what a service error says, and its type."""
    try:
        answer: object = json.loads(text)
    except ValueError:
        return "an answer that is not JSON, although it says so", ""
    if not isinstance(answer, dict):
        return text, ""
    fields = cast("Mapping[str, object]", answer)
    return str(fields.get("message") or text), str(fields.get("typeKey") or "")


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")
