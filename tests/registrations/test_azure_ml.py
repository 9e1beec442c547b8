"""Models and versions are listed by the real azure-ai-ml client, over TLS, from the stand-in."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError

from model_trigger.deadline import Deadline
from model_trigger.registrations.azure_ml import AzureMachineLearning
from model_trigger.registrations.listing import AzureMLError, ModelSummary, WorkspaceAccessError
from model_trigger.registrations.registration import Registration, Workspace
from tests.sandbox.azure_ml.stand_in import AzureMachineLearning as Sandbox
from tests.sandbox.azure_ml.workspaces import WORKSPACE
from tests.sandbox.credentials import StaticCredential
from tests.sandbox.processes import ROOT, Child

NOON = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
FABRIKAM = Workspace.parse(WORKSPACE)
CONTOSO = Workspace.parse(WORKSPACE.replace("/fabrikam", "/contoso"))


class Clock:
    """A clock that advances only during pauses, which it records."""

    def __init__(self):
        self.pauses = []

    def __call__(self):
        return sum(self.pauses)

    def deadline(self, seconds=25.0):
        return Deadline(seconds, self, self.pauses.append)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox((FABRIKAM.id, CONTOSO.id), page_size=2, clock=lambda: NOON) as sandbox:
        for name, value in sandbox.settings.items():
            monkeypatch.setenv(name, value)
        # The client sets this variable itself, so restore it.
        monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")
        yield sandbox


@pytest.fixture
def azure_ml():
    return AzureMachineLearning(StaticCredential)


@pytest.fixture
def timeouts(sandbox, monkeypatch):
    """Record the timeouts of requests: seconds to connect, seconds to read."""
    sent = []
    send = requests.Session.request

    def note(session, *arguments, timeout, **options):
        sent.append(timeout)
        return send(session, *arguments, timeout=timeout, **options)

    monkeypatch.setattr(requests.Session, "request", note)
    return sent


def days_after_noon(days):
    return NOON + timedelta(days=days)


def test_each_model_is_listed_with_its_latest_version_and_modification_time(
    sandbox, azure_ml, clock
):
    sandbox.register("churn", "6")
    sandbox.register("churn", "7", created=days_after_noon(2))
    sandbox.register("fraud", created=days_after_noon(1))
    sandbox.register("scoring", created=days_after_noon(-1))

    expected = [
        ModelSummary("fraud", "1", days_after_noon(1)),
        ModelSummary("churn", "7", NOON),
        ModelSummary("scoring", "1", days_after_noon(-1)),
    ]
    assert expected == list(azure_ml.models(FABRIKAM, clock.deadline()))


def test_each_version_is_listed_as_a_registration_found_by_reconcile(sandbox, azure_ml, clock):
    tags = {"Stage": "prod", "GITHUB_REPOSITORY": "fabrikam/churn"}
    sandbox.register("churn", "17", tags=tags, properties={"auc": "0.93"})

    expected = Registration(
        workspace=FABRIKAM,
        model="churn",
        version="17",
        tags=tags,
        properties={"auc": "0.93"},
        registered_at=NOON,
        event_id="",
        source="reconcile",
    )
    listed = list(azure_ml.versions(FABRIKAM, "churn", clock.deadline()))
    assert [expected] == listed
    assert UTC == listed[0].registered_at.tzinfo


def test_a_tag_without_a_value_is_an_empty_text(sandbox, azure_ml, clock):
    sandbox.register("churn", tags={"approved": None})
    (listed,) = azure_ml.versions(FABRIKAM, "churn", clock.deadline())
    assert {"approved": ""} == listed.tags


def test_an_archived_version_is_not_listed(sandbox, azure_ml, clock):
    for _ in range(3):
        sandbox.register("churn")
    sandbox.archive("churn", "2")
    listed = azure_ml.versions(FABRIKAM, "churn", clock.deadline())
    assert {"1", "3"} == {registration.version for registration in listed}


def test_an_archived_model_is_not_listed(sandbox, azure_ml, clock):
    sandbox.register("churn")
    sandbox.register("fraud")
    sandbox.archive("fraud")
    listed = azure_ml.models(FABRIKAM, clock.deadline())
    assert ["churn"] == [model.name for model in listed]


@pytest.mark.parametrize(
    ("count", "requests"),
    [
        pytest.param(0, 1, id="nothing"),
        pytest.param(2, 1, id="one full page"),
        pytest.param(3, 2, id="a second page"),
        pytest.param(9, 5, id="many pages"),
    ],
)
def test_a_list_is_read_to_its_last_page_with_one_request_per_page(
    sandbox, azure_ml, clock, count, requests
):
    names = {f"model-{number}" for number in range(count)}
    for name in names:
        sandbox.register(name)
    listed = [model.name for model in azure_ml.models(FABRIKAM, clock.deadline())]
    assert sorted(names) == sorted(listed)
    assert requests == len(sandbox.requests)


def test_a_page_is_fetched_when_it_is_reached(sandbox, azure_ml, clock):
    for _ in range(5):
        sandbox.register("churn")
    versions = azure_ml.versions(FABRIKAM, "churn", clock.deadline())
    assert [] == sandbox.requests
    list(islice(versions, 2))
    assert 1 == len(sandbox.requests)
    list(islice(versions, 1))
    assert 2 == len(sandbox.requests)


def test_a_model_is_requested_by_its_name_whatever_the_name_contains(sandbox, azure_ml, clock):
    sandbox.register("churn v1.2 (café)")
    (listed,) = azure_ml.versions(FABRIKAM, "churn v1.2 (café)", clock.deadline())
    assert "churn v1.2 (café)" == listed.model


@pytest.mark.parametrize(
    ("status", "reported"),
    [
        pytest.param(403, "workspaces/models/versions/read", id="which actions to grant"),
        pytest.param(403, "infra/subscribe.bicep", id="which template grants them"),
        pytest.param(401, "managed identity", id="that the app needs an identity"),
        pytest.param(404, "WORKSPACES", id="that the setting names no workspace"),
        pytest.param(400, "HTTP 400", id="Azure's message"),
    ],
)
def test_a_refusal_is_reported_immediately_with_what_to_do(
    sandbox, azure_ml, clock, status, reported
):
    sandbox.fault("error", status=status)
    with pytest.raises(WorkspaceAccessError, match=reported) as refusal:
        list(azure_ml.models(FABRIKAM, clock.deadline()))
    assert FABRIKAM.id in str(refusal.value)
    assert [] == clock.pauses


def test_a_workspace_that_does_not_exist_needs_a_person(sandbox, azure_ml, clock):
    missing = Workspace.parse(f"{WORKSPACE}-2")
    with pytest.raises(WorkspaceAccessError, match=r"workspaces/fabrikam-2.*was not found"):
        list(azure_ml.models(missing, clock.deadline()))


def test_a_model_that_does_not_exist_is_named(sandbox, azure_ml, clock):
    with pytest.raises(WorkspaceAccessError, match="the versions of model 'churn' in workspace /"):
        list(azure_ml.versions(FABRIKAM, "churn", clock.deadline()))


def test_a_missing_token_needs_a_person(sandbox, clock):
    class NoIdentity:
        def get_token(self, *_scopes, **_options):
            message = "no managed identity endpoint found"
            raise ClientAuthenticationError(message)

    with pytest.raises(WorkspaceAccessError, match="no managed identity endpoint found"):
        list(AzureMachineLearning(NoIdentity).models(FABRIKAM, clock.deadline()))


@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        pytest.param({"kind": "error", "status": 500}, [0.5], id="HTTP 500"),
        pytest.param({"kind": "error", "status": 503, "times": 2}, [0.5, 2.0], id="503 twice"),
        pytest.param({"kind": "error", "status": 408}, [0.5], id="HTTP 408"),
        pytest.param({"kind": "error", "status": 429}, [0.5], id="HTTP 429"),
        pytest.param(
            {"kind": "error", "status": 429, "retry_after": 7}, [7.0], id="429 with Retry-After"
        ),
        pytest.param({"kind": "reset"}, [0.5], id="a connection that is reset"),
        pytest.param({"kind": "close"}, [0.5], id="a connection that is closed"),
        pytest.param({"kind": "truncated"}, [0.5], id="half a response"),
    ],
)
def test_a_temporary_fault_is_retried_and_nothing_is_lost_or_listed_twice(
    sandbox, azure_ml, clock, fault, pauses
):
    for _ in range(5):
        sandbox.register("churn")
    versions = azure_ml.versions(FABRIKAM, "churn", clock.deadline())
    listed = list(islice(versions, 2))
    sandbox.fault(**fault)
    listed += versions
    assert ["1", "2", "3", "4", "5"] == sorted(registration.version for registration in listed)
    assert pauses == clock.pauses


def test_the_first_page_is_retried_too(sandbox, azure_ml, clock):
    sandbox.register("churn")
    sandbox.fault("error", status=503)
    assert ["churn"] == [model.name for model in azure_ml.models(FABRIKAM, clock.deadline())]


@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        pytest.param(
            {"kind": "error", "status": 503, "times": None},
            [0.5, 2.0],
            id="HTTP 503 again and again",
        ),
        pytest.param(
            {"kind": "error", "status": 429, "retry_after": 600}, [], id="a pause that is too long"
        ),
        pytest.param({"kind": "reset", "times": None}, [0.5, 2.0], id="every connection reset"),
        pytest.param({"kind": "empty"}, [], id="an empty response"),
        pytest.param({"kind": "garbage"}, [], id="a response that is not JSON"),
        pytest.param({"kind": "sign-in page", "status": 200}, [], id="a page instead of JSON"),
        pytest.param({"kind": "redirect"}, [], id="a redirect, which is not followed"),
    ],
)
def test_a_temporary_fault_that_persists_is_reported_as_temporary(
    sandbox, azure_ml, clock, fault, pauses
):
    sandbox.fault(**fault)
    with pytest.raises(AzureMLError, match=f"could not list the models in workspace {WORKSPACE}"):
        list(azure_ml.models(FABRIKAM, clock.deadline()))
    assert pauses == clock.pauses


def test_without_time_no_request_is_sent(sandbox, azure_ml, clock):
    with pytest.raises(AzureMLError, match="ran out of time"):
        list(azure_ml.models(FABRIKAM, clock.deadline(0.5)))
    assert [] == sandbox.requests


@pytest.mark.parametrize(
    ("left", "limits"),
    [
        pytest.param(25.0, (5.0, 10.0), id="the maximum for a call"),
        pytest.param(14.0, (5.0, 7.0), id="half of the time left to read"),
        pytest.param(4.0, (2.0, 2.0), id="half of the time left for each"),
    ],
)
def test_connect_and_read_timeouts_together_fit_in_the_time_left(
    azure_ml, clock, timeouts, left, limits
):
    list(azure_ml.models(FABRIKAM, clock.deadline(left)))
    assert [limits] == timeouts


def test_an_unresponsive_service_times_out(sandbox, azure_ml):
    list(azure_ml.models(FABRIKAM, Clock().deadline()))  # the imports take a while
    sandbox.fault("hang", seconds=600, times=None)
    deadline = Deadline(time.monotonic() + 10, time.monotonic, time.sleep)
    with pytest.raises(AzureMLError, match="timed out"):
        list(azure_ml.models(FABRIKAM, deadline))


def test_threads_share_the_clients_and_each_gets_its_own_list(sandbox):
    credentials = []

    def credential():
        credentials.append(StaticCredential())
        return credentials[-1]

    azure_ml = AzureMachineLearning(credential)
    for workspace in (FABRIKAM, CONTOSO):
        for number in range(5):
            sandbox.register(f"{workspace.name}-{number}", workspace=workspace.id)

    def names(workspace):
        return {model.name for model in azure_ml.models(workspace, Clock().deadline())}

    with ThreadPoolExecutor(8) as threads:
        listed = list(threads.map(names, [FABRIKAM, CONTOSO] * 8))
    expected = [{f"{one.name}-{number}" for number in range(5)} for one in (FABRIKAM, CONTOSO)]
    assert expected * 8 == listed
    assert 1 == len(credentials)


def test_a_token_is_fetched_once_for_a_workspace_and_for_azure_resource_manager(sandbox, clock):
    credential = StaticCredential()
    azure_ml = AzureMachineLearning(lambda: credential)
    sandbox.register("churn")
    list(azure_ml.models(FABRIKAM, clock.deadline()))
    list(azure_ml.versions(FABRIKAM, "churn", clock.deadline()))
    assert ["https://management.azure.com/.default"] == credential.scopes


def printed(script, settings):
    """Run a script in a new process, and return the lines it printed to either stream."""
    with Child([sys.executable, "-c", script], settings, ROOT) as child:
        assert 0 == child.wait(), child.lines
        return child.lines


def test_the_client_is_not_imported_before_a_list_is_read():
    script = """
