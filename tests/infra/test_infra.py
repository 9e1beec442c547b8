"""The Bicep files, the workbook and the hooks agree with the app and meet the security baseline.

They are read as text, so neither the Bicep compiler nor Azure is needed; both have the final say.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from model_trigger.decisions.decision import Decision, Outcome, duplicate_line, rejected
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.sources import read_rules_text
from model_trigger.settings import Settings, reconcile_schedule
from model_trigger.targets.request import Release
from tests.sandbox.host.server import WORKER_THREADS
from tests.support.build import registration

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MODULES = INFRA / "modules"
CHECKER = ROOT.parent / "shared/bicep/bicepcheck.py"
TEMPLATES = sorted(INFRA.rglob("*.bicep"))
PARAMETER_FILES = sorted(INFRA.rglob("*.bicepparam"))

# Set by Azure, or an alternative to the identity that Bicep assigns to the app.
NOT_WRITTEN = {"AzureWebJobsStorage", "AzureWebJobsStorage__tableServiceUri", "IDENTITY_ENDPOINT"}


def written_default(default):
    """Return a default in the form of an app setting, or None without one."""
    if isinstance(default, timedelta):
        return TypeAdapter(timedelta).dump_json(default).decode().strip('"')
    return str(default) if default and not isinstance(default, tuple) else None


# The settings that the app reads, with their defaults.
APP_SETTINGS = {
    str(field.validation_alias or name.upper()): written_default(field.default)
    for name, field in Settings.model_fields.items()
}
APP_SETTINGS |= {"RULES": None, "RULES_FILE": None, "RECONCILE_SCHEDULE": reconcile_schedule()}
APP_SETTINGS = {name: given for name, given in APP_SETTINGS.items() if name not in NOT_WRITTEN}
HOST_SETTINGS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
FUNCTIONS = {"on_model_registered", "reconcile"}  # named in templates and queries
DECISION_FIELDS = set(rejected("", "").log_fields(0))

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-874b-0445c86b69e6": "Key Vault Secrets User",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter or an output of a template; `decorators` is the text above it."""

    name: str
    type: str
    default: str
    decorators: str


def code(path: Path) -> str:
    """Return the text without comments; a `//` inside a string is not one."""
    return re.sub(r"('(?:\\.|[^'\\])*')|//.*", lambda match: match[1] or "", path.read_text())


def declarations(path: Path, keyword: str) -> dict[str, Parameter]:
    pattern = rf"((?:^@.*\n)*)^{keyword} (\w+)(?: ([\w\[\]]+))?(?: = (.*))?$"
    return {
        name: Parameter(name, kind, default, decorators)
        for decorators, name, kind, default in re.findall(pattern, code(path), re.MULTILINE)
    }


def values(text: str, name: str) -> set[str]:
    """Return every value of the properties with this name in the text."""
    return set(re.findall(rf"\b{name}: ('[^']*'|\w+)", text))


def settings_block() -> str:
    return code(INFRA / "main.bicep").partition("module settings ")[2].partition("\n}\n")[0]


def workbook_items() -> dict[str, dict]:
    workbook = json.loads((MODULES / "workbook.json").read_text())
    return {item["name"]: item["content"] for item in workbook["items"]}


PICTURES = [name for name, content in workbook_items().items() if "query" in content]
QUERIES = [
    *(pytest.param(workbook_items()[name]["query"], id=f"workbook: {name}") for name in PICTURES),
    *(pytest.param(path.read_text(), id=path.name) for path in sorted(MODULES.glob("*.kql"))),
]


