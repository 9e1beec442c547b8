"""Which host may receive which credential: a table of addresses, genuine and forged."""

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.targets.hosts import (
    Origin,
    Recipients,
    family,
    is_loopback,
    organization_problem,
)
from tests.support.build import CONTOSO

OLDER = "https://contoso.visualstudio.com"
SERVER = "https://tfs.contoso.com:8443/tfs/DefaultCollection"
SANDBOX = "http://127.0.0.1:8099/fabrikam"

# These never receive a credential, whatever is set.
FORGED = [
    pytest.param("https://dev.azure.com.evil.example/contoso", id="longer host"),
    pytest.param("https://evil-dev.azure.com/contoso", id="another host of the domain"),
    pytest.param("https://evildev.azure.com/contoso", id="host with the same suffix"),
    pytest.param("https://evil.example/dev.azure.com/contoso", id="in the path"),
    pytest.param("https://evil.example?https://dev.azure.com/contoso", id="in the query"),
    pytest.param("https://evil.example#dev.azure.com/contoso", id="in the fragment"),
    pytest.param("https://dev.azure.com@evil.example/contoso", id="as user name"),
    pytest.param("https://dev.azure.com:443@evil.example/contoso", id="as user and password"),
    pytest.param("https://me@dev.azure.com/contoso", id="with a user name"),
    pytest.param("https://dev.azure.com\\@evil.example/contoso", id="backslash before @"),
    pytest.param("https://evil.example\\.visualstudio.com/contoso", id="backslash in the host"),
    pytest.param("https:\\\\dev.azure.com/contoso", id="backslashes for slashes"),
    pytest.param("https://evil.example%2f.visualstudio.com/", id="escaped slash"),
    pytest.param("https://evil.example%00.visualstudio.com/", id="escaped end of text"),
    pytest.param("https://dev.azure.com\n.evil.example/", id="line break in the host"),
    pytest.param("https://evil.example/\nhttps://dev.azure.com/contoso", id="second line"),
    pytest.param("https://dev.azure.com/contoso\r\nHost: evil.example", id="header in the path"),
    pytest.param(" https://dev.azure.com/contoso", id="space before"),
    pytest.param("https://dev.azure.com /contoso", id="space in the host"),
    pytest.param("https://dev.azure.com./contoso", id="dot at the end"),
    pytest.param("https://dev..azure.com/contoso", id="two dots"),
    pytest.param("https://.visualstudio.com/contoso", id="no label"),
    pytest.param("https://visualstudio.com/contoso", id="the domain itself"),
    pytest.param("https://evilvisualstudio.com/contoso", id="domain with the same suffix"),
    pytest.param("https://contoso.visualstudio.com.evil.example", id="longer domain"),
    pytest.param("https://dev.azure.com:8443/contoso", id="another port"),
    pytest.param("https://dev.azure.com:080443/contoso", id="port of six digits"),
    pytest.param("https://dev.azure.com:99999/contoso", id="port out of range"),
    pytest.param("http://dev.azure.com/contoso", id="plain http"),
    pytest.param("http://dev.azure.com:443/contoso", id="plain http to the port of https"),
    pytest.param("HTTPS://dev.azure.com/contoso", id="upper-case scheme"),
    pytest.param("ftp://dev.azure.com/contoso", id="another scheme"),
    pytest.param("//dev.azure.com/contoso", id="no scheme"),
    pytest.param("https:dev.azure.com/contoso", id="no slashes"),
    pytest.param("https:///dev.azure.com/contoso", id="three slashes"),
    pytest.param("https://dév.azure.com/contoso", id="accent"),
    pytest.param("https://dev.аzure.com/contoso", id="Cyrillic a"),  # noqa: RUF001
    pytest.param("https://dev.azure。com/contoso", id="ideographic full stop"),
    pytest.param("https://contoso.viſualstudio.com", id="long s"),  # noqa: RUF001
    pytest.param("https://xn--dv-bja.azure.com/contoso", id="punycode"),
    pytest.param("https://[::1]/contoso", id="IPv6"),
    pytest.param("https://169.254.169.254/contoso", id="metadata service"),
    pytest.param("", id="nothing"),
]


@pytest.mark.parametrize("url", FORGED)
@pytest.mark.parametrize(
    "recipients",
    [
        pytest.param(Recipients(None, has_pat=False), id="token"),
        pytest.param(Recipients(CONTOSO, has_pat=False), id="token, organization"),
        pytest.param(Recipients(SERVER, has_pat=False), id="token, server"),
        pytest.param(Recipients(CONTOSO, has_pat=True), id="PAT"),
        pytest.param(Recipients(OLDER, has_pat=True), id="PAT, older address"),
        pytest.param(Recipients(SERVER, has_pat=True), id="PAT, server"),
        pytest.param(Recipients(SANDBOX, has_pat=True), id="PAT, sandbox"),
        pytest.param(Recipients(None, has_pat=True), id="PAT without an organization"),
    ],
)
def test_a_forged_address_gets_no_credential(recipients, url):
    assert recipients.refusal(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com",
        "https://dev.azure.com/contoso/_apis?a=b",
        "https://DEV.Azure.com/contoso",
        "https://dev.azure.com:443/contoso",
        "https://vsrm.dev.azure.com/contoso/ml/_apis/Release/releases",
        "https://contoso.visualstudio.com/DefaultCollection/_apis",
        "https://contoso.vsrm.visualstudio.com/_apis",
        "https://CONTOSO.VisualStudio.com/_apis",
    ],
)
def test_a_token_goes_to_every_host_of_azure_devops_services(url):
    assert "" == Recipients(None, has_pat=False).refusal(url)
    assert "" == Recipients(SERVER, has_pat=False).refusal(url)


