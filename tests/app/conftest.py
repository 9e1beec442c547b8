"""Settings of the app, and servers that none of its credentials may reach."""

import os
from contextlib import ExitStack

import pytest

from model_trigger import services
from model_trigger.settings import Settings
from tests.sandbox.azure_ml.server import Authority
from tests.sandbox.credentials import IDENTITY_HEADER, managed_identity
from tests.support.strangers import PAT, Listener, rules


@pytest.fixture(name="authority", scope="module")
def _authority():
    return Authority()


@pytest.fixture(name="listen")
def _listen(authority, tmp_path, monkeypatch):
    """Starts servers; each is trusted."""
    authority.write(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with ExitStack() as running:

        def listen(*respond, tls=False):
            return running.enter_context(
                Listener(*respond, context=authority.context() if tls else None)
            )

        yield listen


@pytest.fixture(name="stranger", params=["https", "http"])
def _stranger(request, listen):
    return listen(tls=request.param == "https")


# The ways into the app, each with everything in the environment.


@pytest.fixture(name="configure")
def _configure(azurite, ledger, monkeypatch):
    """Sets app settings, and forgets the services of those before."""
    prefix = ledger.claims.table.client.table_name.removesuffix("releases")

    def configure(**environment):
        settings = {
            "AzureWebJobsStorage": azurite.connection_string,
            "AZURE_DEVOPS_PROJECT": "ml",
            "LEDGER_PREFIX": prefix,
            "RETRY_PAUSE": "PT0.001S",
            **environment,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        services.services.cache_clear()

    yield configure
    services.services.cache_clear()


@pytest.fixture(name="with_pat")
def _with_pat(configure, azure_devops):
    def with_pat(stranger):
        configure(
            AZURE_DEVOPS_PAT=PAT, AZURE_DEVOPS_ORG_URL=azure_devops.url, RULES=rules(stranger.url)
        )

    return with_pat


@pytest.fixture(name="with_identity")
def _with_identity(configure, listen):
    def with_identity(stranger):
        endpoint = listen(managed_identity)
        configure(
            IDENTITY_ENDPOINT=endpoint.url,
            IDENTITY_HEADER=IDENTITY_HEADER,
            RULES=rules(stranger.url),
        )

    return with_identity


@pytest.fixture(name="with_identity_and_server")
def _with_identity_and_server(configure, listen):
    def with_identity_and_server(stranger):
        endpoint = listen(managed_identity)
        configure(
            IDENTITY_ENDPOINT=endpoint.url,
            IDENTITY_HEADER=IDENTITY_HEADER,
            AZURE_DEVOPS_ORG_URL=stranger.url,
            RULES=rules(None),
        )

    return with_identity_and_server


@pytest.fixture(name="nothing_set")
def _nothing_set(monkeypatch):
    """Settings of the shell that runs the tests count for nothing."""
    known = {name.lower() for name in Settings.model_fields}
    for name in os.environ:
        if name.lower() in known or name.upper().startswith(("AZUREWEBJOBSSTORAGE", "RULES")):
            monkeypatch.delenv(name)


@pytest.fixture(name="put")
def _put(monkeypatch):
    """Sets app settings."""

    def put(**environment: str) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return put
