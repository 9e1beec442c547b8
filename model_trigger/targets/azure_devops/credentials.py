"""The Authorization header for Azure DevOps: a personal access token, or the app's identity."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError

from model_trigger.targets.hosts import Origin, Recipients
from model_trigger.targets.request import TargetError
from model_trigger.text import quoted

# Azure DevOps by its application id:
# https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
_SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
_RENEW_BEFORE = 300.0


@dataclass(frozen=True, slots=True)
class PersonalAccessToken:
    """A personal access token, which goes to the `recipients` only."""

    token: str = field(repr=False)
    recipients: Recipients

    def header(self, url: str) -> str:
        """Return the header for an address. Raises TargetError for a stranger."""
        check_recipient(self.recipients, url)
        basic = base64.b64encode(f":{self.token.strip()}".encode()).decode()
        return f"Basic {basic}"


@dataclass(slots=True)
class EntraToken:
    """A token of the app's identity, renewed five minutes before it expires by the clock.

    `clock` is in seconds since 1970.
    """

    credential: TokenCredential
    clock: Callable[[], float]
    token: AccessToken = field(default=AccessToken("", 0), init=False, repr=False)

    def header(self, url: str) -> str:
        """Return the header for an address.

        Raises TargetError for a stranger, and AzureError when there is no token.
        """
        check_recipient(Recipients(None, has_pat=False), url)
        try:
            if self.seconds_left <= _RENEW_BEFORE:
                self.token = self.credential.get_token(_SCOPE)
        except AzureError:
            if self.seconds_left <= 0:
                raise
        return f"Bearer {self.token.token}"

    @property
    def seconds_left(self) -> float:
        """For how long the token is still valid."""
        return self.token.expires_on - self.clock()


def check_recipient(recipients: Recipients, url: str) -> None:
    """Raise TargetError unless an address may receive the credential."""
    refusal = recipients.refusal(url)
    if refusal:
        msg = f"{Origin.of(url) or quoted(url)} {refusal}"
        raise TargetError(msg)
