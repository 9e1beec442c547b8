"""The templates give the app what it reads, and name what it has."""

import re
from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from model_trigger.settings import Settings, reconcile_schedule
from tests.sandbox.host.server import WORKER_THREADS
from tests.sandbox.processes import ROOT
from tests.support.bicep import FUNCTIONS, INFRA, MODULES, code, declarations, settings_block

# Written by Azure, or an alternative to the identity that Bicep gives to the app.
NOT_WRITTEN = {"AzureWebJobsStorage", "AzureWebJobsStorage__tableServiceUri", "IDENTITY_ENDPOINT"}


def written_default(default):
    """Write a default as an app setting holds it; None where there is none."""
    if isinstance(default, timedelta):
        return TypeAdapter(timedelta).dump_json(default).decode().strip('"')
    return str(default) if default and not isinstance(default, tuple) else None


# What the app reads, and its defaults.
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


def test_main_bicep_writes_every_app_setting_and_no_other():
    written = set(re.findall(r"\b([A-Z]\w+): ", settings_block()))
    assert {*APP_SETTINGS, *HOST_SETTINGS} == written


@pytest.mark.parametrize("setting", [name for name, default in APP_SETTINGS.items() if default])
def test_a_default_in_main_bicep_is_the_default_of_the_app(setting):
    parameter = re.search(rf"\b{setting}: (\w+)", settings_block())
    assert parameter
    found = declarations(INFRA / "main.bicep", "param")[parameter[1]].default
    assert f"'{APP_SETTINGS[setting]}'" == found


def test_main_bicep_gives_the_app_as_many_threads_as_the_sandbox_does():
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
