"""Serves a function app on loopback as the Functions host does, through Microsoft's worker library.

    python -m tests.sandbox.host [--port 7071] [--app FOLDER] [--timers]

Settings come from the environment, then from local.settings.json of the app's folder, as with Core
Tools. Log records go to standard output as `LEVEL message`, one line each. What requests get:
endpoints.py; and who gets nothing: guard.py.

Not modelled: keys and other authentication, `functionTimeout`, retry policies, output bindings and
scale. A timer fires by its schedule only with `--timers`, and never for what was due before.
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
# Those of str.splitlines, and what else moves a terminal's cursor.
LINE_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
# The host in Azure would make it 1000; infra/main.bicep sets this.
WORKER_THREADS = 32


class AppError(Exception):
    """The app cannot be served; the message says why."""


class Server(ThreadingHTTPServer):
    """An HTTP server on loopback; each connection has a thread, which asks `answer`."""

    request_queue_size = 256  # many deliveries connect at once
    daemon_threads = False  # closing waits for the requests that are under way

    def __init__(self, port: int, answer: Callable[[Request], Response]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer

    def handle_error(self, request, client_address) -> None:
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # the client did not wait
            LOG.error("a request could not be answered: %r", error)


class Handler(BaseHTTPRequestHandler):
    """Turns what comes over a connection into a Request, and its Response into bytes."""

    protocol_version = "HTTP/1.1"
    timeout = 20  # seconds for a request to arrive; an idle connection must not hold up the end

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
        """Keep quiet: the app's own lines are what standard output is for."""


for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(Handler, f"do_{method}", Handler.reply)


def load_settings(app: Path) -> None:
    """Add the Values of local.settings.json to the environment, which wins.

    Raises AppError when one is not text.
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
    """Find modules in the app first, then in its packages, and no longer in this project."""
    here = str(Path.cwd())
    packages = app / ".python_packages" / "lib" / "site-packages"
    sys.path[:] = [str(app), str(packages), *(entry for entry in sys.path if entry != here)]


def read_schedules(worker: Worker) -> dict[str, Schedule]:
    """Return the schedule of each timer; raises AppError for one that the host would refuse."""
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
    """Replace each `%NAME%` by that setting; raises ValueError when it is not set."""

    def setting(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if not value:
            msg = f"'{found[0]}' does not resolve to a value: set the app setting {found[1]}"
            raise ValueError(msg)
        return value

    return re.sub(r"%([^%]+)%", setting, text)


def route_prefix(app: Path) -> str:
    """Return the first part of the path of HTTP functions, `api` unless host.json names another."""
    path = app / "host.json"
    if not path.exists():
        msg = f"{path} is missing: a function app has one"
        raise AppError(msg)
    extensions = json.loads(path.read_text("utf-8")).get("extensions", {})
    return extensions.get("http", {}).get("routePrefix", "api")


async def fire_by_schedule(endpoints: Endpoints, name: str, schedule: Schedule) -> None:
    """Fire a timer whenever it is due, without end."""
    due = dt.datetime.now(dt.UTC)
    while True:
        # a sleep may end a little early: what is due now is not due again
        due = schedule.next_after(max(due, dt.datetime.now(dt.UTC)))
        await asyncio.sleep((due - dt.datetime.now(dt.UTC)).total_seconds())
        await endpoints.timer(name)


async def serve(app: Path, port: int, *, timers: bool, ready: Callable[[], object]) -> None:
    """Serve the app until SIGTERM or SIGINT, then let what is running come to its end."""
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
    """Answer requests on the port, from now on; raises AppError when it is taken."""
    loop = asyncio.get_running_loop()

    def answer(request: Request) -> Response:
        return asyncio.run_coroutine_threadsafe(endpoints.answer(request), loop).result()

    try:
        server = Server(port, answer)
    except OSError as error:
        msg = f"Port {port}: {error.strerror}. Take another: --port 0 is any that is free"
        raise AppError(msg) from error
    threading.Thread(target=server.serve_forever, args=(0.1,)).start()
    return server


class OneLine(logging.Formatter):
    """Writes a record as one line: a message with a line break in it must not look like two."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return LINE_BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def configure_logging() -> None:
    """Write the app's log from INFO on, as Azure does, and of the worker library only warnings."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("azure.functions").setLevel(logging.WARNING)


def say(text: str) -> None:
    """Write to standard output at once: whoever started the host waits for it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(ready: Callable[[], object] = lambda: None) -> int:
    """Run the command; return its exit code: 1 when the app cannot be served.

    `ready` is called once, when the app is indexed and the port is open.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.sandbox.host", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=7071, help="0 is any free port (default: 7071)")
    parser.add_argument(
        "--app", type=Path, default=Path(), help="the app's folder (default: this one)"
    )
    parser.add_argument("--timers", action="store_true", help="fire timers by their schedule")
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
