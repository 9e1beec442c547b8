"""App settings that are wrong: each mistake is reported, and nothing secret shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.settings import SettingsError, read_settings
from tests.support.build import NEVER_SHOWN
from tests.support.drawn import relaxed

pytestmark = pytest.mark.usefixtures("nothing_set")


def reported() -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return str(caught.value)


NOT_A_DURATION = (
    "is not an ISO 8601 duration of weeks, days, hours, minutes or seconds, such as PT2M or P90D"
)
NO_ADDRESS = "is not the address of an organization, such as https://dev.azure.com/contoso"
NOT_A_LIST = 'is not a JSON list of workspace resource ids, such as ["/subscriptions/..."]'
NO_WORKSPACE = (
    "is not the resource id of a workspace; expected /subscriptions/<id>/resourceGroups/<group>"
    "/providers/Microsoft.MachineLearningServices/workspaces/<name>"
)
NO_STORAGE = "is not a valid storage connection string"
NO_PREFIX = "is not a valid table name prefix; expected a letter, then at most 53 letters or digits"


WRONG = [
    ("MODE", "lvie", "\"lvie\" is not one of live, observe, off; did you mean 'live'?"),
    ("MODE", "Live", "\"Live\" is not one of live, observe, off; did you mean 'live'?"),
    ("MODE", "1", '"1" is not one of live, observe, off'),
    ("AZURE_DEVOPS_ORG_URL", "contoso", f'"contoso" {NO_ADDRESS}'),
    (
        "AZURE_DEVOPS_ORG_URL",
        "dev.azure.com/contoso",
        f"\"dev.azure.com/contoso\" {NO_ADDRESS}; did you mean 'https://dev.azure.com/contoso'?",
    ),
    ("WORKSPACES", "ml-prod", f'"ml-prod" {NOT_A_LIST}'),
    ("WORKSPACES", "{}", f'"{{}}" {NOT_A_LIST}'),
    ("WORKSPACES", '["x"]', f'"[\\"x\\"]" is invalid: "x" {NO_WORKSPACE}'),
    ("WORKSPACES", "[5]", f'"[5]" is invalid: "5" {NO_WORKSPACE}'),
    ("LEDGER_PREFIX", "model-trigger", f'"model-trigger" {NO_PREFIX}'),
    ("LEDGER_PREFIX", "1a", f'"1a" {NO_PREFIX}'),
    ("LEDGER_PREFIX", "a" * 55, f'"{"a" * 55}" {NO_PREFIX}'),
    ("CLAIM_LEASE", "2m", f'"2m" {NOT_A_DURATION}'),
    ("CLAIM_LEASE", "120", f'"120" {NOT_A_DURATION}'),
    ("CLAIM_LEASE", "00:02:00", f'"00:02:00" {NOT_A_DURATION}'),
    ("CLAIM_LEASE", "PT", f'"PT" {NOT_A_DURATION}'),
    ("CLAIM_LEASE", "P", f'"P" {NOT_A_DURATION}'),
    ("CLAIM_LEASE", "pt2m", f'"pt2m" {NOT_A_DURATION}'),
    ("RETRY_FOR", "-P1D", f'"-P1D" {NOT_A_DURATION}'),
    ("RETRY_FOR", "P1DT", f'"P1DT" {NOT_A_DURATION}'),
    ("DECISION_RETENTION", "P3M", f'"P3M" {NOT_A_DURATION}'),
    ("DECISION_RETENTION", "P10001D", '"P10001D" must be at most P10000D'),
    ("LIST_LAG", "P" + "9" * 400 + "D", f'"P{"9" * 198}… must be at most P10000D'),
    ("CLAIM_LEASE", "PT0S", '"PT0S" must be at least PT4S'),
    ("CLAIM_LEASE", "PT3.999S", '"PT3.999S" must be at least PT4S'),
    ("RETRY_PAUSE", "PT0M", '"PT0M" must be longer than zero'),
    ("DECISION_RETENTION", "P0D", '"P0D" must be longer than zero'),
    (
        "OUTCOME_TOPIC_ENDPOINT",
        "http://t/api/events",
        (
            '"http://t/api/events" must use https, because a token is sent to it; did you mean '
            "'https://t/api/events'?"
        ),
    ),
    (
        "AzureWebJobsStorage__accountName",
        "a.b",
        (
            '"a.b" is not a valid storage account name; '
            "expected 3 to 24 lowercase letters and digits"
        ),
    ),
    (
        "AzureWebJobsStorage__accountName",
        f"AccountName=a;AccountKey={NEVER_SHOWN}",
        "is not a valid storage account name; expected 3 to 24 lowercase letters and digits",
    ),
    (
        "AzureWebJobsStorage__tableServiceUri",
        f"a.table.core.windows.net?sig={NEVER_SHOWN}",
        "is not a URL that begins with https://",
    ),
    ("AzureWebJobsStorage", NEVER_SHOWN, f"{NO_STORAGE}: one of its parts is not <name>=<value>"),
    (
        "AzureWebJobsStorage",
        f"AccountName=a;AccountKey={NEVER_SHOWN};",
        f"{NO_STORAGE}: AccountKey is not valid base64; it may have been cut off",
    ),
    (
        "AzureWebJobsStorage",
        f"AccountName=a;EndpointSuffix={NEVER_SHOWN}",
        f"{NO_STORAGE}: AccountKey is missing",
    ),
    (
        "AzureWebJobsStorage",
        f"DefaultEndpointsProtocol=https;AccountKey={NEVER_SHOWN}",
        f"{NO_STORAGE}: AccountName is missing",
    ),
    (
        "AzureWebJobsStorage",
        f"AccountName=a;accountname=b;AccountKey={NEVER_SHOWN}",
        f"{NO_STORAGE}: a name appears twice",
    ),
    (
        "AzureWebJobsStorage",
        f"AccountName=;AccountKey={NEVER_SHOWN}",
        f"{NO_STORAGE}: one of its parts is not <name>=<value>",
    ),
    ("OUTCOME_TOPIC_ENDPOINT", "t", '"t" is not a URL that begins with https://'),
    (
        "AzureWebJobsStorage__tableServiceUri",
        "account",
        '"account" is not a URL that begins with https://',
    ),
]


@pytest.mark.parametrize(
    ("name", "text", "expected"), WRONG, ids=[f"{name}={text[:30]}" for name, text, _ in WRONG]
)
def test_an_invalid_setting_is_reported_with_what_is_expected(put, name, text, expected):
    put(**{name: text})

    assert f"invalid app settings: {name}: {expected}" == reported()


@pytest.mark.parametrize(
    ("url", "why", "meant"),
    [
        pytest.param("https://dev.azure.com", "it names no organization", "", id="no organization"),
        pytest.param("https://dev.azure.com/", "it names no organization", "", id="only a slash"),
        pytest.param("https://visualstudio.com", "it names no organization", "", id="older host"),
        pytest.param(
            "http://dev.azure.com/contoso",
            "over plain http, anyone on the network path could read the credential",
            "https://dev.azure.com/contoso",
            id="plain http",
        ),
        pytest.param(
            "http://tfs.contoso.com:8080/tfs/ml/",
            "over plain http, anyone on the network path could read the credential",
            "https://tfs.contoso.com:8080/tfs/ml",
            id="plain http to a server",
        ),
        pytest.param(
            "https://vsrm.dev.azure.com/contoso",
            "this is the address of one of its services",
            "https://dev.azure.com/contoso",
            id="release host",
        ),
        pytest.param(
            "https://contoso.vsrm.visualstudio.com",
            "this is the address of one of its services",
            "https://contoso.visualstudio.com",
            id="older release host",
        ),
        pytest.param(
            "https://dev.azure.com/contoso/ml",
            "it contains more than the organization",
            "https://dev.azure.com/contoso",
            id="project",
        ),
        pytest.param(
            "https://contoso.visualstudio.com/DefaultCollection/ml",
            "it contains more than the organization",
            "https://contoso.visualstudio.com/DefaultCollection",
            id="project of the older host",
        ),
        pytest.param(
            "https://dev.azure.com/contoso?view=all",
            "it has a query or a fragment",
            "https://dev.azure.com/contoso",
            id="query",
        ),
        pytest.param(
            "https://tfs.contoso.com/tfs#ml",
            "it has a query or a fragment",
            "https://tfs.contoso.com/tfs",
            id="fragment",
        ),
        pytest.param("https://-tfs.contoso.com/tfs", "", "", id="no host at all"),
        pytest.param("https://tfs.contoso.com\\@dev.azure.com/a", "", "", id="backslash"),
    ],
)
def test_an_address_that_is_not_an_organization_is_refused_with_the_closest_valid_one(
    put, url, why, meant
):
    put(AZURE_DEVOPS_ORG_URL=url)

    why, meant = why and f"; {why}", meant and f"; did you mean '{meant}'?"
    assert reported().endswith(f"{NO_ADDRESS}{why}{meant}")


@pytest.mark.parametrize(
    "name",
    [
        "AZURE_DEVOPS_PAT",
        "AZURE_DEVOPS_ORG_URL",
        "WORKSPACES",
        "MODE",
        "CLAIM_LEASE",
        "AzureWebJobsStorage",
        "AzureWebJobsStorage__accountName",
        "OUTCOME_TOPIC_ENDPOINT",
        "RECONCILE_SCHEDULE",
    ],
)
def test_a_key_vault_reference_that_azure_could_not_resolve_is_named(put, name):
    put(**{name: "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/pat)"})

    assert re.match(
        rf'invalid app settings: {name}: ("@Microsoft.KeyVault\(.*\)" )?is a Key Vault reference '
        "that Azure could not resolve: check that the secret exists",
        reported(),
    )


def test_all_invalid_settings_are_reported_together(put):
    put(MODE="x", CLAIM_LEASE="x", WORKSPACES="x")

    names = [
        one.partition(":")[0]
        for one in reported().removeprefix("invalid app settings: ").split("; ")
    ]
    assert ["WORKSPACES", "MODE", "CLAIM_LEASE"] == names


def test_no_secret_is_in_an_error_message(put):
    put(
        AZURE_DEVOPS_PAT=NEVER_SHOWN,
        AzureWebJobsStorage=f"AccountKey={NEVER_SHOWN}",
        AZURE_DEVOPS_ORG_URL=f"https://me:{NEVER_SHOWN}@dev.azure.com/contoso",
        OUTCOME_TOPIC_ENDPOINT=f"https://{NEVER_SHOWN}@t",
        MODE="x",
    )
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert NEVER_SHOWN not in str(caught.value)
    # A traceback shows the cause, too.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@relaxed
@given(
    st.sampled_from(["MODE", "WORKSPACES", "CLAIM_LEASE", "LEDGER_PREFIX", "AZURE_DEVOPS_ORG_URL"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
    | st.from_regex(r"P?[0-9]{0,3}[WDHMS]?T?[0-9.]{0,3}[HMS]?", fullmatch=True).filter(bool),
)
def test_any_text_is_accepted_or_reported_in_our_own_words(name, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, text)
        try:
            read_settings()
        except SettingsError as error:
            assert str(error).isprintable()  # noqa: PT017 - either is fine
            assert "Input should" not in str(error)  # noqa: PT017
            assert "Value error" not in str(error)  # noqa: PT017
