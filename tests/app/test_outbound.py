"""Redirects, netrc, proxies and authorities: a credential is sent only to its own service."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from model_trigger import services
from model_trigger.handlers import DeliverAgainError
from model_trigger.outbound import authorities, proxies_for
from model_trigger.settings import Settings
from model_trigger.targets.azure_devops.client import AzureDevOps as Adapter
from model_trigger.targets.azure_devops.connection import Authorization
from model_trigger.targets.kinds import KINDS
from model_trigger.targets.request import (
    AzureDevOpsError,
    Refused,
    StartRequest,
    TargetAddress,
    TargetError,
)
from tests.sandbox.azure_devops.messages import Answer, answer
from tests.sandbox.credentials import IDENTITY_HEADER, managed_identity
from tests.support.build import NOON, deadline
from tests.support.strangers import BASIC, PAT, SERVICES, deliver, rules


def adapter(own, **settings):
    given = {"azure_devops_org_url": own, "azure_devops_pat": PAT, **settings}
    authorization = services.authorization(Settings(**given))
    return Adapter(authorization, deadline().clock)


def target(url, kind="release"):
    return TargetAddress(kind, url, "ml", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_request_is_sent_to_an_unknown_host(listen, stranger, kind):
    using = adapter(listen().url)
    stored = StartRequest(kind, stranger.url, "ml", 1, {"definitionId": 1})
    asking = [
        lambda: using.definition(target(stranger.url, kind), deadline()),
        lambda: using.find(stored, "key", NOON, 0.0, deadline()),
        lambda: using.dry_run(stored, deadline()),
    ]
    for ask in asking:
        with pytest.raises(TargetError, match=f"^{stranger.address} is not on the host of"):
            ask()

    assert isinstance(using.start(stored, deadline()), Refused)
    assert [] == stranger.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_does_not_forward_the_credential(listen, stranger, status):
    own = listen(
        lambda request: Answer(status, headers={"Location": stranger.address + request.path})
    )
    with pytest.raises((TargetError, AzureDevOpsError)):
        adapter(own.url).definition(target(own.url), deadline())

    assert [BASIC] == own.credentials
    assert [] == stranger.requests


@pytest.mark.parametrize("before", ["", "/", "//127.0.0.1@", "\\\\"])
def test_a_location_on_another_host_does_not_receive_the_credential(listen, stranger, before):
    template = (
        f"{before}{stranger.address}/{{project}}/_apis/{{area}}/{{resource}}/{{definitionId}}"
    )
    location = {
        "id": "d8f96f24-8ea7-4cb6-baab-2df8fc515665",
        "area": "Release",
        "resourceName": "definitions",
        "routeTemplate": template,
        "resourceVersion": 4,
        "minVersion": "1.0",
        "maxVersion": "7.2",
        "releasedVersion": "7.1",
    }
    own = listen(lambda _: answer({"count": 1, "value": [location]}))
    with suppress(TargetError, AzureDevOpsError):
        adapter(own.url).definition(target(own.url), deadline())

    assert [] == stranger.credentials


def test_each_request_is_signed_for_the_address_that_it_is_sent_to(stranger):
    def header(url):
        if url != f"{SERVICES}/_apis?a=b":
            raise TargetError(url)
        return BASIC

    with requests.Session() as session:
        Authorization(header).signed_session(session)
        signed = session.prepare_request(requests.Request("GET", f"{SERVICES}/_apis", params="a=b"))
        with pytest.raises(TargetError):
            session.get(stranger.url)

    assert BASIC == signed.headers["Authorization"]
    assert [] == stranger.requests


def test_a_password_from_netrc_does_not_replace_the_credential(listen, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login me password from-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    own = listen()
    using = adapter(own.url)

    def ask():
        with suppress(TargetError, AzureDevOpsError):
            using.definition(target(own.url), deadline())

    ask()
    with ThreadPoolExecutor(1) as another_thread:  # which creates its own session
        another_thread.submit(ask).result()

    assert len(own.credentials) > 1
    assert {BASIC} == set(own.credentials)


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "HTTP_PROXY"])
def test_a_proxy_never_sees_requests_to_this_machine(listen, monkeypatch, name):
    own, proxy = listen(), listen()
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv(name, proxy.address)
    with suppress(TargetError, AzureDevOpsError):
        adapter(own.url).definition(target(own.url), deadline())

    assert {BASIC} == set(own.credentials)
    assert [] == proxy.requests


def test_a_proxy_is_used_over_tls_and_gets_no_password(listen, monkeypatch):
    proxy = listen()
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", proxy.address.replace("//", "//me:for-the-proxy@"))
    with pytest.raises(AzureDevOpsError):
        adapter(SERVICES).definition(target(SERVICES), deadline())

    assert [] == proxy.credentials
    assert {"https": proxy.address} == proxies_for(SERVICES)


@pytest.mark.parametrize(
    ("proxy", "without"),
    [
        ("http://me:secret@proxy:3128", "http://proxy:3128"),
        ("me:secret@proxy:3128", "proxy:3128"),
        ("http://me:p@ss@proxy:3128/", "http://proxy:3128/"),
        ("socks5h://me@proxy", "socks5h://proxy"),
        ("//me@proxy", "//proxy"),
        ("http://proxy:3128", "http://proxy:3128"),
    ],
)
def test_a_proxy_is_used_without_its_password(monkeypatch, proxy, without):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", proxy)

    assert without == proxies_for(SERVICES)["https"]


def test_a_host_that_needs_no_proxy_gets_none(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "dev.azure.com")

    assert {} == proxies_for(SERVICES)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_custom_certificate_authorities_are_trusted(listen, monkeypatch, tmp_path, name):
    own = listen(tls=True)
    for either in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(either, raising=False)
    with pytest.raises(AzureDevOpsError, match="the connection is not secure"):
        adapter(own.url).definition(target(own.url), deadline())
    assert True is authorities()

    monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    with suppress(TargetError, AzureDevOpsError):
        adapter(own.url).definition(target(own.url), deadline())
    assert {BASIC} == set(own.credentials)


@pytest.fixture(name="storage_of")
def _storage_of(configure, listen):
    """Point the ledger at a server with this response, using the app's identity."""

    def storage_of(respond):
        endpoint, storage = listen(managed_identity), listen(respond, tls=True)
        configure(
            AzureWebJobsStorage="",
            AzureWebJobsStorage__tableServiceUri=storage.address,
            IDENTITY_ENDPOINT=endpoint.url,
            IDENTITY_HEADER=IDENTITY_HEADER,
            RULES=rules(SERVICES),
        )
        return storage

    return storage_of


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_by_storage_does_not_forward_the_token(storage_of, stranger, status):
    storage = storage_of(lambda _: Answer(status, headers={"Location": stranger.url}))
    with pytest.raises(DeliverAgainError):
        deliver()

    assert {"Bearer sandbox-token-for-https://storage.azure.com"} == set(storage.credentials)
    assert [] == stranger.requests


def test_a_password_from_netrc_does_not_replace_the_storage_token(
    storage_of, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text("default login me password from-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    storage = storage_of(lambda _: Answer(403))
    with pytest.raises(DeliverAgainError):
        deliver()

    assert {"Bearer sandbox-token-for-https://storage.azure.com"} == set(storage.credentials)
