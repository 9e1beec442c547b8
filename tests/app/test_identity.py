"""The responses of the identity endpoint, and what they mean to every client that needs a token."""

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from socket import socket
from threading import Event

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError

from model_trigger import identity, services
from model_trigger.claims.claim import Partition
from model_trigger.claims.store import LedgerError
from model_trigger.deadline import Deadline
from model_trigger.identity import Identity, azure_cli, managed_identity
from model_trigger.ledger.ledger import Ledger
from model_trigger.registrations.listing import AzureMLError, WorkspaceAccessError
from model_trigger.settings import Settings
from model_trigger.targets.azure_devops.answers import NoTokenError
from model_trigger.targets.request import AzureDevOpsError, TargetAddress, TargetError
from tests.sandbox.azure_devops.messages import Answer, answer
from tests.sandbox.azure_devops.server import Server
from tests.sandbox.credentials import IDENTITY_HEADER
from tests.sandbox.credentials import managed_identity as token_for
from tests.support.build import WORKSPACE

SCOPE = "https://storage.azure.com/.default"
HTML = {"content_type": "text/html"}


class Endpoint:
    """An identity endpoint over HTTP, which sends `answers` first and then a token."""

    def __init__(self):
        self.answers, self.requests = [], []
        self.stopping = Event()
        self.server = Server(0, partial(datetime.now, UTC), self._answer)
        self.url = f"http://127.0.0.1:{self.server.port}/msi/token"

    def _answer(self, request):
        self.requests.append(request)
        if not self.answers:
            return token_for(request)
        given = self.answers.pop(0)
        if given == "hang":
            self.stopping.wait()
            return Answer(500)
        return given

    def stop(self):
        self.stopping.set()
        self.server.stop()


@pytest.fixture(name="endpoint")
def _endpoint(monkeypatch):
    running = Endpoint()
    monkeypatch.setenv("IDENTITY_ENDPOINT", running.url)
    monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
    yield running
    running.stop()


def said(status, message="it says so", **headers):
    return answer({"statusCode": status, "message": message}, status, headers=headers)


PASSING = [
    pytest.param(said(500), id="500"),
    pytest.param(Answer(502, b"<p>Bad Gateway", **HTML), id="502 from a proxy"),
    pytest.param(Answer(503), id="503 without a message"),
    pytest.param(said(429, **{"Retry-After": "3600"}), id="429 for an hour"),
    pytest.param(said(408), id="408"),
    pytest.param(said(410), id="410, being updated"),
    pytest.param(Answer(200, b"<p>Welcome", **HTML), id="200 with a page"),
    pytest.param(Answer(200, b"not JSON"), id="200 with invalid JSON"),
    pytest.param(Answer(200), id="200 with nothing"),
    pytest.param(answer([]), id="200 with a list"),
    pytest.param(answer({"access_token": "t"}), id="a token without an expiry"),
    pytest.param(
        answer({"access_token": "t", "expires_on": "soon"}), id="a token with an invalid expiry"
    ),
    pytest.param(Answer(200, ending="closed"), id="closed"),
    pytest.param(Answer(200, ending="reset"), id="reset"),
    pytest.param(Answer(200, b"1234567890", ending="truncated"), id="broken off"),
    pytest.param("hang", id="no answer in time"),
]
LASTING = [
    pytest.param(said(400, "No User Assigned Managed Identity found"), id="400, no such identity"),
    pytest.param(said(401), id="401"),
    pytest.param(said(403), id="403"),
    pytest.param(Answer(404, b"<p>Not Found", **HTML), id="404 with a page"),
    pytest.param(Answer(302, headers={"Location": "http://127.0.0.1:9/"}), id="302"),
]


@pytest.fixture(name="ask", params=["azure_devops", "azure_ml", "ledger"])
def _ask(request, endpoint):
    """Request a token as each adapter does, and return the error message."""
    settings = Settings(
        IDENTITY_ENDPOINT=endpoint.url,
        AzureWebJobsStorage__tableServiceUri="https://127.0.0.1:9",
    )
    pauses = []
    limit = Deadline(time.monotonic() + 60, time.monotonic, pauses.append)

    def azure_devops():
        target = TargetAddress("release", "https://dev.azure.com/contoso", "ml", 1)
        services.target_client(settings).definition(target, limit)

    def azure_ml():
        next(services.model_lister(settings).models(WORKSPACE, limit))

    def ledger():
        with services.open_tables(settings) as tables:
            Ledger.open(tables, "t").claims.read(Partition("r", WORKSPACE, "m"), "1", limit)

    passing = {"azure_devops": AzureDevOpsError, "azure_ml": AzureMLError, "ledger": LedgerError}
    lasting = {"azure_devops": TargetError, "azure_ml": WorkspaceAccessError, "ledger": LedgerError}

    def asked(expected):
        with pytest.raises(expected[request.param]) as caught:
            {"azure_devops": azure_devops, "azure_ml": azure_ml, "ledger": ledger}[request.param]()
        return str(caught.value)

    return {"passing": partial(asked, passing), "lasting": partial(asked, lasting)}


