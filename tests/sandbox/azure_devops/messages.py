"""Requests, responses and errors of the stand-in for Azure DevOps."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import dropwhile, islice
from typing import Any, Literal

JSON = "application/json; charset=utf-8; api-version=7.1"
HTML = "text/html; charset=utf-8"

Json = dict[str, Any]
Ending = Literal["complete", "stalled", "truncated", "closed", "reset"]


@dataclass(frozen=True)
class Request:
    """An HTTP request as it arrived.

    `path` is decoded and has no query, `query` has one value per name, `headers` has lower-case
    names, and `time` is when the stand-in read the request, in UTC.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    time: datetime

    @property
    def json(self) -> Any:
        """The body as JSON, or None without a body. Raises `ServiceError` if it is not JSON."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            message = f"The request body is not JSON: {error}"
            raise ServiceError(400, "VssPropertyValidationException", message) from error

    def number(self, name: str) -> int | None:
        """Return a query parameter as a number, or None if it is absent."""
        return self._read(name, int)

    def moment(self, name: str) -> datetime | None:
        """Return a query parameter as a time in UTC, or None if it is absent."""
        return self._read(name, _moment)

    def _read(self, name: str, reader: Callable[[str], Any]) -> Any:
        try:
            return reader(self.query[name]) if name in self.query else None
        except ValueError as error:
            message = f"The query parameter {name} is invalid: {error}"
            raise ServiceError(400, "InvalidArgumentValueException", message) from error

    @property
    def api_version(self) -> str | None:
        """The requested version: the Python client sends it in Accept, others in the query."""
        accepted = re.search(r"api-version=([^;,\s]+)", self.headers.get("accept", ""))
        return self.query.get("api-version") or (accepted[1] if accepted else None)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """Return ("Basic", personal access token), ("Bearer", token), or None."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        secret = _password(value) if scheme == "Basic" else value
        return (scheme, secret) if scheme in {"Basic", "Bearer"} and secret else None

    def document(self) -> Json:
        """Return the request as JSON, for inspection from another process."""
        return {
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "headers": dict(self.headers),
            "body": self.body.decode(errors="replace"),
            "time": timestamp(self.time),
        }


@dataclass(frozen=True)
class Answer:
    """An HTTP response, and how it reaches the client: whole, cut off half-way, or not at all.

    If it is `stalled`, the stand-in pauses half-way for that many seconds, or until the client
    gives up.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "complete"
    silence: float = 0.0


class ServiceError(Exception):
    """An error in the service's envelope, from which the client reads the message.

    The envelope: https://github.com/MicrosoftDocs/vsts-rest-api-specs/issues/160.
    """

    def __init__(self, status: int, type_key: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.type_key = type_key

    def answer(self, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the error as the response that the client gets."""
        document = {
            "$id": "1",
            "innerException": None,
            "message": str(self),
            "typeName": f"Microsoft.VisualStudio.Services.{self.type_key}, Microsoft",
            "typeKey": self.type_key,
            "errorCode": 0,
            "eventId": 3000,
        }
        return answer(document, self.status, headers)


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a response with a JSON document."""
    return Answer(status, json.dumps(document).encode(), headers=headers or {})


def collection(documents: Iterable[Json], headers: Mapping[str, str] | None = None) -> Answer:
    """Return a response with a list, in the envelope that the service uses for every list."""
    values = list(documents)
    return answer({"count": len(values), "value": values}, headers=headers)


def page(
    rows: Iterable[Any],
    request: Request,
    document: Callable[[Any], Json],
    default_top: int = 10_000,
    greatest_top: int = 10_000,
) -> Answer:
    """Return one page of rows that have an `id`; the token is the id of the next row."""
    top = min(request.number("$top") or default_top, greatest_top)
    token = request.query.get("continuationToken")
    rest = dropwhile(lambda row: token is not None and str(row.id) != token, rows)
    shown = list(islice(rest, top + 1))
    more = {"X-MS-ContinuationToken": str(shown[top].id)} if len(shown) > top else {}
    return collection(map(document, shown[:top]), more)


def timestamp(moment: datetime) -> str:
    """Return a time in the service's format: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _password(basic: str) -> str:
    try:
        return base64.b64decode(basic, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
