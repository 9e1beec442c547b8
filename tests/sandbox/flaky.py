"""A proxy in front of storage that sometimes fails, before or after it forwards a request."""

import random
from collections import Counter
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Self
from urllib.parse import unquote, urlsplit

ERROR = '{"odata.error":{"code":"%s","message":{"lang":"en-US","value":"%s"}}}'
BUSY = 503, ERROR % ("ServerBusy", "Busy.")
REFUSED = 403, ERROR % ("AuthorizationFailure", "The proxy refuses this.")
JSON = [("Content-Type", "application/json")]
FATES = ("busy before", "busy after", "close before", "close after")


class FlakyProxy:
    """Forwards HTTP to `target`; each request fails with probability `chance`, by a seeded draw.

    A failure is a 503 or a closed connection, and half of the failures happen after the request was
    carried out. `requests` holds the first line of each request, decoded, and `fates` counts the
    kinds of failures.
    """

    def __init__(self, target: str, seed: int, chance: float) -> None:
        self.chance = chance
        self.requests: list[str] = []
        self.fates: Counter[str] = Counter()
        self._planned: list[tuple[str, str, int | None]] = []
        self._random = random.Random(seed)  # noqa: S311 - reproducible randomness
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.target = urlsplit(target).netloc
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def plan(self, part: str, fate: str, times: int | None = 1) -> None:
        """Set the fate of the next requests whose first line contains this text.

        The fate is one of FATES, `refuse` (403) or `pass`; `times` None means no limit. So
        `plan("$batch", "close after")` loses the response of one transaction, and
        `plan("$filter", "refuse", times=None)` refuses every query.
        """
        with self._lock:
            self._planned.append((part, fate, times))

    def draw(self, request: str) -> str:
        """Return the fate of a request: `pass`, the planned one, or a random one of FATES."""
        with self._lock:
            self.requests.append(request)
            for place, (part, fate, times) in enumerate(self._planned):
                if part in request:
                    left = times and times - 1
                    self._planned[place : place + 1] = [] if left == 0 else [(part, fate, left)]
                    return fate
            if self._random.random() >= self.chance:
                return "pass"
            fate = self._random.choice(FATES)
            self.fates[f"storage {fate}"] += 1
            return fate


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    proxy: FlakyProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore closed connections: closing them is what the proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Send one segment per response: a separate header would wait for the client's delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what, _, when = self.server.proxy.draw(unquote(f"{self.command} {self.path}")).partition(
            " "
        )
        real = self._carry_out(body) if what == "pass" or when == "after" else None
        if what == "close":
            self.close_connection = True
        elif what == "pass" and real:
            self._answer(*real)
        else:
            status, text = REFUSED if what == "refuse" else BUSY
            self._answer(status, JSON, text.encode())

    def _carry_out(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.server.proxy.target, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except (OSError, HTTPException):
            return BUSY[0], JSON, BUSY[1].encode()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    do_GET = do_POST = do_PUT = do_DELETE = do_MERGE = do_PATCH = do_HEAD = forward  # noqa: N815