@pytest.mark.parametrize("given", PASSING)
def test_a_temporary_fault_is_pending_for_every_client(ask, endpoint, monkeypatch, given):
    if given == "hang":
        monkeypatch.setattr(identity, "_READ", 0.3)
    endpoint.answers = [given] * 100
    message = ask["passing"]()

    assert "access_token" not in message
    assert len(endpoint.requests) > 0


@pytest.mark.parametrize("given", LASTING)
def test_a_permanent_fault_fails_for_every_client(ask, endpoint, given):
    endpoint.answers = [given] * 100
    message = ask["lasting"]()

    assert f"the identity endpoint returned HTTP {given.status}: " in message
    assert "check the app's managed identity, and AZURE_CLIENT_ID" in message


def test_a_temporary_fault_is_retried_once_immediately(endpoint):
    endpoint.answers = [said(503, **{"Retry-After": "3600"})]
    token = managed_identity(None).get_token(SCOPE)

    assert ("sandbox-token-for-https://storage.azure.com", 2) == (
        token.token,
        len(endpoint.requests),
    )


def test_a_failure_is_not_cached_for_its_retry_after(endpoint):
    endpoint.answers = [said(503, **{"Retry-After": "3600"})] * 2
    asking = managed_identity(None)
    with pytest.raises(AzureError):
        asking.get_token(SCOPE)

    assert asking.get_token(SCOPE).token


def test_a_token_is_requested_once_while_it_is_valid(endpoint):
    asking = managed_identity(None)

    assert asking.get_token(SCOPE).token == asking.get_token(SCOPE).token
    assert 1 == len(endpoint.requests)


def test_the_configured_identity_is_requested(endpoint):
    managed_identity("a-client").get_token(SCOPE)

    assert "a-client" == endpoint.requests[0].query["client_id"]


def test_a_proxy_never_sees_the_secret_of_the_endpoint(endpoint, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert managed_identity(None).get_token(SCOPE).token


def test_an_endpoint_that_does_not_listen_may_listen_soon(monkeypatch):
    with closing(socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)

    with pytest.raises(ServiceRequestError):
        managed_identity(None).get_token(SCOPE)


@pytest.mark.parametrize(
    ("script", "may_pass"),
    [
        pytest.param("echo Please run az login >&2; exit 1", False, id="nobody is logged in"),
        pytest.param("echo AADSTS70043: expired >&2; exit 1", False, id="refused"),
        pytest.param("exec sleep 30", True, id="no answer in time"),
        pytest.param("echo null", True, id="JSON that is not a token"),
        pytest.param("echo nothing", False, id="not JSON"),
        pytest.param(None, False, id="no Azure CLI"),
    ],
)
def test_faults_of_the_azure_cli_are_classified_the_same_way(
    tmp_path, monkeypatch, script, may_pass
):
    if script:
        (tmp_path / "az").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if script else str(tmp_path))
    monkeypatch.setattr(identity, "_PROCESS", 1)
    with pytest.raises(AzureError) as caught:
        azure_cli().get_token(SCOPE)

    assert may_pass == NoTokenError(caught.value).may_pass
    assert may_pass != isinstance(caught.value, ClientAuthenticationError)


def test_the_azure_cli_returns_its_token(tmp_path, monkeypatch):
    token = json.dumps({"accessToken": "mine", "expires_on": int(time.time()) + 3600})
    (tmp_path / "az").write_text(f"#!/bin/sh\necho '{token}'\n")
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert "mine" == azure_cli().get_token(SCOPE).token


def test_no_client_of_the_app_uses_azure_identity_directly():
    of_azure = Settings(IDENTITY_ENDPOINT="http://127.0.0.1:9/", IDENTITY_HEADER="x")
    for settings in (of_azure, Settings()):
        assert isinstance(services.identity_of(settings, None), Identity)
