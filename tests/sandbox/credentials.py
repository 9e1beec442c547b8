"""Fake tokens, for clients in this process and in others.

`StaticCredential` replaces azure-identity's credentials. `managed_identity` implements the token
endpoint that App Service provides to an app with a managed identity, and works with the unmodified
azure-identity; the protocol is the "REST endpoint reference" of
https://learn.microsoft.com/azure/app-service/overview-managed-identity.
"""

import time

from azure.core.credentials import AccessToken

from tests.sandbox.azure_devops.messages import Answer, Json, Request, answer

IDENTITY_PATH = "/msi/token"
IDENTITY_HEADER = "sandbox"
CLIENT_ID = "c0ffee00-0000-4000-8000-000000000001"
_API_VERSION = "2019-08-01"
_SECONDS = 24 * 3600


class StaticCredential:
    """A credential that always has a token; `scopes` records the requested scopes."""

    def __init__(self, token: str = "static") -> None:  # noqa: S107 - not a secret
        self._token = token
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_options: object) -> AccessToken:
        """Return the token, valid for a day."""
        self.scopes += scopes
        return AccessToken(self._token, int(time.time()) + _SECONDS)


def managed_identity(request: Request) -> Answer:
    """Return the response to a token request."""
    if request.headers.get("x-identity-header") != IDENTITY_HEADER:
        return _refused(401, "The X-IDENTITY-HEADER is not the one of this app.")
    if request.query.get("api-version") != _API_VERSION:
        return _refused(400, f"The api-version is not {_API_VERSION}.")
    resource = request.query.get("resource", "")
    if not resource:
        return _refused(400, "The resource is missing.")
    token: Json = {
        "access_token": f"sandbox-token-for-{resource}",
        "expires_on": str(int(request.time.timestamp()) + _SECONDS),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": request.query.get("client_id", CLIENT_ID),
    }
    return answer(token)


def _refused(status: int, message: str) -> Answer:
    return answer({"statusCode": status, "message": message}, status)
