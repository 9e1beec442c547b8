"""What goes in and out of the stand-in for Azure DevOps: requests, answers, and errors."""

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
    """One HTTP request as it arrived.

    `path` is decoded and has no query, `query` has one value per name, `headers` has its names in
    lower case, and `time` is when the stand-in read it, in UTC.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    time: datetime

    @property
    def json(self) -> Any:
        """The body as JSON, None when there is none; raises `ServiceError` if it is not JSON."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            message = f"The request body is not JSON: {error}"
            raise ServiceError(400, "VssPropertyValidationException", message) from error

    def number(self, name: str) -> int | None:
        """A query parameter as a number, None when it is not given."""
        return self._read(name, int)

    def moment(self, name: str) -> datetime | None:
        """A query parameter as a moment in UTC, None when it is not given."""
        return self._read(name, _moment)

    def _read(self, name: str, reader: Callable[[str], Any]) -> Any:
        try:
            return reader(self.query[name]) if name in self.query else None
        except ValueError as error:
            message = f"The query parameter {name} cannot be read: {error}"
            raise ServiceError(400, "InvalidArgumentValueException", message) from error

    @property
    def api_version(self) -> str | None:
        """The version asked for: the Python client sends it in Accept, others in the query."""
        accepted = re.search(r"api-version=([^;,\s]+)", self.headers.get("accept", ""))
        return self.query.get("api-version") or (accepted[1] if accepted else None)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """("Basic", personal access token) or ("Bearer", token); None when there are none."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        secret = _password(value) if scheme == "Basic" else value
        return (scheme, secret) if scheme in {"Basic", "Bearer"} and secret else None

    def document(self) -> Json:
        """The request as JSON, for those who look from another process."""
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
    """One HTTP answer, and how it reaches the client: whole, cut off half-way, or not at all.

    One that is `stalled` is silent for so many seconds half-way, or until the client gives up.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "complete"
    silence: float = 0.0


class ServiceError(Exception):
    """An error in the wrapped form of the service, which the client reads its message from.

    The form: https://github.com/MicrosoftDocs/vsts-rest-api-specs/issues/160.
    """

    def __init__(self, status: int, type_key: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.type_key = type_key

    def answer(self, headers: Mapping[str, str] | None = None) -> Answer:
        """The error as the answer that the client gets."""
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
    """Answer with a JSON document."""
    return Answer(status, json.dumps(document).encode(), headers=headers or {})


def collection(documents: Iterable[Json], headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a list, in the wrapper that every list of the service comes in."""
    values = list(documents)
    return answer({"count": len(values), "value": values}, headers=headers)


def page(
    rows: Iterable[Any],
    request: Request,
    document: Callable[[Any], Json],
    default_top: int = 10_000,
    greatest_top: int = 10_000,
) -> Answer:
    """Answer with one page of rows that have an `id`; the token is the id of the next row."""
    top = min(request.number("$top") or default_top, greatest_top)
    token = request.query.get("continuationToken")
    rest = dropwhile(lambda row: token is not None and str(row.id) != token, rows)
    shown = list(islice(rest, top + 1))
    more = {"X-MS-ContinuationToken": str(shown[top].id)} if len(shown) > top else {}
    return collection(map(document, shown[:top]), more)


def timestamp(moment: datetime) -> str:
    """A moment as the service writes it: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _password(basic: str) -> str:
    try:
        return base64.b64decode(basic, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
