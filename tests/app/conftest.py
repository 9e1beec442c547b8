"""Settings of the app, and servers that none of its credentials may reach."""

from contextlib import ExitStack

import pytest

from model_trigger import services
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


@pytest.fixture(name="put")
def _put(azurite, ledger, monkeypatch):
    """Sets app settings, and forgets the services of those before."""
    prefix = ledger.releases.table_name.removesuffix("releases")

    def put(**environment):
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

    yield put
    services.services.cache_clear()


@pytest.fixture(name="with_pat")
def _with_pat(put, azure_devops):
    def with_pat(stranger):
        put(AZURE_DEVOPS_PAT=PAT, AZURE_DEVOPS_ORG_URL=azure_devops.url, RULES=rules(stranger.url))

    return with_pat


@pytest.fixture(name="with_identity")
def _with_identity(put, listen):
    def with_identity(stranger):
        endpoint = listen(managed_identity)
        put(
            IDENTITY_ENDPOINT=endpoint.url,
            IDENTITY_HEADER=IDENTITY_HEADER,
            RULES=rules(stranger.url),
        )

    return with_identity


@pytest.fixture(name="with_identity_and_server")
def _with_identity_and_server(put, listen):
    def with_identity_and_server(stranger):
        endpoint = listen(managed_identity)
        put(
            IDENTITY_ENDPOINT=endpoint.url,
            IDENTITY_HEADER=IDENTITY_HEADER,
            AZURE_DEVOPS_ORG_URL=stranger.url,
            RULES=rules(None),
        )

    return with_identity_and_server
