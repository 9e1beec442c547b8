"""The real function app in the sandbox's host: real worker library, storage, client, sockets."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.processes import ROOT, HostProcess
from tests.support.build import event

RULES = {"churn": {"model": "churn", "version": ">=10", "release": {"definition": 1}}}


@pytest.fixture(name="settings")
def _settings(settings_for):
    return settings_for(RULES)


def test_the_app_is_indexed_without_a_single_setting():
    with HostProcess({}) as host:
        listed = json.loads(host.request("GET", "/admin/functions").body)

    assert "on_model_registered" in {function["name"] for function in listed}


def test_a_missing_setting_is_reported_by_the_function_that_needs_it():
    with HostProcess({}) as host:
        answer = host.deliver([event(17)])

    assert 500 == answer.status
    assert "no storage for the ledger: set AzureWebJobsStorage" in answer.body


def test_the_triggers_import_no_azure_devops_and_no_azure_ml():
    code = "import sys, function_app; print([n for n in sys.modules if n.startswith('azure.')])"
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, cwd=ROOT, text=True)  # noqa: S603 (our own command)

    for name in ("azure.devops", "azure.ai", "azure.identity", "azure.eventgrid"):
        assert f"'{name}" not in printed


def test_thirty_two_concurrent_deliveries_start_one_release(settings, azure_devops):
    with HostProcess(settings) as host, ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: host.deliver([event(17)]), range(32)))
        outcomes = [each["outcome"] for each in host.decisions(32)]

    assert {202} == {answer.status for answer in answers}
    assert ["duplicate"] * 31 + ["started"] == sorted(outcomes)
    assert 1 == len(azure_devops.releases)


def test_every_event_of_a_batch_is_decided(settings, azure_devops):
    with HostProcess(settings) as host:
        host.deliver([event(version) for version in (9, 10)])

        assert {"not_matched", "started"} == {each["outcome"] for each in host.decisions(2)}


def test_a_pending_decision_is_an_error_to_event_grid(settings, azure_devops):
    azure_devops.fault("error", status=429)
    with HostProcess(settings) as host:
        first, second = host.deliver([event(17)]), host.deliver([event(17)])

    assert (500, 202) == (first.status, second.status)
    assert "Azure DevOps is throttling" in first.body


def test_one_app_setting_changes_one_filter(settings, azure_devops):
    with HostProcess({**settings, "RULES__churn__version": ">=20"}) as host:
        host.deliver([event(17)])
        host.deliver([event(20)])

        assert ["not_matched", "started"] == [each["outcome"] for each in host.decisions(2)]


def test_every_event_waits_while_the_rules_are_not_json(settings):
    with HostProcess({**settings, "RULES": "{"}) as host:
        answer = host.deliver([event(17)])

    assert 500 == answer.status
    assert "RULES is not JSON" in answer.body


def test_a_killed_app_continues_where_it_stopped(settings, azure_devops):
    azure_devops.fault("hang", commit=True, seconds=600)
    with HostProcess(settings) as host, ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(host.deliver, [event(17)])
        while not azure_devops.releases:
            time.sleep(0.01)
        host.kill()
    assert isinstance(delivery.exception(), OSError)
    with HostProcess({**settings, "CLAIM_LEASE": "PT4S"}) as host:
        host.deliver([event(17)])

        assert "duplicate" == host.decisions(1)[0]["outcome"]
    assert 1 == len(azure_devops.releases)
