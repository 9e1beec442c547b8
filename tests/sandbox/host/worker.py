"""Run Microsoft's worker library in process: index a function app and invoke its functions.

In Azure, the library runs behind a proxy that talks gRPC to the host. Here it gets plain objects
instead of protobuf messages, as in Microsoft's own stand-in
(Azure/azure-functions-python-worker, workers/r2p2/bridge/protos_adapter.py). So an event passes
through the real converters and thread pool, and the real indexer rejects invalid functions.

The library keeps the functions in a module global, so a process can serve one app only. Its entry
points are not a documented interface, hence the exact pin of azure-functions-runtime in
requirements.txt.
"""

import importlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace


class Message(SimpleNamespace):
    """The parts of a protobuf message that the library reads: its fields are attributes."""


class TypedData(Message):
    """A value in one attribute, whose name is its type: `json`, `bytes`, `http`, ..."""

    def WhichOneof(self, _group):  # noqa: N802 (protobuf's name)
        return next(iter(vars(self)), None)


class ParameterBinding(Message):
    """The name of a parameter and, in `data`, its value."""

    def WhichOneof(self, _group):  # noqa: N802 (protobuf's name)
        return "data"


class StatusResult(Message):
    Failure = 0
    Success = 1


class BindingInfo(Message):
    undefined = 0
    out = 1
    inout = 2


PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    ParameterBinding=ParameterBinding,
    StatusResult=StatusResult,
    TypedData=TypedData,
    **dict.fromkeys(
        (
            "FunctionMetadataResponse",
            "InvocationResponse",
            "RpcException",
            "RpcFunctionMetadata",
            "RpcHttp",
            "RpcRetryOptions",
            "WorkerInitResponse",
            "WorkerMetadata",
        ),
        Message,
    ),
)


class InvocationError(Exception):
    """A function raised, or the app could not be indexed; `stack_trace` shows where."""

    def __init__(self, exception) -> None:
        super().__init__(exception.message)
        self.stack_trace = exception.stack_trace


@dataclass(frozen=True)
class Function:
    """A function of the app: its name, and its bindings as in function.json."""

    name: str
    id: str
    bindings: tuple[dict, ...]

    @property
    def trigger(self) -> dict:
        return next(binding for binding in self.bindings if binding["type"].endswith("Trigger"))


@dataclass(frozen=True)
class HttpResponse:
    """The response of an HTTP function."""

    status: int
    headers: dict[str, str]
    body: bytes


class Worker:
    """An indexed function app; an invocation raises InvocationError if the function raises."""

    def __init__(self, runtime, functions: dict[str, Function]) -> None:
        self._runtime = runtime
        self.functions = functions

    @classmethod
    async def start(cls, app: Path) -> "Worker":
        """Index the app in the folder `app`, which is already on `sys.path`.

        Raises InvocationError with the library's message if it cannot be indexed.
        """
        # imported here, so that the app's own copy is used if it has one
        runtime = importlib.import_module("azure_functions_runtime")
        runtime.start_threadpool_executor()
        init = Message(capabilities={}, function_app_directory=str(app))
        properties = {"host": "127.0.0.1", "protos": PROTOS}
        _checked(await runtime.worker_init_request(_request(properties, worker_init_request=init)))
        answer = await runtime.functions_metadata_request(_request({}))
        indexed = [_function(metadata) for metadata in answer.function_metadata_results or []]
        return cls(runtime, {function.name: function for function in indexed})

    def stop(self) -> None:
        """Wait for running functions, then stop the thread pool."""
        self._runtime.stop_threadpool_executor()

    async def event_grid(self, name: str, event: object) -> None:
        """Deliver one event, as JSON text like the host."""
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        await self._invoke(name, TypedData(json=text))

    async def timer(self, name: str) -> None:
        """Fire a timer that is not past due."""
        info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        await self._invoke(name, TypedData(json=json.dumps(info)))

    async def http(self, name: str, **request: object) -> HttpResponse:
        """Call an HTTP function with `method`, `url`, `headers`, `params`, `query`, `body`."""
        body = TypedData(bytes=request.pop("body"))
        answer = await self._invoke(name, TypedData(http=Message(**request, body=body)))
        return _http_response(answer.return_value)

    async def _invoke(self, name: str, data: TypedData):
        function = self.functions[name]
        invocation = Message(
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            input_data=[ParameterBinding(name=function.trigger["name"], data=data)],
            trigger_metadata={},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
        )
        request = _request({}, invocation_request=invocation)
        return _checked(await self._runtime.invocation_request(request))


def _request(properties: dict, **content: Message) -> Message:
    return Message(request=Message(**content), properties=properties)


def _checked(answer):
    if answer.result.status != StatusResult.Success:
        raise InvocationError(answer.result.exception)
    return answer


def _http_response(returned: TypedData) -> HttpResponse:
    if http := getattr(returned, "http", None):
        return HttpResponse(int(http.status_code), http.headers, http.body.bytes)
    # a plain text return value is the body
    return HttpResponse(
        200, {"Content-Type": "text/plain; charset=utf-8"}, returned.string.encode()
    )


def _function(metadata) -> Function:
    bindings = tuple(json.loads(binding) for binding in metadata.raw_bindings)
    return Function(metadata.name, metadata.function_id, bindings)
