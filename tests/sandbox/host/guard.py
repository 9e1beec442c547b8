"""Refuses what a web page in the browser of this machine could send to the sandbox.

The sandbox asks for no key, and with the settings of a real organization it starts real releases.
It listens on loopback only, but so does it for every page that the developer has open:

- A page may send a simple request to any address. Its `Origin` tells:
  https://fetch.spec.whatwg.org/#origin-header
- A page whose own name is made to resolve to 127.0.0.1 is of the same origin as the sandbox. The
  name that it used is in `Host`: https://www.rfc-editor.org/rfc/rfc9110#name-host-and-authority
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit


def refusal(headers: Mapping[str, str]) -> str | None:
    """Return why a request is refused, None when it is not; `headers` are named in lower case."""
    host = headers.get("host", "")
    if not is_loopback(host):
        return f"The sandbox answers this machine only, as localhost; Host is {host!r}"
    origin = headers.get("origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        return f"The sandbox does not serve web pages of others; Origin is {origin!r}"
    return None


def is_loopback(host: str) -> bool:
    """Whether the value of a Host header names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