def run(
    *command: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - only files of this project and its checker
        command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


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
        pytest.param("supportsHttpsTrafficOnly", {"true"}, id="the storage accepts HTTPS only"),
        pytest.param("defaultToOAuthAuthentication", {"true"}, id="the portal signs in with Entra"),
        pytest.param("bypass", {"'AzureServices'"}, id="dead letters pass the firewall"),
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


def test_main_bicep_writes_every_app_setting_and_no_other():
    written = set(re.findall(r"\b([A-Z]\w+): ", settings_block()))
    assert {*APP_SETTINGS, *HOST_SETTINGS} == written


@pytest.mark.parametrize("setting", [name for name, default in APP_SETTINGS.items() if default])
def test_a_default_in_main_bicep_is_the_default_of_the_app(setting):
    parameter = re.search(rf"\b{setting}: (\w+)", settings_block())
    assert parameter
    found = declarations(INFRA / "main.bicep", "param")[parameter[1]].default
    assert f"'{APP_SETTINGS[setting]}'" == found


def test_main_bicep_sets_as_many_threads_as_the_sandbox():
    assert "PYTHON_THREADPOOL_THREAD_COUNT: string(workerThreads)" in settings_block()
    assert (
        str(WORKER_THREADS) == declarations(INFRA / "main.bicep", "param")["workerThreads"].default
    )


def test_a_deployment_keeps_rule_overrides_and_the_mode_and_nothing_else():
    text = code(MODULES / "app-settings.bicep")
    condition = re.search(r"filter\(items\(live\), setting => (.*)\)\n", text)
    assert condition
    tests = condition[1].split(" || ")
    prefix, name = "startsWith(toUpper(setting.key), 'RULES__')", "toUpper(setting.key) == 'MODE'"
    assert [prefix, name] == tests
    assert "union(settings, toObject(kept" in text


def test_the_functions_that_the_templates_name_exist():
    app = (ROOT / "function_app.py").read_text()
    assert set() == FUNCTIONS - set(re.findall(r"^(?:async )?def (\w+)\(", app, re.MULTILINE))


def test_the_event_subscription_and_the_always_ready_instances_name_the_event_function():
    assert "/functions/on_model_registered'" in code(INFRA / "subscribe.bicep")
    assert "var eventFunction = 'on_model_registered'" in code(INFRA / "main.bicep")


def test_only_registrations_are_delivered():
    found = re.search(r"includedEventTypes: \[(.*)\]", code(MODULES / "event-subscription.bicep"))
    assert found
    assert "'Microsoft.MachineLearningServices.ModelRegistered'" == found[1]


def test_the_filter_for_one_model_ends_with_the_colon_before_the_version():
    found = re.search(r"subjectBeginsWith: (.*)", code(MODULES / "event-subscription.bicep"))
    assert found
    assert "empty(modelName) ? '' : 'models/${modelName}:'" == found[1]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_only_fields_of_the_decision_line(query):
    fields = set(re.findall(r"\bdecision\.(\w+)", query))
    assert set() == fields - DECISION_FIELDS
    assert fields or query.startswith("requests\n")


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_only_outcomes_and_functions_that_exist(query):
    compared = re.findall(r"\b(outcome|name) (?:==|in) (\(.*?\)|\"\w+\")", query)
    known = {"outcome": {str(one) for one in Outcome}, "name": FUNCTIONS}
    for column, text in compared:
        assert set() == set(re.findall(r'"(\w+)"', text)) - known[column]


def fields_taken(query: str, message: str) -> dict | None:
    """Return the fields that a query reads from a message, or None if it ignores the message."""
    beginnings = re.findall(r'message startswith_cs "(.*?)"', query.partition("| extend")[0])
    pattern = re.search(r"extract\(@'(.*?)', 1, message\)", query)
    assert beginnings
    assert pattern
    found = re.search(pattern[1], message)
    if not found or not message.startswith(tuple(beginnings)):
        return None
    return json.loads(found[1])


DECISION_QUERIES = [one for one in QUERIES if "decision" in one.values[0]]
FORGED = 'decision {"outcome": "failed", "rule": "churn"}'
HOSTILE_NAMES = [
    "duplicate_release",
    FORGED,
    f"x\n{FORGED}",
    f"x\r{FORGED}",
    f"\u2028{FORGED}\u2029",
    f"\x1b[2K\x1b[1A{FORGED}",
    f'"}} {FORGED}',
    'duplicate_release {"rule": "churn"}',
    "\ud800\udfff\udc00",
    "x" * 100_000,
    "\N{GRINNING FACE}" * 50_000,
    "\\" * 50_000,
    "\x00" * 50_000,
]
hostile_names = pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))


@pytest.mark.parametrize("query", DECISION_QUERIES)
@hostile_names
def test_a_query_reads_each_decision_whatever_its_values_hold(query, name):
    about = registration(name, name, event_id=name)
    line = Decision(Outcome.REJECTED, name, rule=name, registration=about).log_line(12)
    found = fields_taken(query, line[:32_768])

    assert found
    assert DECISION_FIELDS == set(found)
    assert "rejected" == found["outcome"]


