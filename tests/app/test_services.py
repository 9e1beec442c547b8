"""What is built from the settings: above all, who receives which secret."""

import base64
import time

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from model_trigger import services
from model_trigger.settings import Settings, SettingsError
from model_trigger.targets.azure_devops.credentials import EntraToken
from model_trigger.targets.request import TargetError

SERVICES = "https://dev.azure.com/contoso"


class Credential:
    """Returns tokens that are valid for `lasting` seconds, one after the other, then none."""

    def __init__(self, *lasting):
        self.tokens = [(f"token-{number}", each) for number, each in enumerate(lasting, 1)]

    def get_token(self, *_):
        if not self.tokens:
            raise ClientAuthenticationError
        token, lasts = self.tokens.pop(0)
        return AccessToken(token, int(time.time() + lasts))


def headers(credential, count=2, url=SERVICES):
    bearer = EntraToken(credential, time.time)
    return [bearer.header(url) for _ in range(count)]


def test_a_token_is_used_while_it_is_valid():
    assert ["Bearer token-1"] * 2 == headers(Credential(3600, 3600))


def test_a_token_is_renewed_before_it_expires():
    assert ["Bearer token-1", "Bearer token-2"] == headers(Credential(200, 3600))


def test_a_valid_token_is_used_if_there_is_no_new_one():
    assert ["Bearer token-1"] * 2 == headers(Credential(200))


def test_without_any_token_the_error_is_raised():
    with pytest.raises(ClientAuthenticationError):
        headers(Credential())


@pytest.mark.parametrize(
    "url",
    [
        "http://dev.azure.com/contoso",
        "https://dev.azure.com.example.org/contoso",
        "https://tfs.example.org/tfs/DefaultCollection",
    ],
)
def test_a_token_is_sent_to_azure_devops_services_over_tls_only(url):
    credential = Credential(3600)
    with pytest.raises(TargetError, match="is not Azure DevOps Services over https, and the token"):
        headers(credential, url=url)

    assert 1 == len(credential.tokens)  # not even requested


@pytest.mark.parametrize("url", [SERVICES, "https://contoso.visualstudio.com"])
def test_both_addresses_of_azure_devops_services_receive_tokens(url):
    assert ["Bearer token-1"] == headers(Credential(3600), 1, url)


def authorization(**given):
    return services.authorization(Settings(**given))


def test_a_personal_access_token_is_sent_without_the_line_end_of_a_key_vault():
    header = authorization(azure_devops_pat="secret\n", azure_devops_org_url=SERVICES)(SERVICES)

    assert b":secret" == base64.b64decode(header.removeprefix("Basic "))


def test_a_personal_access_token_is_refused_to_another_host_than_that_of_the_app():
    header = authorization(azure_devops_pat="secret", azure_devops_org_url=SERVICES)
    with pytest.raises(TargetError) as caught:
        header("https://tfs.example.org:8443/tfs/_apis")

    assert str(caught.value) == (
        "https://tfs.example.org:8443 is not on the host of AZURE_DEVOPS_ORG_URL, the only one "
        f'that AZURE_DEVOPS_PAT is sent to: "{SERVICES}"; correct one of the two addresses'
    )


def test_a_connection_string_that_the_sdk_refuses_is_an_invalid_setting():
    settings = Settings.model_construct(storage="AccountKey=s3cr3t")
    with pytest.raises(SettingsError) as caught:
        services.open_tables(settings)

    assert str(caught.value).startswith("AzureWebJobsStorage is not a connection string: ")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__
