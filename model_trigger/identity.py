"""The app's identity, which asks for tokens, with its faults classified.

azure-identity raises CredentialUnavailableError, a ClientAuthenticationError, for whatever the
identity endpoint answers, and lets a JSONDecodeError through. Here a fault is what it is to every
client of azure-core: ClientAuthenticationError where a person must act, ServiceRequestError or
ServiceResponseError where it may pass.
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

# Seconds: a token is asked for within a delivery, which has 25 s for everything.
_CONNECT, _READ, _PROCESS = 2, 5, 10
# 410 is answered while the endpoint itself is updated:
# https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
# An answer without a token that calls itself a success is none: something else is listening still.
_PASSING = {
    HTTPStatus.OK,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.GONE,
    HTTPStatus.TOO_MANY_REQUESTS,
}
# What azure-identity and msal raise over an answer of a shape that they do not expect.
_MISREAD = (ValueError, TypeError, AttributeError, KeyError)


@dataclass(frozen=True, slots=True)
class Identity:
    """A credential of azure-identity; every client of the app asks for its tokens here."""

    credential: TokenCredential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure-core's
        """Return a token. Raises AzureError, a ClientAuthenticationError if a person must act."""
        try:
            return self.credential.get_token(*scopes, **options)
        except ClientAuthenticationError as error:
            if isinstance(error.__cause__, TimeoutExpired):
                raise ServiceResponseError(error.message) from error
            raise
        except AzureError:
            raise
        except _MISREAD as error:
            msg = f"the answer to the request for a token cannot be read: {type(error).__name__}"
            raise ServiceResponseError(msg) from error


def managed_identity(client_id: str | None) -> Identity:
    """Return the app's managed identity, the user-assigned one if its client id is given."""
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415 - it is slow

    return Identity(
        ManagedIdentityCredential(
            client_id=client_id,
            retry_total=1,
            connection_timeout=_CONNECT,
            read_timeout=_READ,
            # The endpoint is on this machine, and its secret header is for no proxy.
            use_env_settings=False,
            raw_response_hook=_check,
        )
    )


def azure_cli() -> Identity:
    """Return the login of the Azure CLI."""
    from azure.identity import AzureCliCredential  # noqa: PLC0415 - it is slow

    return Identity(AzureCliCredential(process_timeout=_PROCESS))


def _check(response: Any) -> None:  # noqa: ANN401 - azure-core's generic PipelineResponse
    """Raise what an answer of the identity endpoint means, unless it is a token.

    Here, since azure-identity drops the status, and msal repeats a failed answer from its memory
    for as long as Retry-After says. What may pass is asked for once more, at once.
    """
    answer = response.http_response
    status, text = int(answer.status_code), str(answer.text())
    if status == HTTPStatus.OK and _is_token(text):
        return
    what = f"the identity endpoint answered HTTP {status}: {_message(text)}"
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServiceResponseError(what)
    msg = f"{what}; check the app's managed identity, and AZURE_CLIENT_ID for a user-assigned one"
    raise ClientAuthenticationError(msg)


def _is_token(text: str) -> bool:
    answer = _json(text)
    return bool(answer.get("access_token")) and str(answer.get("expires_on")).isdecimal()


def _message(text: str) -> str:
    """Return what an answer says, never the answer itself: a token may be in it."""
    message = _json(text).get("message")
    return excerpt(message) if isinstance(message, str) else f"{len(text)} characters, no token"


def _json(text: str) -> Mapping[str, object]:
    """Read a JSON object; what is none has no fields."""
    try:
        answer: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, object]", answer) if isinstance(answer, dict) else {}