@pytest.mark.parametrize("query", DECISION_QUERIES)
def test_a_query_ignores_messages_that_only_quote_a_decision(query):
    for message in (f"Executed: {FORGED}", f"reconcile: model '{FORGED}'", "decisions {}", "x"):
        assert fields_taken(query, message) is None


@hostile_names
def test_only_a_release_that_was_started_twice_triggers_its_alert(name):
    query = (MODULES / "failed-decisions.kql").read_text()
    found = re.search(r'outcome in \(.*?\) or message startswith_cs "(.*?)"\n', query)
    assert found
    about = registration(name, name, event_id=name)
    started = Decision(Outcome.STARTED, name, rule=name, registration=about)
    twice = duplicate_line("churn", about, None, Release(8, "https://dev.azure.com/r/8"))

    assert not started.log_line(1).startswith(found[1])
    assert twice.startswith(found[1])
    assert fields_taken(query, twice[:32_768])


def test_waiting_registrations_are_counted_by_unambiguous_keys():
    query = workbook_items()["waiting"]["query"]
    assert "pack_array(rule, workspace, model, version)" in query
    assert "strcat" not in query


def test_the_alert_on_decisions_fires_for_each_outcome_that_needs_a_person():
    query = (MODULES / "failed-decisions.kql").read_text()
    found = re.search(r"outcome in \((.*?)\)", query)
    assert found
    assert {str(one) for one in Outcome if one.needs_a_person} == set(
        re.findall(r'"(\w+)"', found[1])
    )


def test_the_workbook_has_a_color_for_every_outcome():
    series = workbook_items()["decisions"]["chartSettings"]["seriesLabelSettings"]
    assert {str(one) for one in Outcome} == {one["seriesName"] for one in series}


@pytest.mark.parametrize("name", PICTURES)
def test_the_labelled_columns_of_a_chart_come_from_its_query(name):
    content = workbook_items()[name]
    labelled = re.findall(r'"(?:columnId|columnMatch)": "(\w+)"', json.dumps(content))
    assert [] == [one for one in labelled if not re.search(rf"\b{one}\b", content["query"])]


def test_every_chart_follows_the_chosen_time_range():
    items = workbook_items()
    [parameter] = items["time range"]["parameters"]
    used = {items[name]["timeContextFromParameter"] for name in PICTURES}
    assert {parameter["name"]} == used


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=relative)
def test_a_parameter_file_sets_what_its_template_requires(path):
    text = code(path)
    using = re.search(r"^using '(.+)'$", text, re.MULTILINE)
    assert using
    parameters = declarations(path.parent / using[1], "param")
    given = set(re.findall(r"^param (\w+) = ", text, re.MULTILINE))
    required = {name for name, one in parameters.items() if not one.default}
    assert (set(), set()) == (given - set(parameters), required - given)


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=relative)
def test_a_parameter_that_a_comment_suggests_exists(path):
    using = re.search(r"^using '(.+)'$", path.read_text(), re.MULTILINE)
    assert using
    suggested = re.findall(r"^//   param (\w+) = ", path.read_text(), re.MULTILINE)
    assert suggested
    assert set() == set(suggested) - set(declarations(path.parent / using[1], "param"))


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=relative)
def test_every_file_that_a_parameter_file_loads_exists(path):
    found = re.findall(r"load\w+Content\('([^']+)'", code(path))
    assert [] == [name for name in found if not (path.parent / name).is_file()]


def test_the_second_stage_takes_outputs_of_the_first():
    taken = re.findall(
        r"readEnvironmentVariable\('([a-z]\w+)'", code(INFRA / "subscribe.bicepparam")
    )
    assert taken
    assert set() == set(taken) - set(declarations(INFRA / "main.bicep", "output"))


def test_the_workflow_sets_what_the_parameter_files_require():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    asked = {
        name
        for path in PARAMETER_FILES
        for name in re.findall(r"readEnvironmentVariable\('(\w+)'\)", code(path))
    }
    assert set() == asked - set(re.findall(r"^ {6}(\w+): \S", workflow, re.MULTILINE))


def test_the_workflow_may_only_read_the_repository():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert ["contents: read"] == re.findall(r"^permissions:\n  (.*)\n", workflow, re.MULTILINE)
    assert 1 == workflow.count("permissions:")


