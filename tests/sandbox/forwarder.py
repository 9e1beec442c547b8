"""A load balancer in front of a server, which forwards connections and drops idle ones."""

import socket
import struct
from contextlib import suppress
from threading import Lock, Thread
from typing import Literal, Self

_FROM_THE_CLIENT, _FROM_THE_SERVER = True, False


class Forwarder:
    """A port that forwards to `target`, (host, port), until the end of the `with` statement.

    After `forget`, each existing connection is reset or closed at the client's next byte: until
    then the client cannot know.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._lock = Lock()
        self._forgotten: dict[socket.socket, Literal["reset", "close"]] = {}
        # The clients' connections, with the matching connections to the server.
        self._connections: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        for connection in self._connections:
            for end in connection:
                _end(end)

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return len(self._connections)

    def forget(self, how: Literal["reset", "close"]) -> None:
        """Drop every existing connection."""
        with self._lock:
            self._forgotten |= dict.fromkeys((client for client, _ in self._connections), how)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._connections.append((client, server))
                for way in (client, server, _FROM_THE_CLIENT), (server, client, _FROM_THE_SERVER):
                    Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while data := source.recv(65536):
                how = self._forgotten.get(source) if way is _FROM_THE_CLIENT else None
                if how == "reset":
                    # With a linger time of zero, closing sends a reset.
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    source.close()
                if how:
                    break
                sink.sendall(data)
        for end in (source, sink):
            _end(end)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
