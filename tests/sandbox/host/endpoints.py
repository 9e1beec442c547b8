"""Handle the requests of a Functions host: Event Grid, HTTP functions, administration.

- Event Grid, like its extension: Azure/azure-sdk-for-net, sdk/eventgrid/
  Microsoft.Azure.WebJobs.Extensions.EventGrid/src/TriggerBinding/HttpRequestProcessor.cs and
  Config/EventGridExtensionConfigProvider.cs
- HTTP functions under the route prefix of host.json.
- `POST /admin/functions/<timer>`, `GET /admin/functions` and `GET /admin/host/status`, like
  Azure/azure-functions-host, except that the response to a timer is sent after it has run.

Keys are not checked, whatever a function's auth level. So requests that do not come from a program
on this machine are refused: see guard.py.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.sandbox.host.guard import refusal
from tests.sandbox.host.worker import Function, InvocationError, Worker

LOG = logging.getLogger(__name__)

EVENT_GRID_WEBHOOK = "/runtime/webhooks/eventgrid"
EVENT_GRID_METHODS = ("GET", "POST", "DELETE", "OPTIONS")
EVENT_GRID_ORIGINS = (
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
    "eventgrid.azure.cn",
)


@dataclass(frozen=True)
class Request:
    """An HTTP request; `headers` has lower-case names, `query` is decoded."""

    method: str
    url: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """The path and the methods of an HTTP function; no methods means every method."""

    function: str
    path: str
    methods: tuple[str, ...]

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        """Return the route of an HTTP function; only `{name}` is supported as a parameter."""
        path = f"/{prefix}/{function.trigger.get('route') or function.name}".replace("//", "/")
        if re.search(r"[{}]", re.sub(r"{\w+}", "", path)):
            msg = f"{function.name}: route {path!r}, the sandbox supports {{name}} parameters only"
            raise ValueError(msg)
        methods = function.trigger.get("methods") or ()
        return cls(function.name, path, tuple(str(method).upper() for method in methods))

    def match(self, request: Request) -> dict[str, str] | None:
        """Return the route parameters, or None if the request does not match."""
        if self.methods and request.method not in self.methods:
            return None
        literals_and_names = re.split(r"{(\w+)}", self.path)
        pattern = "".join(
            f"(?P<{text}>[^/]+)" if index % 2 else re.escape(text)
            for index, text in enumerate(literals_and_names)
        )
        found = re.fullmatch(pattern, request.path.rstrip("/"), re.IGNORECASE)
        return found and {name: unquote(value) for name, value in found.groupdict().items()}


class Endpoints:
    """The endpoints of a function app, with its HTTP functions under `/<prefix>/`."""

    def __init__(self, worker: Worker, prefix: str) -> None:
        self._worker = worker
        functions = worker.functions.values()
        routes = [
            Route.of(each, prefix) for each in functions if each.trigger["type"] == "httpTrigger"
        ]
        # a literal route takes precedence over one with a parameter in the same place
        self._routes = sorted(routes, key=lambda route: route.path.count("{"))

    def describe(self) -> str:
        """Return the list of functions, with their triggers."""
        routes = {route.function: route for route in self._routes}
        lines = []
        for function in self._worker.functions.values():
            trigger = function.trigger
            line = f"  {function.name}: {trigger['type']}"
            if route := routes.get(function.name):
                line += f" {','.join(route.methods) or 'any method'} {route.path}"
            lines.append(line)
        return "\n".join(lines)

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; any error becomes a 500 with its text."""
        try:
            return await self._answer(request)
        except Exception as error:  # like the host, which responds to any error
            LOG.exception("%s %s", request.method, request.path)
            return Response(500, f"{type(error).__name__}: {error}")

    async def _answer(self, request: Request) -> Response:
        if why := refusal(request.headers):
            return Response(403, why)
        path = request.path.lower().rstrip("/")
        if path == EVENT_GRID_WEBHOOK:
            return await self._event_grid(request)
        if path.startswith("/admin/"):
            return await self._admin(request.method, path)
        for route in self._routes:
            parameters = route.match(request)
            if parameters is not None:
                return await self._http(route.function, request, parameters)
        return Response(404)

    async def _event_grid(self, request: Request) -> Response:
        name = request.query.get("functionName", "")
        if request.method not in EVENT_GRID_METHODS:
            return Response(405)
        if self._trigger_type(name) != "eventGridTrigger":
            return Response(404, f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _allowed_origin(request)
        kind = request.headers.get("aeg-event-type", "").lower()
        if kind == "subscriptionvalidation":
            return _validation(json.loads(request.body))
        if kind == "notification":
            return await self._notification(name, json.loads(request.body))
        return Response(202 if kind == "unsubscribe" else 400)

    async def _notification(self, name: str, events: object) -> Response:
        if not isinstance(events, list | dict):
            msg = f"the body must be a JSON object or array, not {type(events).__name__}"
            raise TypeError(msg)
        events = events if isinstance(events, list) else [events]
        invocations = (self._run(name, self._worker.event_grid(name, event)) for event in events)
        errors = [error for error in await asyncio.gather(*invocations) if error]
        return Response(500, errors[0]) if errors else Response(202)

    async def _admin(self, method: str, path: str) -> Response:
        if method == "GET" and path == "/admin/host/status":
            return _json({"state": "Running"})
        if method == "GET" and path == "/admin/functions":
            functions = self._worker.functions.values()
            return _json([{"name": f.name, "config": {"bindings": f.bindings}} for f in functions])
        folder, _, name = path.rpartition("/")
        by_name = {function.lower(): function for function in self._worker.functions}
        if method != "POST" or folder != "/admin/functions" or name not in by_name:
            return Response(404)
        return await self._fire(by_name[name])

    async def _fire(self, name: str) -> Response:
        if self._trigger_type(name) != "timerTrigger":
            return Response(400, f"'{name}' is not a timer, and the sandbox fires timers only")
        error = await self.timer(name)
        return Response(500, error) if error else Response(202)

    async def timer(self, name: str) -> str | None:
        """Run a timer to completion and return the text of its error, if any."""
        return await self._run(name, self._worker.timer(name))

    async def _http(self, name: str, request: Request, parameters: dict[str, str]) -> Response:
        call = self._worker.http(
            name,
            method=request.method,
            url=request.url,
            headers=request.headers,
            params=parameters,
            query=request.query,
            body=request.body,
        )
        try:
            answer = await call
        except InvocationError as error:
            _log_failure(name, error)
            return Response(500)
        return Response(answer.status, answer.body, answer.headers)

    async def _run(self, name: str, invocation) -> str | None:
        try:
            await invocation
        except InvocationError as error:
            _log_failure(name, error)
            return f"Exception while executing function: Functions.{name}\n{error}"
        return None

    def _trigger_type(self, name: str) -> str | None:
        function = self._worker.functions.get(name)
        return function and function.trigger["type"]


def _allowed_origin(request: Request) -> Response:
    origin = request.headers.get("webhook-request-origin")
    allowed = origin if origin in EVENT_GRID_ORIGINS else EVENT_GRID_ORIGINS[0]
    return Response(200, headers={"WebHook-Allowed-Origin": allowed})


def _validation(events) -> Response:
    data = events[0]["data"] if isinstance(events, list) else events["data"]
    # the data of a CloudEvent is encoded once more
    data = json.loads(data) if isinstance(data, str) else data
    return _json({"validationResponse": data["validationCode"]})


def _json(value: object) -> Response:
    return Response(200, json.dumps(value), {"Content-Type": "application/json"})


def _log_failure(name: str, error: InvocationError) -> None:
    LOG.error("Executed 'Functions.%s' (Failed)\n%s", name, error.stack_trace)
