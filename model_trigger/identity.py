"""The app's identity, which requests tokens and classifies errors.

azure-identity raises CredentialUnavailableError, a ClientAuthenticationError, for every error of
the identity endpoint, and does not catch JSONDecodeError. This module follows the convention of
azure-core: ClientAuthenticationError if a person must act, ServiceRequestError or
ServiceResponseError if the error may be temporary.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from subprocess import TimeoutExpired
from typing import Any, cast

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceResponseError

from model_trigger.text import excerpt

# Seconds; a token is requested during a delivery, which has 25 s in total.
_CONNECT, _READ, _PROCESS = 2, 5, 10
# Temporary: the endpoint returns 410 while it is being updated:
# https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
# 200 without a token means that something else is still listening at the endpoint's address.
_TRANSIENT = {
    HTTPStatus.OK,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.GONE,
    HTTPStatus.TOO_MANY_REQUESTS,
}
# Raised by azure-identity and msal for a response of unexpected shape.
_MISREAD = (ValueError, TypeError, AttributeError, KeyError)


@dataclass(frozen=True, slots=True)
class Identity:
    """A credential of azure-identity, from which every client of the app gets its tokens."""

    credential: TokenCredential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure-core's
        """Return a token. Raises AzureError; ClientAuthenticationError if a person must act."""
        try:
            return self.credential.get_token(*scopes, **options)
        except ClientAuthenticationError as error:
            if isinstance(error.__cause__, TimeoutExpired):
                raise ServiceResponseError(error.message) from error
            raise
        except AzureError:
            raise
        except _MISREAD as error:
            msg = f"the response to the token request is invalid: {type(error).__name__}"
            raise ServiceResponseError(msg) from error


def managed_identity(client_id: str | None) -> Identity:
    """Return the app's managed identity; the user-assigned one if `client_id` is given."""
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415 - slow to import

    return Identity(
        ManagedIdentityCredential(
            client_id=client_id,
            retry_total=1,
            connection_timeout=_CONNECT,
            read_timeout=_READ,
            # The endpoint is on this machine, and no proxy must see its secret header.
            use_env_settings=False,
            raw_response_hook=_check,
        )
    )


def azure_cli() -> Identity:
    """Return the login of the Azure CLI."""
    from azure.identity import AzureCliCredential  # noqa: PLC0415 - slow to import

    return Identity(AzureCliCredential(process_timeout=_PROCESS))


def _check(response: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineResponse
    """Raise an error for a response of the identity endpoint that is not a token.

    Checked here, since azure-identity drops the status, and msal caches a failed response for as
    long as Retry-After says. After a temporary error, the request is retried once, immediately.
    """
    http = response.http_response
    status, text = int(http.status_code), str(http.text())
    if status == HTTPStatus.OK and _is_token(text):
        return
    what = f"the identity endpoint returned HTTP {status}: {_message(text)}"
    if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServiceResponseError(what)
    msg = f"{what}; check the app's managed identity, and AZURE_CLIENT_ID if it is user-assigned"
    raise ClientAuthenticationError(msg)


def _is_token(text: str) -> bool:
    fields = _json(text)
    return bool(fields.get("access_token")) and str(fields.get("expires_on")).isdecimal()


def _message(text: str) -> str:
    """Return the message of a response, never the whole text, which may contain a token."""
    message = _json(text).get("message")
    return excerpt(message) if isinstance(message, str) else f"{len(text)} characters, no token"


def _json(text: str) -> Mapping[str, object]:
    """Parse a JSON object; return no fields for any other text."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
