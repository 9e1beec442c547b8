"""What is built from the settings: above all, who is told which secret."""

import base64
import time

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from model_trigger import services
from model_trigger.settings import Settings
from model_trigger.targets import TargetError

SERVICES = "https://dev.azure.com/contoso"


class Credential:
    """Gives tokens that last so many seconds, one after the other, then none."""

    def __init__(self, *lasting):
        self.tokens = [(f"token-{number}", each) for number, each in enumerate(lasting, 1)]

    def get_token(self, *_):
        if not self.tokens:
            raise ClientAuthenticationError
        token, lasts = self.tokens.pop(0)
        return AccessToken(token, int(time.time() + lasts))


def headers(credential, count=2, url=SERVICES):
    bearer = services._Bearer(credential)  # noqa: SLF001 (how a token is handled is to be seen)
    return [bearer.header(url) for _ in range(count)]


def test_a_token_is_used_as_long_as_it_lasts():
    assert ["Bearer token-1"] * 2 == headers(Credential(3600, 3600))


def test_a_token_is_renewed_before_it_expires():
    assert ["Bearer token-1", "Bearer token-2"] == headers(Credential(200, 3600))


def test_a_token_that_still_lasts_is_used_when_there_is_no_new_one():
    assert ["Bearer token-1"] * 2 == headers(Credential(200))


def test_without_any_token_the_error_is_told():
    with pytest.raises(ClientAuthenticationError):
        headers(Credential())


def test_a_token_is_never_sent_over_plain_http():
    with pytest.raises(TargetError, match=r"^a token is never sent over plain HTTP: give http://"):
        headers(Credential(3600), url="http://dev.azure.com/contoso")


def test_a_personal_access_token_is_sent_without_the_line_end_of_a_key_vault():
    settings = Settings(azure_devops_pat="secret\n")
    header = services._authorization(settings)(SERVICES)  # noqa: SLF001 (as above)

    assert b":secret" == base64.b64decode(header.removeprefix("Basic "))
