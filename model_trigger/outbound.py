"""Read certificate authorities and proxies from the environment, but no credentials.

requests, which all SDKs here use, reads all or nothing from the environment (`trust_env`): besides
authorities and proxies, also a password from .netrc, which replaces the Authorization header
(https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication), and the user
name and password in a proxy's URL. So `trust_env` is off, and this module passes only what is safe.
A proxy that requires a password is not supported; outbound traffic must be able to bypass it.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

_CREDENTIAL = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)?[^/]*@", re.IGNORECASE)


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies for a URL, without user name and password.

    Plain http uses none: it is for this machine only, and a proxy would see the credential. Over
    https, a proxy forwards data that it cannot read.
    """
    if not url.startswith("https://"):
        return {}
    from requests.utils import get_environ_proxies  # noqa: PLC0415 - only needed for calls

    found: Mapping[str, str] = get_environ_proxies(url)
    return {
        scheme: _CREDENTIAL.sub(r"\1", proxy)
        for scheme, proxy in found.items()
        if scheme in {"https", "all"}
    }


def authorities() -> str | bool:
    """Return the path of the certificate authorities that is set; True for those of requests."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def client_options(url: str) -> dict[str, Any]:
    """Return the options of an azure-core client for a URL.

    Redirects are disabled: the policies of a service may send the token along
    (https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/tables/azure-data-tables/azure/data/tables/_base_client.py).
    """
    return {
        "use_env_settings": False,
        "proxies": proxies_for(url),
        "connection_verify": authorities(),
        "permit_redirects": False,
    }
