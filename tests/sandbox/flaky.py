"""A proxy before the storage service: it fails now and then, before or after what was asked."""

import random
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Self
from urllib.parse import urlsplit

BUSY = b'{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"Busy."}}}'


class FlakyProxy:
    """Forwards HTTP to `target`; each request fails with `chance`, by a generator with `seed`.

    A failure is an answer 503 or a connection that is closed, and one half of the failures comes
    after the request was carried out. `requests` holds the first line of each.
    """

    def __init__(self, target: str, seed: int, chance: float) -> None:
        self.chance = chance
        self.requests: list[str] = []
        self._random = random.Random(seed)  # noqa: S311 - chance that repeats
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

    def draw(self, request: str) -> str:
        """Draw what happens to a request: nothing, or `busy` or `close`, before or after."""
        with self._lock:
            self.requests.append(request)
            if self._random.random() >= self.chance:
                return "pass"
            return self._random.choice(["busy before", "busy after", "close before", "close after"])


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    proxy: FlakyProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about connections that were cut: cutting them is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate = self.server.proxy.draw(f"{self.command} {self.path}")
        if fate.endswith("before"):
            return self._fail(fate)
        status, headers, answer = self._carry_out(body)
        if fate.endswith("after"):
            return self._fail(fate)
        return self._answer(status, headers, answer)

    def _carry_out(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.server.proxy.target, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except (OSError, HTTPException):
            return 503, [("Content-Type", "application/json")], BUSY
        finally:
            connection.close()

    def _fail(self, fate: str) -> None:
        if fate.startswith("busy"):
            return self._answer(503, [("Content-Type", "application/json")], BUSY)
        self.close_connection = True
        return None

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    do_GET = do_POST = do_PUT = do_DELETE = do_MERGE = do_PATCH = do_HEAD = forward  # noqa: N815
