"""Ports that stay reserved for the sandbox while nothing listens on them."""

import socket
import weakref

_reserved: weakref.WeakValueDictionary[int, "ReservedPort"] = weakref.WeakValueDictionary()


class ReservedPort:
    """A free loopback port that no other program can use while this object exists.

    It is bound but not listening, so connections are refused until a server of this process listens
    on it with SO_REUSEPORT: https://man7.org/linux/man-pages/man7/socket.7.html
    """

    def __init__(self) -> None:
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        weakref.finalize(self, holder.close)
        self.number: int = holder.getsockname()[1]
        _reserved[self.number] = self


def reserve(port: int) -> ReservedPort | None:
    """Return this process's reservation of a port; a new one for 0, None for any other port."""
    return ReservedPort() if port == 0 else _reserved.get(port)