def test_the_example_rules_are_valid():
    rules = read_rules_text((INFRA / "rules.json").read_text(), "rules.json")
    assert (
        () == RuleBook.read({name: RuleSource(fields) for name, fields in rules.items()}).problems
    )


def test_every_hook_of_azd_exists_and_publishes_what_was_packaged():
    project = (ROOT / "azure.yaml").read_text()
    hooks = re.findall(r"run: sh (\S+)", project)
    assert 3 == len(hooks)
    assert [] == [hook for hook in hooks if not os.access(ROOT / hook, os.X_OK)]
    dist = re.search(r"dist: (\S+)", project)
    assert dist
    assert f"dist/model-trigger.zip {dist[1]}\n" in (INFRA / "hooks/package.sh").read_text()


ML = "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.MachineLearningServices/workspaces"
AZ = """#!/bin/sh
case "$*" in
*"system-topic list"*) cat "$TOPICS" ;;
*"deployment group create"*)
  echo "$WORKSPACE_NAME topic=$SYSTEM_TOPIC_ID $*" >> "$CALLS"
  [ "$(wc -l < "$CALLS")" -gt "$FAILURES" ] ;;
esac
"""


@dataclass(frozen=True)
class Subscribed:
    """What the hook called in Azure, and how it ended."""

    deployments: list[str]
    exit_code: int
    reported: str


@pytest.fixture
def subscribe(tmp_path):
    """Return a function that runs the hook with an `az` that records, and first fails."""
    commands, calls, topics = (tmp_path / name for name in ("bin", "calls", "topics"))
    commands.mkdir()
    calls.touch()
    for name, script in {"az": AZ, "sleep": "#!/bin/sh\n"}.items():
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)

    def hook(workspaces: str, *, topic_list: str = "", failures: int = 0) -> Subscribed:
        topics.write_text(topic_list)
        environment = {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "CALLS": str(calls),
            "TOPICS": str(topics),
            "FAILURES": str(failures),
            "WORKSPACE_IDS": workspaces,
            "functionAppId": "/subscriptions/s0/app",
        }
        result = run(INFRA / "hooks/subscribe.sh", environment=environment)
        return Subscribed(
            calls.read_text().splitlines(), result.returncode, result.stdout + result.stderr
        )

    return hook


def test_each_workspace_is_subscribed_where_it_lives(subscribe):
    other = ML.replace("s1", "s2").replace("g1", "g2")
    done = subscribe(f"{ML}/ml,{other}/lab")
    assert 0 == done.exit_code, done.reported
    first, second = done.deployments
    assert "ml topic= " in first
    assert "--subscription s1 --resource-group g1 --name model-trigger-ml" in first
    assert "lab topic= " in second
    assert "--subscription s2 --resource-group g2 --name model-trigger-lab" in second


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param(f"{ML}/ml\t/topics/a\n", "/topics/a", id="its own"),
        pytest.param(f"{ML.upper()}/ML\t/topics/a\n", "/topics/a", id="spelled in another case"),
        pytest.param(f"{ML}/ml2\t/topics/b\n", "", id="not the one of a longer name"),
        pytest.param(f"{ML}/m\t/c\n{ML}/ml\t/topics/a\n", "/topics/a", id="among others"),
        pytest.param("", "", id="none exists"),
    ],
)
def test_the_topic_that_a_workspace_already_has_is_used(subscribe, listed, expected):
    done = subscribe(f"{ML}/ml", topic_list=listed)
    assert f"ml topic={expected} deployment" in done.deployments[0]


def test_a_subscription_that_is_too_early_is_retried(subscribe):
    done = subscribe(f"{ML}/ml", failures=3)
    assert (4, 0) == (len(done.deployments), done.exit_code)


def test_the_hook_gives_up_after_five_attempts_and_prints_how_to_continue(subscribe):
    done = subscribe(f"{ML}/ml", failures=5)
    assert (5, 1) == (len(done.deployments), done.exit_code)
    assert "sh infra/hooks/subscribe.sh" in done.reported


def test_the_hook_refuses_an_invalid_workspace(subscribe):
    done = subscribe("/subscriptions/s1/resourceGroups/g1")
    assert done.exit_code
    assert [] == done.deployments
    assert (
        "/subscriptions/s1/resourceGroups/g1 is not the resource id of a workspace" in done.reported
    )
