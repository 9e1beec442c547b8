"""The HTTP server of the stand-in for Azure DevOps: from sockets to requests and back."""

import select
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

from tests.sandbox.azure_devops.messages import Answer, Request
from tests.sandbox.ports import reserve

Respond = Callable[[Request], Answer]


class Server:
    """HTTP/1.1 with keep-alive on a loopback port, one thread per connection.

    It listens from its creation until `stop`. Port 0 selects a free port.
    """

    def __init__(self, port: int, clock: Callable[[], datetime], respond: Respond) -> None:
        self._listener = _Listener(port, clock, respond)
        self.port = self._listener.server_address[1]
        self._thread = Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.close_connections()


class _Listener(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, clock: Callable[[], datetime], respond: Respond) -> None:
        self.clock = clock
        self.respond = respond
        self._connections: set[socket.socket] = set()
        # A server that is stopped and started again must get the same port.
        self._reservation = reserve(port)
        self.allow_reuse_port = self._reservation is not None
        port = self._reservation.number if self._reservation else port
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in self._connections.copy():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A hang makes clients give up; that is what the fault is for.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Send one segment per response: a separate header would wait for the client's delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Listener

    def _serve(self) -> None:
        answer = self.server.respond(self._request())
        if answer.ending == "complete":
            self._send(answer, len(answer.body))
        elif answer.ending == "stalled":
            self._stall(answer)
        elif answer.ending == "truncated":
            self._send(answer, len(answer.body) // 2)
            self._close()
        elif answer.ending == "closed":
            self._close()
        else:
            self._reset()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 (the base class's names)

    def _request(self) -> Request:
        address = urlsplit(self.path)
        return Request(
            self.command,
            unquote(address.path),
            dict(parse_qsl(address.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
            self.server.clock(),
        )

    def _send(self, answer: Answer, length: int) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("ActivityId", str(uuid4()))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[:length])

    def _stall(self, answer: Answer) -> None:
        half = len(answer.body) // 2
        self._send(answer, half)
        self.wfile.flush()
        with suppress(OSError):
            if not select.select([self.connection], [], [], answer.silence)[0]:
                self.wfile.write(answer.body[half:])

    def _close(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _reset(self) -> None:
        # With a linger time of zero, closing sends a reset.
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Print nothing: requests are kept, and shown on demand."""
