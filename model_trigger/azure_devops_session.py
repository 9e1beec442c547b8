"""What a session takes from the environment: certificate authorities and proxies, no credential.

requests reads all or nothing (`trust_env`): with the authorities and the proxies it would also take
a password from .netrc, which replaces the Authorization header, and the user name and password in a
proxy's address (https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication).
So it is told to read nothing, and is given what is safe. A proxy that asks for a password is not
supported: the app's outbound traffic then needs a route without one.
"""

import os
import re
from collections.abc import Mapping

from requests.utils import get_environ_proxies

_CREDENTIAL = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?//)?[^/]*@", re.IGNORECASE)


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies for an address, without user name and password.

    Over plain http there is none: it goes to this machine only, and a proxy would see the
    credential. Over https a proxy only passes on what it cannot read.
    """
    if not url.startswith("https://"):
        return {}
    found: Mapping[str, str] = get_environ_proxies(url)
    return {
        scheme: _CREDENTIAL.sub(r"\1", proxy)
        for scheme, proxy in found.items()
        if scheme in {"https", "all"}
    }


def authorities() -> str | bool:
    """Return the file of certificate authorities that is set; True for those of requests."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
