"""Serve a function app on loopback as the Functions host does, through Microsoft's worker library.

    python -m tests.sandbox.host [--port 7071] [--app FOLDER] [--timers]

Settings come from the environment, then from local.settings.json in the app's folder, as with Core
Tools. Log records go to standard output as `LEVEL message`, one line each. endpoints.py handles
requests, and guard.py refuses some of them.

Not modelled: keys and other authentication, `functionTimeout`, retry policies, output bindings and
scale. A timer fires on schedule only with `--timers`, and never for missed times.
"""

import argparse
import asyncio
import datetime as dt
import json
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tests.sandbox.host.endpoints import Endpoints, Request, Response
from tests.sandbox.host.ncrontab import Schedule
from tests.sandbox.host.worker import InvocationError, Worker

LOG = logging.getLogger(__name__)
# The line breaks of str.splitlines, and other characters that move a terminal's cursor.
LINE_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# In Azure, the host's default is 1000; infra/main.bicep sets this value.
WORKER_THREADS = 32


class AppError(Exception):
    """The app cannot be served, for the reason in the message."""


class Server(ThreadingHTTPServer):
    """An HTTP server on loopback; each connection has a thread, which calls `answer`."""

    request_queue_size = 256  # many deliveries connect at once
    daemon_threads = False  # closing waits for running requests

    def __init__(self, port: int, answer: Callable[[Request], Response]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer

    def handle_error(self, request, client_address) -> None:
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # the client did not wait
            LOG.error("a request failed: %r", error)


class Handler(BaseHTTPRequestHandler):
    """Converts the bytes of a connection to a Request, and its Response to bytes."""

    protocol_version = "HTTP/1.1"
    timeout = 20  # seconds for a request to arrive; an idle connection must not delay the shutdown

    def reply(self) -> None:
        response = self.server.answer(self._request())
        body = response.body.encode() if isinstance(response.body, str) else response.body
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        query: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        return Request(
            method=self.command,
            url=f"http://{self.headers.get('Host', '')}{self.path}",
            path=parts.path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )

    def log_message(self, *_) -> None:
        """Print nothing: standard output is for the app's own lines."""


for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(Handler, f"do_{method}", Handler.reply)


def load_settings(app: Path) -> None:
    """Add the Values of local.settings.json to the environment, which takes precedence.

    Raises AppError if a value is not text.
    """
    path = app / "local.settings.json"
    if not path.exists():
        return
    for name, value in json.loads(path.read_text("utf-8")).get("Values", {}).items():
        if not isinstance(value, str):
            msg = (
                f'{path}: {name} is {json.dumps(value)}, a setting is text in double quotes: "..."'
            )
            raise AppError(msg)
        os.environ.setdefault(name, value)


def put_first_on_path(app: Path) -> None:
    """Find modules in the app first, then in its packages, and not in this project."""
    here = str(Path.cwd())
    packages = app / ".python_packages" / "lib" / "site-packages"
    sys.path[:] = [str(app), str(packages), *(entry for entry in sys.path if entry != here)]


def read_schedules(worker: Worker) -> dict[str, Schedule]:
    """Return the schedule of each timer. Raises AppError for one that the host would reject."""
    schedules = {}
    for function in worker.functions.values():
        if function.trigger["type"] != "timerTrigger":
            continue
        try:
            schedules[function.name] = Schedule.parse(resolve(function.trigger["schedule"]))
        except ValueError as error:
            msg = f"Error indexing method 'Functions.{function.name}': {error}"
            raise AppError(msg) from error
    return schedules


def resolve(text: str) -> str:
    """Replace each `%NAME%` with that setting. Raises ValueError if it is not set."""

    def setting(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if not value:
            msg = f"'{found[0]}' does not resolve to a value: set the app setting {found[1]}"
            raise ValueError(msg)
        return value

    return re.sub(r"%([^%]+)%", setting, text)


def route_prefix(app: Path) -> str:
    """Return the first part of the path of HTTP functions: that of host.json, or `api`."""
    path = app / "host.json"
    if not path.exists():
        msg = f"{path} is missing: every function app needs one"
        raise AppError(msg)
    extensions = json.loads(path.read_text("utf-8")).get("extensions", {})
    return extensions.get("http", {}).get("routePrefix", "api")


async def fire_by_schedule(endpoints: Endpoints, name: str, schedule: Schedule) -> None:
    """Fire a timer whenever it is due, forever."""
    due = dt.datetime.now(dt.UTC)
    while True:
        # a sleep may end a little early; do not fire twice
        due = schedule.next_after(max(due, dt.datetime.now(dt.UTC)))
        await asyncio.sleep((due - dt.datetime.now(dt.UTC)).total_seconds())
        await endpoints.timer(name)


async def serve(app: Path, port: int, *, timers: bool, ready: Callable[[], object]) -> None:
    """Serve the app until SIGTERM or SIGINT, then wait for running functions to finish."""
    stop = stop_signal()
    prefix = route_prefix(app)
    worker = await Worker.start(app)
    if not worker.functions:
        msg = f"No functions found in {app}: function_app.py is missing or declares none"
        raise AppError(msg)
    schedules = read_schedules(worker)
    endpoints = Endpoints(worker, prefix)
    server = listen(port, endpoints)
    ready()
    say(f"Host ready on http://127.0.0.1:{server.server_port}\n{endpoints.describe()}")
    timed = schedules.items() if timers else ()
    tasks = [asyncio.create_task(fire_by_schedule(endpoints, *each)) for each in timed]
    await stop.wait()
    for task in tasks:
        task.cancel()
    for end in (server.shutdown, server.server_close, worker.stop):
        await asyncio.to_thread(end)


def stop_signal() -> asyncio.Event:
    """Return an event that is set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def listen(port: int, endpoints: Endpoints) -> Server:
    """Accept requests on the port from now on. Raises AppError if it is in use."""
    loop = asyncio.get_running_loop()

    def answer(request: Request) -> Response:
        return asyncio.run_coroutine_threadsafe(endpoints.answer(request), loop).result()

    try:
        server = Server(port, answer)
    except OSError as error:
        msg = f"Port {port}: {error.strerror}. Choose another: --port 0 selects a free one"
        raise AppError(msg) from error
    threading.Thread(target=server.serve_forever, args=(0.1,)).start()
    return server


class OneLine(logging.Formatter):
    """Formats a record as one line, because a message with a line break must not look like two."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return LINE_BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def configure_logging() -> None:
    """Log the app from INFO on, as Azure does, and the worker library from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("azure.functions").setLevel(logging.WARNING)


def say(text: str) -> None:
    """Write to standard output at once: whoever started the host is waiting for it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(ready: Callable[[], object] = lambda: None) -> int:
    """Run the command and return its exit code: 1 if the app cannot be served.

    `ready` is called once, when the app is indexed and the port is open.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.host", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--port", type=int, default=7071, help="0 selects a free one (default: 7071)"
    )
    parser.add_argument(
        "--app", type=Path, default=Path(), help="the app's folder (default: this one)"
    )
    parser.add_argument("--timers", action="store_true", help="fire timers on schedule")
    arguments = parser.parse_args()
    app = arguments.app.resolve()
    configure_logging()
    put_first_on_path(app)
    try:
        load_settings(app)
        os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", str(WORKER_THREADS))
        os.chdir(app)  # where the host starts its worker
        asyncio.run(serve(app, arguments.port, timers=arguments.timers, ready=ready))
    except (AppError, InvocationError, ValueError) as error:
        say(f"{getattr(error, 'stack_trace', '')}The app cannot be served. {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
