"""The HTTPS server of the stand-in for Azure ML, with its own certificate authority."""

import socket
import ssl
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import trustme

from tests.sandbox.azure_devops.server import Respond, Server, _Listener


class Authority:
    """A certificate authority for the loopback addresses, created when first needed."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def write(self, path: Path) -> None:
        """Write the certificate that clients must trust."""
        self._authority.cert_pem.write_to_path(path)

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of a server on 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context


class TlsServer(Server):
    """The sandbox's HTTP server over TLS."""

    def __init__(
        self,
        port: int,
        clock: Callable[[], datetime],
        respond: Respond,
        context: ssl.SSLContext,
    ) -> None:
        self._listener = _TlsListener(port, clock, respond, context)
        self.port = self._listener.server_address[1]
        self._thread = Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()


class _TlsListener(_Listener):
    def __init__(
        self,
        port: int,
        clock: Callable[[], datetime],
        respond: Respond,
        context: ssl.SSLContext,
    ) -> None:
        super().__init__(port, clock, respond)
        self._context = context

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the thread that reads from it does the handshake."""
        connection, address = super().get_request()
        secured = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return secured, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that does not trust the certificate aborts the handshake, as some tests intend.
        if not isinstance(sys.exception(), ssl.SSLError):
            super().handle_error(request, client_address)
