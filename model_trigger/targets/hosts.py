"""Decide from an address alone which credential for Azure DevOps its host may receive.

The host that is checked must be the host that is contacted. So an address has a host only if every
library reads the same host in it: ASCII, no user name, no backslash, no trailing dot.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from model_trigger.text import shown

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_PLAIN = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?([/?#][^\\\x00-\x20\x7f]*)?",
    re.ASCII,
)
# An address as a person may have written it, to suggest a correction.
_LOOSE = re.compile(
    r"((?P<scheme>https?)://)?(?P<user>[^/?#\\\s]*@)?(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?P<port>:[0-9]{1,5})?(?P<path>/[^?#\\\s]*)?(?P<rest>[?#].*)?",
    re.ASCII,
)
_PORTS = {"http": 80, "https": 443}
_SERVICES = "dev.azure.com"
_RELEASES = "vsrm.dev.azure.com"
_OLDER = "visualstudio.com"
# https://learn.microsoft.com/azure/devops/organizations/settings/naming-restrictions
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_COLLECTION = "defaultcollection"
_EXAMPLE = "is not the address of an organization, such as https://dev.azure.com/contoso"


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an address: the recipient of what is sent to it."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin | None":
        """Parse the origin of an address, or return None if libraries may read it differently."""
        match = _PLAIN.fullmatch(url)
        if match is None:
            return None
        scheme = match["scheme"]
        return cls(scheme, match["host"].lower(), int(match["port"] or _PORTS[scheme]))

    def __str__(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    @property
    def is_private(self) -> bool:
        """Whether nobody in between can read what is sent: over TLS, or within this machine."""
        return self.scheme == "https" or is_loopback(self.host)

    @property
    def is_services(self) -> bool:
        """Whether it is a host of Azure DevOps Services over TLS."""
        known = self.host in {_SERVICES, _RELEASES} or self.host.endswith(f".{_OLDER}")
        return known and (self.scheme, self.port) == ("https", _PORTS["https"])


@dataclass(frozen=True, slots=True)
class Recipients:
    """The hosts that may receive the app's credential.

    A personal access token is sent only to the host of `organization_url`, from the app settings.
    Without one, the token of the app's identity is sent only to Azure DevOps Services.
    """

    organization_url: str | None
    has_pat: bool

    def refusal(self, url: str) -> str:
        """Return why an address may not receive the credential, or "" if it may.

        The text continues a sentence that begins with the address.
        """
        origin = Origin.of(url)
        if not self.has_pat:
            if origin and origin.is_services:
                return ""
            return (
                "is not Azure DevOps Services over https, and the token of the app's identity is "
                "sent only to https://dev.azure.com/<organization> and "
                "https://<organization>.visualstudio.com; correct the address, or, for Azure "
                "DevOps Server, set AZURE_DEVOPS_PAT and AZURE_DEVOPS_ORG_URL"
            )
        if not self.organization_url:
            return (
                "cannot be used: AZURE_DEVOPS_PAT is sent only to the host of "
                "AZURE_DEVOPS_ORG_URL, which is not set; set it"
            )
        if origin in family(self.organization_url):
            return ""
        return (
            "is not on the host of AZURE_DEVOPS_ORG_URL, the only one that AZURE_DEVOPS_PAT is "
            f"sent to: {shown(self.organization_url)}; correct one of the two addresses"
        )


def family(organization_url: str) -> frozenset[Origin]:
    """Return all origins that serve an organization, given any of its addresses."""
    origin = Origin.of(organization_url)
    if origin is None or not origin.is_private:
        return frozenset()
    if not origin.is_services:
        return frozenset({origin})
    organization = organization_of(organization_url)
    own = (f"{organization}.{_OLDER}", f"{organization}.vsrm.{_OLDER}") if organization else ()
    return frozenset(Origin("https", each, origin.port) for each in (_SERVICES, _RELEASES, *own))


def organization_of(url: str) -> str:
    """Return the organization in an address of Azure DevOps Services, in lower case.

    Return "" for any other server, or for an address that names no organization.
    """
    origin = Origin.of(url)
    if origin is None or not origin.is_services:
        return ""
    if _is_within(origin.host, _OLDER):
        return origin.host.partition(".")[0]
    return url.partition("://")[2].partition("/")[2].partition("/")[0].lower()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def organization_problem(url: str) -> str:
    """Return what is wrong with the address of an organization, or "".

    The text continues a sentence that begins with the address.
    """
    match = _LOOSE.fullmatch(url)
    if match is None:
        return _EXAMPLE
    host = match["host"].lower().rstrip(".")
    path = [part for part in (match["path"] or "").split("/") if part]
    meant = _meant(match, host, path)
    if not Origin.of(meant):
        meant = ""
    if meant and meant.lower() == url.lower():
        return ""
    why = _why(match, host, meant)
    return f"{_EXAMPLE}{f'; {why}' if why else ''}{f'; did you mean {meant!r}?' if meant else ''}"


def _meant(match: re.Match[str], host: str, path: Sequence[str]) -> str:
    """Return the corrected address, or "" if it cannot be inferred."""
    if _is_within(host, _SERVICES):
        named = path and _ORGANIZATION.fullmatch(path[0])
        return f"https://{_SERVICES}/{path[0]}" if named else ""
    if host == _OLDER:
        return ""
    if _is_within(host, _OLDER):
        collection = f"/{path[0]}" if path and path[0].lower() == _COLLECTION else ""
        return f"https://{host.partition('.')[0]}.{_OLDER}{collection}"
    if not match["scheme"] or match["user"]:
        return ""
    scheme = "http" if match["scheme"] == "http" and is_loopback(host) else "https"
    return "/".join([f"{scheme}://{host}{match['port'] or ''}", *path])


def _why(match: re.Match[str], host: str, meant: str) -> str:
    """Return why an address is refused, or "" where the suggested one makes it clear."""
    if match["scheme"] == "http" and not is_loopback(host):
        return "over plain http, anyone on the network path could read the credential"
    if match["rest"]:
        return "it has a query or a fragment"
    if not (_is_within(host, _SERVICES) or _is_within(host, _OLDER)):
        return ""
    if not meant:
        return "it names no organization"
    if f"//{host}" not in meant:
        return "this is the address of one of its services"
    return "it contains more than the organization" if len(match[0]) > len(meant) else ""


def _is_within(host: str, domain: str) -> bool:
    return f".{host}".endswith(f".{domain}")
