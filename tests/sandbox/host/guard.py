"""Refuse requests that a web page in a browser on this machine could send to the sandbox.

The sandbox requires no key, and with the settings of a real organization it starts real releases.
It listens on loopback only, but any page open in the developer's browser can reach loopback:

- A page may send a simple request to any address. Its `Origin` identifies it:
  https://fetch.spec.whatwg.org/#origin-header
- A page whose own name resolves to 127.0.0.1 has the same origin as the sandbox. The name that it
  used is in `Host`: https://www.rfc-editor.org/rfc/rfc9110#name-host-and-authority
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit


def refusal(headers: Mapping[str, str]) -> str | None:
    """Return why a request is refused, or None; `headers` has lower-case names."""
    host = headers.get("host", "")
    if not is_loopback(host):
        return f"The sandbox serves this machine only, as localhost; Host is {host!r}"
    origin = headers.get("origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        return f"The sandbox does not serve other web pages; Origin is {origin!r}"
    return None


def is_loopback(host: str) -> bool:
    """Whether the value of a Host header names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
