"""The stand-in for Azure ML serves the real azure-ai-ml client, and refuses what it should."""

import importlib
import json
import ssl
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from tests.sandbox.azure_ml.stand_in import AzureMachineLearning
from tests.sandbox.azure_ml.workspaces import WORKSPACE
from tests.sandbox.credentials import StaticCredential
from tests.sandbox.processes import ROOT, Child

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODELS = f"{WORKSPACE}/models?api-version=2023-08-01-preview"
TOKEN = {"Authorization": "Bearer static"}


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def move(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def azure_ml(clock, monkeypatch):
    with AzureMachineLearning(page_size=2, clock=clock) as stand_in:
        use(monkeypatch, stand_in.settings)
        yield stand_in


def use(monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    # The client sets this variable itself, so restore it.
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")


def client(workspace=WORKSPACE, credential=None):
    parts = workspace.split("/")
    return importlib.import_module("azure.ai.ml").MLClient(
        credential or StaticCredential(),
        parts[2],
        parts[4],
        parts[8],
        enable_telemetry=False,
        retry_total=0,
    )


def view_type(name):
    return importlib.import_module("azure.ai.ml.constants").ListViewType[name]


def get(azure_ml, path, headers):
    """Send a request to the stand-in over TLS, without the client; return its status and JSON."""
    context = ssl.create_default_context(cafile=azure_ml.settings["REQUESTS_CA_BUNDLE"])
    connection = HTTPSConnection("127.0.0.1", azure_ml.port, timeout=30, context=context)
    return answered(connection, "GET", path, None, headers)


def control(url, path, body=None, method=None, headers=None):
    """Send a request to the stand-in over plain HTTP; return its status and JSON."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    data = None if body is None else json.dumps(body)
    return answered(connection, method or ("POST" if data else "GET"), path, data, headers or {})


def answered(connection, method, path, data, headers):
    with closing(connection):
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_the_label_latest_is_the_version_that_was_created_last_not_the_highest(azure_ml):
    azure_ml.register("churn", "9", created=NOON)
    azure_ml.register("churn", "3", created=NOON + timedelta(hours=1))
    assert "3" == client().models.get("churn", label="latest").version


def test_a_version_is_read_with_its_tags(azure_ml):
    azure_ml.register("churn", "17", tags={"Stage": "prod"}, properties={"auc": "0.9"})
    read = client().models.get("churn", "17")
    assert ("17", {"Stage": "prod"}, {"auc": "0.9"}) == (read.version, read.tags, read.properties)


@pytest.mark.parametrize(
    ("view", "versions"),
    [
        pytest.param("ACTIVE_ONLY", ["3", "1"], id="the active ones"),
        pytest.param("ARCHIVED_ONLY", ["2"], id="the archived ones"),
        pytest.param("ALL", ["3", "2", "1"], id="all"),
    ],
)
def test_a_list_shows_what_its_view_type_selects_newest_first(azure_ml, clock, view, versions):
    for _ in range(3):
        azure_ml.register("churn")
        clock.move(minutes=1)
    azure_ml.archive("churn", "2")
    listed = client().models.list("churn", list_view_type=view_type(view))
    assert versions == [version.version for version in listed]


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        pytest.param("$top=1", ["3"], id="the newest"),
        pytest.param("$top=1&$orderBy=createdtime%20asc", ["1"], id="the oldest"),
        pytest.param("$orderBy=createdtime%20asc&$skip=1", ["2", "3"], id="all except the oldest"),
    ],
)
def test_a_list_is_ordered_and_limited_as_requested(azure_ml, clock, query, versions):
    for _ in range(3):
        azure_ml.register("churn")
        clock.move(minutes=1)
    _, page = get(
        azure_ml, MODELS.replace("/models", "/models/churn/versions") + f"&{query}", TOKEN
    )
    assert versions == [version["name"] for version in page["value"]]


def test_an_archived_model_leaves_the_list_of_active_ones(azure_ml):
    azure_ml.register("churn")
    azure_ml.archive("churn")
    assert [] == list(client().models.list())
    (archived,) = client().models.list(list_view_type=view_type("ARCHIVED_ONLY"))
    assert "churn" == archived.name


def test_a_registered_version_is_the_model_s_latest_and_keeps_its_modification_time(
    azure_ml, clock
):
    azure_ml.register("churn")
    clock.move(hours=1)
    azure_ml.register("churn")
    (listed,) = client().models.list()
    assert ("2", NOON) == (listed.latest_version, listed.creation_context.last_modified_at)


def test_registering_a_version_again_changes_only_its_tags(azure_ml, clock):
    azure_ml.register("churn", "1", tags={"stage": "test"})
    clock.move(hours=1)
    azure_ml.register("churn", "1", tags={"stage": "prod"})
    (listed,) = client().models.list("churn")
    assert ({"stage": "prod"}, NOON) == (listed.tags, listed.creation_context.created_at)


def test_a_version_without_a_number_gets_the_one_after_the_highest(azure_ml):
    azure_ml.register("churn", "41")
    azure_ml.register("churn", "7")
    assert "42" == azure_ml.register("churn")


def test_what_does_not_exist_cannot_be_archived(azure_ml):
    azure_ml.register("churn", "1")
    with pytest.raises(ValueError, match="no model 'churn' with version '2'"):
        azure_ml.archive("churn", "2")


def test_the_list_of_versions_may_lag_behind_a_registration(clock, monkeypatch):
    with AzureMachineLearning(list_lag=30, clock=clock) as azure_ml:
        use(monkeypatch, azure_ml.settings)
        azure_ml.register("churn", "1")
        clock.move(seconds=31)
        azure_ml.register("churn", "2")
        ml = client()
        assert ["1"] == [version.version for version in ml.models.list("churn")]
        assert ["2"] == [model.latest_version for model in ml.models.list()]
        assert "2" == ml.models.get("churn", "2").version
        clock.move(seconds=31)
        assert ["2", "1"] == [version.version for version in ml.models.list("churn")]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        pytest.param(MODELS, {}, 401, "AuthenticationFailed", id="no token"),
        pytest.param(
            f"{WORKSPACE}/models", TOKEN, 400, "MissingApiVersionParameter", id="no api-version"
        ),
        pytest.param(
            f"{MODELS}&listViewType=Some", TOKEN, 400, "UserError", id="an unknown view type"
        ),
        pytest.param(
            MODELS.replace("/models", "2/models"), TOKEN, 404, "ResourceNotFound", id="workspace"
        ),
        pytest.param(
            MODELS.replace("/models", "/models/churn"), TOKEN, 404, "UserError", id="model"
        ),
        pytest.param(
            MODELS.replace("/models", "/models/fraud/versions/2"),
            TOKEN,
            404,
            "UserError",
            id="version",
        ),
        pytest.param(
            MODELS.replace("/models", "/environments"), TOKEN, 404, "NotFound", id="another asset"
        ),
    ],
)
def test_a_request_that_azure_refuses_is_refused_with_the_same_message(
    azure_ml, path, headers, status, code
):
    azure_ml.register("fraud", "1")
    answered, body = get(azure_ml, path, headers)
    assert (status, code) == (answered, body["error"]["code"])


def test_resource_ids_are_case_insensitive(azure_ml):
    azure_ml.register("churn")
    status, body = get(azure_ml, MODELS.replace("resourceGroups", "RESOURCEGROUPS"), TOKEN)
    assert (200, 1) == (status, len(body["value"]))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(403, "AuthorizationFailed", id="forbidden"),
        pytest.param(429, "TooManyRequests", id="throttled"),
        pytest.param(500, "InternalServerError", id="broken"),
        pytest.param(503, "ServiceUnavailable", id="unavailable"),
    ],
)
def test_an_injected_error_occurs_once_with_its_code_and_headers(azure_ml, status, code):
    azure_ml.fault("error", status=status, retry_after=9)
    ml = client()
    with pytest.raises(HttpResponseError) as raised:
        list(ml.models.list())
    assert (status, code) == (raised.value.status_code, raised.value.error.code)
    assert "9" == raised.value.response.headers["Retry-After"]
    assert [] == list(ml.models.list())


def test_requests_are_remembered_in_order(azure_ml):
    for _ in range(3):
        azure_ml.register("churn")
    list(client().models.list("churn"))
    assert [None, "2"] == [request.query.get("$skip") for request in azure_ml.requests]


def test_a_client_that_does_not_trust_the_certificate_is_not_served(azure_ml, monkeypatch, capfd):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ServiceRequestError, match="CERTIFICATE_VERIFY_FAILED"):
        list(client().models.list())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure_ml.settings["REQUESTS_CA_BUNDLE"])
    assert [] == list(client().models.list())
    assert "" == capfd.readouterr().err


def test_it_can_be_stopped_and_started_again_at_the_same_addresses(azure_ml):
    azure_ml.register("churn")
    addresses = azure_ml.url, azure_ml.control_url
    azure_ml.stop()
    azure_ml.start()
    assert addresses == (azure_ml.url, azure_ml.control_url)
    assert 200 == get(azure_ml, MODELS, TOKEN)[0]


def test_it_leaves_no_certificate_behind():
    with AzureMachineLearning() as azure_ml:
        trusted = Path(azure_ml.settings["REQUESTS_CA_BUNDLE"])
        assert trusted.exists()
    assert not trusted.exists()


def test_a_managed_identity_gets_a_token_for_the_requested_resource(azure_ml):
    azure_ml.register("churn")
    assert 1 == len(list(client(credential=ManagedIdentityCredential()).models.list()))
    sent = azure_ml.requests[-1].headers["authorization"]
    assert "Bearer sandbox-token-for-https://management.azure.com" == sent


def test_a_user_assigned_identity_gets_a_token_too(azure_ml):
    credential = ManagedIdentityCredential(client_id="3b0a9f77-0000-4000-8000-000000000000")
    assert "sandbox-token-for-https://a" == credential.get_token("https://a/.default").token


def test_another_app_s_identity_header_gets_no_token(azure_ml, monkeypatch):
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    with pytest.raises(CredentialUnavailableError):
        ManagedIdentityCredential().get_token("https://a/.default")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("resource=https://a", id="without a version"),
        pytest.param("api-version=2017-09-01&resource=https://a", id="an older version"),
        pytest.param("api-version=2019-08-01", id="for nothing"),
    ],
)
def test_a_request_for_a_token_that_app_service_would_refuse_is_refused(azure_ml, query):
    headers = {"X-IDENTITY-HEADER": azure_ml.settings["IDENTITY_HEADER"]}
    answered = control(azure_ml.control_url, f"/msi/token?{query}", headers=headers)
    assert 400 == answered[0]


def test_models_are_registered_and_archived_over_http(azure_ml):
    given = {"model": "churn", "tags": {"stage": "prod"}, "created": "2026-10-01T00:00:00+00:00"}
    assert 200 == control(azure_ml.control_url, "/_sandbox/models", given)[0]
    (listed,) = client().models.list("churn")
    assert ("1", {"stage": "prod"}) == (listed.version, listed.tags)
    assert datetime(2026, 10, 1, tzinfo=UTC) == listed.creation_context.created_at
    control(azure_ml.control_url, "/_sandbox/archive", {"model": "churn", "version": "1"})
    assert [] == list(client().models.list("churn"))
    _, (model,) = control(azure_ml.control_url, "/_sandbox/models")
    assert [True] == [each["properties"]["isArchived"] for each in model["versions"]]


def test_faults_are_added_and_removed_over_http(azure_ml):
    _, faults = control(azure_ml.control_url, "/_sandbox/faults", {"kind": "reset", "times": 2})
    assert [("reset", "GET", 2)] == [(each["kind"], each["verb"], each["times"]) for each in faults]
    assert (200, []) == control(azure_ml.control_url, "/_sandbox/faults", method="DELETE")


def test_requests_are_shown_over_http(azure_ml):
    get(azure_ml, MODELS, TOKEN)
    _, requests = control(azure_ml.control_url, "/_sandbox/requests")
    assert [f"{WORKSPACE}/models"] == [request["path"] for request in requests]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/_sandbox/models", {"name": "churn"}, 400, id="a registration of nothing"),
        pytest.param("/_sandbox/archive", {"model": "churn"}, 400, id="an unknown model"),
        pytest.param("/_sandbox/faults", {"kind": "wobble"}, 400, id="an unknown fault"),
        pytest.param("/_sandbox/nothing", None, 404, id="an unknown view"),
    ],
)
def test_an_invalid_request_over_http_is_refused(azure_ml, path, body, status):
    assert status == control(azure_ml.control_url, path, body)[0]


def test_it_runs_as_a_separate_process(tmp_path, monkeypatch):
    ca_file = tmp_path / "ca.pem"
    command = [sys.executable, "-m", "tests.sandbox.azure_ml", "--port", "0"]
    with Child([*command, "--ca-file", str(ca_file)], {}, ROOT) as child:
        (ready,) = child.wait_for(
            r"^Azure ML stand-in at (https://\S+) with CA (\S+), controlled at (http://\S+)$"
        )
        url, trusted, control_url = ready.groups()
        assert str(ca_file) == trusted
        use(monkeypatch, {"AZUREML_DEV_URL_MFE": url, "REQUESTS_CA_BUNDLE": trusted})
        control(control_url, "/_sandbox/models", {"model": "churn"})
        assert ["churn"] == [model.name for model in client().models.list()]
