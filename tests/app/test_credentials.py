"""No credential leaves for a stranger: servers that listen for it, at every way into the app."""

import base64
import json
from argparse import _SubParsersAction
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial

import pytest
import requests

from model_trigger import __main__ as commands
from model_trigger import handlers, services
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
from tests.sandbox.azure_devops.server import Server
from tests.sandbox.azure_ml.server import Authority, TlsServer
from tests.sandbox.credentials import IDENTITY_HEADER, managed_identity
from tests.support.build import NOON, WORKSPACE_ID, deadline, event_text

PAT = "s3cr3t-pat"
BASIC = f"Basic {base64.b64encode(f':{PAT}'.encode()).decode()}"
SERVICES = "https://dev.azure.com/contoso"


class Listener:
    """A server that keeps what it is sent, over TLS if it is given a context."""

    def __init__(self, respond=lambda _: answer({"count": 0, "value": []}), context=None):
        self.requests, self._respond = [], respond
        clock = partial(datetime.now, UTC)
        self.server = (
            TlsServer(0, clock, self._answer, context)
            if context
            else Server(0, clock, self._answer)
        )
        self.address = f"{'https' if context else 'http'}://127.0.0.1:{self.server.port}"
        self.url = f"{self.address}/contoso"

    def _answer(self, request):
        self.requests.append(request)
        return self._respond(request)

    @property
    def credentials(self):
        sent = (request.headers for request in self.requests)
        return [
            headers[name]
            for headers in sent
            for name in ("authorization", "proxy-authorization")
            if name in headers
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


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


def rules(url):
    named = {"organization_url": url} if url else {}
    return json.dumps(
        {
            "churn": {"model": "churn", "release": {"definition": 1, **named}},
            "fraud": {"model": "churn", "pipeline": {"id": 1, **named}},
        }
    )


COMMANDS = {
    "check": ("check", "--online"),
    "explain": ("explain", "--model", "churn", "--version", "17"),
    "forget": ("forget", "--rule", "churn", "--model", "churn", "--workspace", WORKSPACE_ID),
    "schema": ("schema",),
}


def deliver():
    handlers.handle_event(event_text(17), services.services())


def reconcile():
    deliver()
    handlers.reconcile(services.services())


def page(show, **query):
    return show(query, "text/html", services.services)


ENTRIES = {
    "an event": deliver,
    "reconcile": reconcile,
    "the status page": partial(page, handlers.status_page, model="churn", version="17"),
    "the explain page": partial(page, handlers.explanation, model="churn", version="17"),
    **{f"the command {name}": partial(commands.main, line) for name, line in COMMANDS.items()},
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize("setting", ["with_pat", "with_identity", "with_identity_and_server"])
def test_a_stranger_is_sent_nothing(request, stranger, setting, entry):
    request.getfixturevalue(setting)(stranger)
    entry()

    assert [] == stranger.requests


def test_every_command_is_among_the_ways_into_the_app():
    (action,) = (
        one
        for one in commands._parser()._actions  # noqa: SLF001 - argparse shows them nowhere else
        if isinstance(one, _SubParsersAction)
    )
    assert set(COMMANDS) == set(action.choices)


@pytest.mark.parametrize("setting", ["with_pat", "with_identity", "with_identity_and_server"])
def test_a_start_at_a_stranger_fails_with_what_is_allowed(request, stranger, setting, caplog):
    request.getfixturevalue(setting)(stranger)
    with caplog.at_level("INFO", "model_trigger"):
        deliver()

    decisions = [json.loads(one.partition(" ")[2]) for one in caplog.messages]
    assert ["failed", "failed"] == [one["outcome"] for one in decisions]
    assert all(one["reason"].startswith(stranger.address) for one in decisions)
    allowed = "AZURE_DEVOPS_ORG_URL, the only one" if setting == "with_pat" else "only to https://"
    assert all(allowed in one["reason"] for one in decisions)


@pytest.mark.parametrize("online", [[], ["--online"]], ids=["offline", "online"])
@pytest.mark.parametrize("from_file", [False, True], ids=["settings", "file"])
@pytest.mark.parametrize("setting", ["with_pat", "with_identity"])
def test_check_refuses_a_rule_of_a_stranger(  # noqa: PLR0913, PLR0917 - fixtures
    request, stranger, setting, from_file, online, tmp_path, capsys
):
    request.getfixturevalue(setting)(stranger)
    (tmp_path / "rules.json").write_text(rules(stranger.url))
    file = [str(tmp_path / "rules.json")] if from_file else []

    assert 1 == commands.main(["check", *online, "--json", *file])
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [
        ("churn.release.organization_url", json.dumps(stranger.url)),
        ("fraud.pipeline.organization_url", json.dumps(stranger.url)),
    ] == [(one["path"], one["value"]) for one in problems]
    assert all(" goes " in one["message"] for one in problems)


def test_check_names_the_setting_that_gave_the_address(put, capsys):
    url = "https://tfs.contoso.com/tfs"
    put(
        RULES=rules(None),
        RULES__churn__release__organization_url=url,
        RULES__fraud__pipeline=json.dumps({"id": 1, "organization_url": url}),
    )
    commands.main(["check", "--json"])

    assert [
        "RULES__churn__release__organization_url",
        "RULES__fraud__pipeline.organization_url",
    ] == [one["path"] for one in json.loads(capsys.readouterr().out)["problems"]]


def test_check_refuses_a_server_without_a_pat(put, capsys):
    put(RULES=rules(None), AZURE_DEVOPS_ORG_URL="https://tfs.contoso.com/tfs")

    assert 1 == commands.main(["check"])
    assert (
        'AZURE_DEVOPS_ORG_URL: "https://tfs.contoso.com/tfs" is not Azure DevOps Services over '
        "https, and the token of the app's identity goes only to https://dev.azure.com/"
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "pat"),
    [(SERVICES, ""), (SERVICES, PAT), ("https://tfs.contoso.com/tfs", PAT)],
    ids=["identity", "PAT", "PAT of a server"],
)
def test_check_accepts_a_rule_that_needs_no_more(put, capsys, url, pat):
    put(RULES=rules(url), AZURE_DEVOPS_ORG_URL=url, AZURE_DEVOPS_PAT=pat)

    assert 0 == commands.main(["check"])
    assert "problem" not in capsys.readouterr().out


def test_check_reports_the_settings_that_are_wrong_beside_the_rules(put, capsys):
    put(RULES='{"churn": {"model": "churn"}}', MODE="lvie", CLAIM_LEASE="PT1S")

    assert 1 == commands.main(["check", "--json"])
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert ["MODE", "CLAIM_LEASE", "churn"] == [one["path"] for one in problems]


def test_check_of_a_file_needs_no_other_setting(put, tmp_path):
    put(MODE="lvie")
    (tmp_path / "rules.json").write_text(rules(SERVICES))

    assert 0 == commands.main(["check", str(tmp_path / "rules.json")])
    assert 1 == commands.main(["check", "--online", str(tmp_path / "rules.json")])


# Below the settings: whatever an organization answers, and whatever the environment holds.


def adapter(own, **settings):
    given = {"azure_devops_org_url": own, "azure_devops_pat": PAT, **settings}
    authorization = services._authorization(Settings(**given))  # noqa: SLF001 - as it is built
    return Adapter(authorization, deadline().clock)


def target(url, kind="release"):
    return TargetAddress(kind, url, "ml", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_can_be_asked_for_is_asked_of_a_stranger(listen, stranger, kind):
    using = adapter(listen().url)
    stored = StartRequest(kind, stranger.url, "ml", 1, {"definitionId": 1})
    asking = [
        lambda: using.definition(target(stranger.url, kind), deadline()),
        lambda: using.find(stored, "key", NOON, 0.0, deadline()),
        lambda: using.dry_run(stored, deadline()),
    ]
    for ask in asking:
        with pytest.raises(TargetError, match=f"^{stranger.address} has another host than"):
            ask()

    assert isinstance(using.start(stored, deadline()), Refused)
    assert [] == stranger.requests


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_credential_along(listen, stranger, status):
    own = listen(
        lambda request: Answer(status, headers={"Location": stranger.address + request.path})
    )
    with pytest.raises((TargetError, AzureDevOpsError)):
        adapter(own.url).definition(target(own.url), deadline())

    assert [BASIC] == own.credentials
    assert [] == stranger.requests


@pytest.mark.parametrize("before", ["", "/", "//127.0.0.1@", "\\\\"])
def test_a_location_on_another_host_takes_no_credential_along(listen, stranger, before):
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


def test_a_password_from_netrc_replaces_no_credential(listen, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login me password from-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    own = listen()
    using = adapter(own.url)

    def ask():
        with suppress(TargetError, AzureDevOpsError):
            using.definition(target(own.url), deadline())

    ask()
    with ThreadPoolExecutor(1) as another_thread:  # which gets a session of its own
        another_thread.submit(ask).result()

    assert len(own.credentials) > 1
    assert {BASIC} == set(own.credentials)


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "HTTP_PROXY"])
def test_a_proxy_never_sees_what_is_meant_for_this_machine(listen, monkeypatch, name):
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
def test_a_proxy_is_taken_without_its_password(monkeypatch, proxy, without):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", proxy)

    assert without == proxies_for(SERVICES)["https"]


def test_a_host_that_needs_no_proxy_gets_none(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "dev.azure.com")

    assert {} == proxies_for(SERVICES)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_ones_own_are_trusted(listen, monkeypatch, tmp_path, name):
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
def _storage_of(put, listen):
    """Leads the ledger to a server that answers so, asked with the app's identity."""

    def storage_of(respond):
        endpoint, storage = listen(managed_identity), listen(respond, tls=True)
        put(
            AzureWebJobsStorage="",
            AzureWebJobsStorage__tableServiceUri=storage.address,
            IDENTITY_ENDPOINT=endpoint.url,
            IDENTITY_HEADER=IDENTITY_HEADER,
            RULES=rules(SERVICES),
        )
        return storage

    return storage_of


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_of_the_storage_takes_no_token_along(storage_of, stranger, status):
    storage = storage_of(lambda _: Answer(status, headers={"Location": stranger.url}))
    with pytest.raises(DeliverAgainError):
        deliver()

    assert {"Bearer sandbox-token-for-https://storage.azure.com"} == set(storage.credentials)
    assert [] == stranger.requests


def test_a_password_from_netrc_does_not_replace_the_token_of_the_storage(
    storage_of, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text("default login me password from-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    storage = storage_of(lambda _: Answer(403))
    with pytest.raises(DeliverAgainError):
        deliver()

    assert {"Bearer sandbox-token-for-https://storage.azure.com"} == set(storage.credentials)


def test_an_event_that_waits_for_a_token_is_delivered_again(put, listen):
    endpoint = listen(lambda _: answer({"statusCode": 503, "message": "busy"}, 503))
    put(
        IDENTITY_ENDPOINT=endpoint.url,
        IDENTITY_HEADER=IDENTITY_HEADER,
        AZURE_DEVOPS_ORG_URL=SERVICES,
        RULES=rules(None),
    )
    with pytest.raises(DeliverAgainError, match="the identity endpoint answered HTTP 503: busy"):
        deliver()
