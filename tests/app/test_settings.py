"""The app settings: defaults, each one read, and nothing secret shown."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from model_trigger.registrations.registration import Workspace
from model_trigger.rules.fields import Mode
from model_trigger.settings import APP_ROOT, Settings, read_settings, reconcile_schedule
from tests.support.build import NEVER_SHOWN, WORKSPACE, WORKSPACE_ID

pytestmark = pytest.mark.usefixtures("nothing_set")

STORAGE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core"


def test_without_any_setting_the_defaults_hold():
    expected = {
        "azure_devops_org_url": None,
        "azure_devops_project": None,
        "azure_devops_pat": None,
        "azure_client_id": None,
        "identity_endpoint": None,
        "workspaces": (),
        "mode": Mode.LIVE,
        "storage": None,
        "storage_account": None,
        "storage_table_uri": None,
        "storage_credential": None,
        "storage_client_id": None,
        "ledger_prefix": "modeltrigger",
        "reconcile_lookback": timedelta(days=1),
        "decision_retention": timedelta(days=90),
        "claim_lease": timedelta(minutes=2),
        "list_lag": timedelta(minutes=2),
        "retry_pause": timedelta(minutes=5),
        "retry_for": timedelta(days=1),
        "outcome_topic_endpoint": None,
        "reconcile_schedule": "0 */5 * * * *",
    }
    assert expected == read_settings().model_dump()
    assert "0 */5 * * * *" == reconcile_schedule()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        (
            "AZURE_DEVOPS_ORG_URL",
            "https://dev.azure.com/contoso/",
            "azure_devops_org_url",
            "https://dev.azure.com/contoso",
        ),
        ("AZURE_DEVOPS_PROJECT", "ml", "azure_devops_project", "ml"),
        ("AZURE_DEVOPS_PAT", NEVER_SHOWN, "azure_devops_pat", NEVER_SHOWN),
        ("AZURE_CLIENT_ID", "c", "azure_client_id", "c"),
        ("IDENTITY_ENDPOINT", "http://x", "identity_endpoint", "http://x"),
        ("WORKSPACES", f'["{WORKSPACE_ID}"]', "workspaces", (WORKSPACE,)),
        ("WORKSPACES", " [] ", "workspaces", ()),
        ("MODE", "observe", "mode", Mode.OBSERVE),
        ("mode", "off", "mode", Mode.OFF),
        ("AzureWebJobsStorage", STORAGE, "storage", STORAGE),
        ("AzureWebJobsStorage", f" {STORAGE};\n", "storage", STORAGE),
        ("AzureWebJobsStorage", STORAGE.replace(";", "; "), "storage", STORAGE),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true", "storage", None),
        ("AzureWebJobsStorage", "usedevelopmentstorage=TRUE", "storage", None),
        (
            "AzureWebJobsStorage",
            "UseDevelopmentStorage=true;",
            "storage",
            "UseDevelopmentStorage=true",
        ),
        (
            "AzureWebJobsStorage",
            "TableEndpoint=https://a.table.core.windows.net;SharedAccessSignature=sv=1&sig=a%3D",
            "storage",
            None,
        ),
        ("AzureWebJobsStorage__accountName", "abc", "storage_account", "abc"),
        ("AZUREWEBJOBSSTORAGE__ACCOUNTNAME", "a1c", "storage_account", "a1c"),
        ("AzureWebJobsStorage__tableServiceUri", "https://x", "storage_table_uri", "https://x"),
        ("AzureWebJobsStorage__credential", "managedidentity", "storage_credential", None),
        ("AzureWebJobsStorage__clientId", "c", "storage_client_id", "c"),
        ("LEDGER_PREFIX", "a" * 54, "ledger_prefix", "a" * 54),
        ("RECONCILE_LOOKBACK", "PT0S", "reconcile_lookback", timedelta()),
        ("DECISION_RETENTION", "P2W", "decision_retention", timedelta(days=14)),
        ("CLAIM_LEASE", "PT4S", "claim_lease", timedelta(seconds=4)),
        ("LIST_LAG", "PT0S", "list_lag", timedelta()),
        ("LIST_LAG", "PT1.5S", "list_lag", timedelta(seconds=1.5)),
        ("RETRY_PAUSE", "PT1H30M", "retry_pause", timedelta(minutes=90)),
        ("RETRY_FOR", "P10000D", "retry_for", timedelta(days=10_000)),
        ("RETRY_FOR", "P1DT12H", "retry_for", timedelta(hours=36)),
        ("OUTCOME_TOPIC_ENDPOINT", "https://t/api/events", "outcome_topic_endpoint", None),
    ],
)
def test_each_setting_is_read_without_regard_to_case(put, name, text, field, value):
    put(**{name: text})

    assert (text if value is None else value) == getattr(read_settings(), field)


@pytest.mark.parametrize("name", ["WORKSPACES", "MODE", "CLAIM_LEASE", "AZURE_DEVOPS_ORG_URL"])
def test_an_empty_setting_is_as_good_as_none(put, name):
    put(**{name: ""})

    assert read_settings() == Settings.model_construct()


def test_the_schedule_of_the_timer_can_be_set(put):
    put(RECONCILE_SCHEDULE="0 0 * * * *")

    assert "0 0 * * * *" == reconcile_schedule()


def test_settings_that_were_read_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        read_settings().mode = Mode.OFF


def test_the_app_is_where_function_app_is():
    assert (APP_ROOT / "function_app.py").is_file()


def test_a_workspace_of_the_settings_keeps_its_spelling(put):
    put(WORKSPACES=f'["{WORKSPACE_ID.upper()}"]')
    (workspace,) = read_settings().workspaces

    assert Workspace.parse(WORKSPACE_ID.upper()) == workspace
    assert WORKSPACE.key == workspace.key


def test_nothing_secret_is_in_what_is_shown(put):
    put(
        AZURE_DEVOPS_PAT=NEVER_SHOWN,
        AzureWebJobsStorage=f"AccountName=a;SharedAccessSignature={NEVER_SHOWN}",
        AZURE_DEVOPS_ORG_URL="https://dev.azure.com/contoso",
    )
    assert NEVER_SHOWN not in repr(read_settings())
    assert NEVER_SHOWN not in str(read_settings())