@pytest.mark.parametrize(
    "url", [SERVER, SANDBOX, "http://localhost", "https://vssps.dev.azure.com"]
)
def test_a_token_goes_nowhere_else(url):
    assert Recipients(url, has_pat=False).refusal(url)


@pytest.mark.parametrize("own", [CONTOSO, OLDER, f"{OLDER}/DefaultCollection"])
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://dev.azure.com/contoso/_apis", True),
        ("https://dev.azure.com/fabrikam/_apis", True),
        ("https://vsrm.dev.azure.com/contoso/_apis", True),
        ("https://contoso.visualstudio.com/_apis", True),
        ("https://contoso.vsrm.visualstudio.com/_apis", True),
        ("https://fabrikam.visualstudio.com/_apis", False),
        ("https://fabrikam.vsrm.visualstudio.com/_apis", False),
        ("https://contoso.evil.visualstudio.com/_apis", False),
        ("https://vsrm.contoso.visualstudio.com/_apis", False),
        ("https://feeds.dev.azure.com/contoso", False),
        (SERVER, False),
        (SANDBOX, False),
    ],
)
def test_a_pat_goes_to_the_hosts_of_its_own_organization(own, url, allowed):
    assert allowed == (Recipients(own, has_pat=True).refusal(url) == "")


@pytest.mark.parametrize(
    ("own", "url", "allowed"),
    [
        (SERVER, "https://tfs.contoso.com:8443/other/_apis", True),
        (SERVER, "https://TFS.contoso.com:8443/other/_apis", True),
        (SERVER, "https://tfs.contoso.com/tfs", False),
        (SERVER, "http://tfs.contoso.com:8443/tfs", False),
        (SERVER, "https://vsrm.tfs.contoso.com:8443/tfs", False),
        (SERVER, CONTOSO, False),
        (SANDBOX, "http://127.0.0.1:8099/fabrikam/_apis", True),
        (SANDBOX, "https://127.0.0.1:8099/fabrikam/_apis", False),
        (SANDBOX, "http://127.0.0.1:8098/fabrikam/_apis", False),
        (SANDBOX, "http://127.0.0.2:8099/fabrikam/_apis", False),
        (SANDBOX, "http://localhost:8099/fabrikam/_apis", False),
        ("http://tfs.contoso.com/tfs", "http://tfs.contoso.com/tfs", False),
        ("http://2130706433/tfs", "http://2130706433/tfs", False),
    ],
)
def test_a_pat_of_a_server_goes_to_its_own_host_and_port_only(own, url, allowed):
    assert allowed == (Recipients(own, has_pat=True).refusal(url) == "")


def test_a_refusal_names_what_is_allowed():
    assert "only to https://dev.azure.com/<organization> and https://<organization>." in (
        Recipients(None, has_pat=False).refusal(SERVER)
    )
    assert f'AZURE_DEVOPS_PAT is sent to: "{CONTOSO}"' in Recipients(CONTOSO, True).refusal(SERVER)  # noqa: FBT003
    assert "AZURE_DEVOPS_ORG_URL, which is not set" in Recipients(None, True).refusal(SERVER)  # noqa: FBT003


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing binds to it
        ("127.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_this_machine_is_known_by_its_own_names_only(host, local):
    assert local is is_loopback(host)


PARTS = [
    "https://",
    "http://",
    "dev.azure.com",
    "visualstudio.com",
    "contoso",
    "evil.example",
    *"./\\@:?#%&;[]- \t\né。",
    "443",
    "%2f",
    "%40",
]


@given(st.lists(st.sampled_from(PARTS), max_size=9).map("".join))
def test_an_allowed_address_is_parsed_the_same_way_by_the_http_library(url):
    if Recipients(CONTOSO, has_pat=True).refusal(url):
        return
    sent = requests.Request("GET", url).prepare()

    assert Origin.of(url) == Origin.of(sent.url)
    assert urlsplit(sent.url).hostname == Origin.of(url).host
    assert Origin.of(sent.url) in family(CONTOSO)


@given(st.lists(st.sampled_from(PARTS), max_size=9).map("".join))
def test_a_suggested_address_is_never_refused(url):
    _, _, suggested = organization_problem(url).partition("; did you mean '")

    assert not suggested or "" == organization_problem(suggested.removesuffix("'?"))
