"""The Bicep files are valid and keep to the security baseline.

Read as text, so that neither the Bicep compiler nor Azure is needed; both still have the last word.
"""

import re
import sys

import pytest

from tests.sandbox.processes import ROOT
from tests.support.bicep import (
    INFRA,
    MODULES,
    PARAMETER_FILES,
    TEMPLATES,
    code,
    declarations,
    relative,
    run,
    settings_block,
    values,
)

CHECKER = ROOT.parent / "shared/bicep/bicepcheck.py"

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-874b-0445c86b69e6": "Key Vault Secrets User",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}


@pytest.mark.parametrize("path", [*TEMPLATES, *PARAMETER_FILES], ids=relative)
def test_the_checker_finds_nothing_in_a_bicep_file(path):
    if not CHECKER.is_file():
        pytest.skip(f"{CHECKER} is not there; az bicep build checks the files in CI")
    result = run(sys.executable, CHECKER, path)
    assert ("", 0) == (result.stdout, result.returncode)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("httpsOnly", {"true"}, id="the app answers over HTTPS only"),
        pytest.param("minTlsVersion", {"'1.2'"}, id="the app refuses old TLS"),
        pytest.param("scmMinTlsVersion", {"'1.2'"}, id="publishing refuses old TLS"),
        pytest.param("ftpsState", {"'Disabled'"}, id="no FTP"),
        pytest.param("http20Enabled", {"true"}, id="HTTP/2 is on"),
        pytest.param("remoteDebuggingEnabled", {"false"}, id="no remote debugging"),
        pytest.param("allow", {"false"}, id="no basic publishing credentials"),
        pytest.param("allowSharedKeyAccess", {"false"}, id="the storage has no keys"),
        pytest.param("allowBlobPublicAccess", {"false"}, id="no blob is public"),
        pytest.param("publicAccess", {"'None'"}, id="no container is public"),
        pytest.param("allowCrossTenantReplication", {"false"}, id="blobs stay in the tenant"),
        pytest.param("minimumTlsVersion", {"'TLS1_2'"}, id="the storage refuses old TLS"),
        pytest.param("supportsHttpsTrafficOnly", {"true"}, id="the storage takes HTTPS only"),
        pytest.param("defaultToOAuthAuthentication", {"true"}, id="the portal signs in by Entra"),
        pytest.param("bypass", {"'AzureServices'"}, id="dead letters pass a firewall"),
        pytest.param("days", {"7"}, id="deleted blobs and containers can be restored"),
        pytest.param("DisableLocalAuth", {"true"}, id="telemetry needs an identity"),
        pytest.param("disableLocalAuth", {"true"}, id="the log needs an identity"),
        pytest.param("principalType", {"'ServicePrincipal'"}, id="roles go to identities"),
        pytest.param("maxEventsPerBatch", {"1"}, id="one event per delivery"),
        pytest.param("endpointType", {"'AzureFunction'", "'StorageBlob'"}, id="no webhook"),
    ],
)
def test_every_template_keeps_to_the_baseline(name, expected):
    assert expected == set().union(*(values(code(path), name) for path in TEMPLATES))


@pytest.mark.parametrize("kind", ["ftp", "scm"])
def test_both_kinds_of_basic_publishing_credentials_are_off(kind):
    policies = code(INFRA / "main.bicep").split("'basicPublishingCredentialsPolicies' = ")[1:]
    [policy] = [one.partition("\n  }\n")[0] for one in policies if f"name: '{kind}'" in one[:40]]
    assert {"false"} == values(policy, "allow")


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_no_template_reads_a_key_or_a_secret(path):
    found = re.findall(r"\blist\w*\(|\bgetSecret\(|AccountKey|SharedAccess|primaryKey", code(path))
    allowed = ["list("] if path.name == "main.bicep" else []
    assert allowed == found


def test_the_only_list_call_reads_the_app_settings_into_a_secure_parameter():
    assert "live: keepSettings ? list('${app.id}/config/appsettings'" in settings_block()
    parameters = declarations(MODULES / "app-settings.bicep", "param")
    assert "@secure()" in parameters["live"].decorators
    assert "@secure()" in parameters["settings"].decorators


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
@pytest.mark.parametrize("keyword", ["param", "output"])
def test_no_parameter_or_output_looks_like_a_secret(path, keyword):
    secret = re.compile(
        r"secret|password|token|key|connection|credential|sas(?![a-z])", re.IGNORECASE
    )
    names = [name for name in declarations(path, keyword) if not name.endswith(("Id", "Name"))]
    assert [] == [name for name in names if secret.search(name)]


def test_the_personal_access_token_is_a_key_vault_reference():
    assert "AZURE_DEVOPS_PAT: '@Microsoft.KeyVault(VaultName=" in settings_block()


def test_only_known_roles_are_assigned():
    guid = r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'"
    found = {role for path in TEMPLATES for role in re.findall(guid, code(path))}
    assert set(ROLES) == found


def test_the_custom_role_may_read_models_and_nothing_else():
    actions = re.search(r"actions: \[(.*?)\]", code(INFRA / "subscribe.bicep"), re.DOTALL)
    assert actions
    workspace = "Microsoft.MachineLearningServices/workspaces"
    expected = [f"{workspace}/{what}read" for what in ("", "models/", "models/versions/")]
    assert expected == re.findall(r"'([^']+)'", actions[1])


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
@pytest.mark.parametrize("keyword", ["param", "output"])
def test_every_parameter_and_output_has_a_description(path, keyword):
    found = declarations(path, keyword).values()
    assert [] == [one.name for one in found if "@description('" not in one.decorators]


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_every_parameter_that_azure_limits_has_a_limit(path):
    unlimited = {"location", "mode"}  # Azure knows its regions; @allowed is the limit of a mode
    limit = re.compile(r"@(minLength|maxLength|minValue|maxValue|allowed)\(")
    found = [
        one.name
        for one in declarations(path, "param").values()
        if one.type in {"int", "string"}
        and not limit.search(one.decorators)
        and one.name not in unlimited
        and not one.name.endswith("Id")
    ]
    assert [] == found


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_templates_use_plain_resources_only(path):
    assert [] == re.findall(r"br/\w+:|resourceInput<|\w!\.", code(path))


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_every_file_that_a_template_refers_to_exists(path):
    pattern = r"(?:^module \w+ |load\w+Content\()'([^']+)'"
    found = re.findall(pattern, code(path), re.MULTILINE)
    assert [] == [name for name in found if not (path.parent / name).is_file()]