import sys, time
from model_trigger.registrations.azure_ml import AzureMachineLearning
from model_trigger.deadline import Deadline
AzureMachineLearning(None).models(None, Deadline(1, time.monotonic, time.sleep))
print([name for name in sys.modules if name.startswith("azure.ai")])
"""
    assert ["[]"] == printed(script, {})


def test_the_client_prints_nothing_by_itself(sandbox):
    sandbox.register("churn")
    script = f"""
import logging, time
from model_trigger.registrations.azure_ml import AzureMachineLearning
from model_trigger.deadline import Deadline
from model_trigger.registrations.registration import Workspace
from tests.sandbox.credentials import StaticCredential
deadline = Deadline(time.monotonic() + 25, time.monotonic, time.sleep)
azure_ml = AzureMachineLearning(StaticCredential)
models = list(azure_ml.models(Workspace.parse({WORKSPACE!r}), deadline))
logging.getLogger("azure.ai.ml.entities").warning("this class is experimental")
print(len(models))
"""
    assert ["1"] == printed(script, sandbox.settings)


def test_a_password_from_netrc_does_not_replace_the_token(
    sandbox, azure_ml, clock, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text("default login me password from-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sandbox.register("churn", "17")
    list(azure_ml.models(FABRIKAM, clock.deadline()))

    assert "Bearer static" == sandbox.requests[-1].headers["authorization"]
