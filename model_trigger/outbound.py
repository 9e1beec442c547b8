"""What outgoing connections take from the environment: authorities and proxies, no credential.

requests, which every SDK here sends with, reads all or nothing (`trust_env`): beside authorities
and proxies also a password from .netrc, which replaces the Authorization header, and the user name
and password in a proxy's address
(https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication).
So it reads nothing, and is given what is safe. A proxy that asks for a password is not supported:
the app's outbound traffic then needs a way without one.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

_CREDENTIAL = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)?[^/]*@", re.IGNORECASE)


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies for an address, without user name and password.

    Over plain http there is none: it goes to this machine only, and a proxy would see the
    credential. Over https a proxy only passes on what it cannot read.
    """
    if not url.startswith("https://"):
        return {}
    from requests.utils import get_environ_proxies  # noqa: PLC0415 - no event without a call needs it

    found: Mapping[str, str] = get_environ_proxies(url)
    return {
        scheme: _CREDENTIAL.sub(r"\1", proxy)
        for scheme, proxy in found.items()
        if scheme in {"https", "all"}
    }


def authorities() -> str | bool:
    """Return the file of certificate authorities that is set; True for those of requests."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def client_options(url: str) -> dict[str, Any]:
    """Return the options of a client of azure-core for an address.

    It follows no redirect: a service's own policies may send the token along
    (https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/tables/azure-data-tables/azure/data/tables/_base_client.py).
    """
    return {
        "use_env_settings": False,
        "proxies": proxies_for(url),
        "connection_verify": authorities(),
        "permit_redirects": False,
    }
