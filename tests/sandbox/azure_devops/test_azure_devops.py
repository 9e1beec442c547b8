"""The stand-in for Azure DevOps serves the real azure-devops client, and refuses what it should."""

import http.client
import importlib
import json
import os
import socket
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest

from tests.sandbox.azure_devops.contract import BuiltInRules, load_contract
from tests.sandbox.azure_devops.organization import (
    CHURN,
    DEPLOY_CHURN,
    SPECIFY_AT_RELEASE,
    Identity,
    Organization,
    Parameter,
    Pipeline,
    Project,
    ReleaseDefinition,
    azure_ml_model,
    build_artifact,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CLIENTS = {
    "release": "azure.devops.v7_1.release.release_client.ReleaseClient",
    "pipelines": "azure.devops.v7_1.pipelines.pipelines_client.PipelinesClient",
    "build": "azure.devops.v7_1.build.build_client.BuildClient",
}
PARAMETERS = {"modelName": "churn", "modelVersion": "17"}


@pytest.fixture(scope="session", autouse=True)
def azure_devops_cache(tmp_path_factory):
    # Importing azure.devops creates this folder, by default in the home directory.
    folder = tmp_path_factory.mktemp("azure-devops")
    os.environ.setdefault("AZURE_DEVOPS_CACHE_DIR", str(folder))


@pytest.fixture
def azure_devops():
    with AzureDevOps() as stand_in:
        yield stand_in


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def move(self, **by):
        self.now += timedelta(**by)


def imported(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def model(area, kind, /, **fields):
    return imported(f"azure.devops.v7_1.{area}.models.{kind}")(**fields)


def client(azure_devops, area):
    credentials = imported("msrest.authentication.BasicAuthentication")("", "secret")
    return imported(CLIENTS[area])(azure_devops.url, credentials)


def web_page(resource):
    return vars(resource)["_links"].additional_properties["web"]["href"]


def basic(secret):
    return "Basic " + b64encode(f":{secret}".encode()).decode()


def send(azure_devops, method, path, body=None, authorization=None):
    """Send one request below the organization, and return (status, headers, parsed JSON)."""
    headers = {
        "Accept": "application/json;api-version=7.1",
        "Authorization": basic("secret") if authorization is None else authorization,
    }
    address = urlsplit(azure_devops.url)
    with closing(http.client.HTTPConnection(address.hostname, address.port)) as connection:
        text = body if isinstance(body, str | None) else json.dumps(body)
        connection.request(method, quote(f"{address.path}/{path}", safe="/?&=$*"), text, headers)
        response = connection.getresponse()
        content = response.read()
    is_json = "json" in response.headers["Content-Type"]
    return response.status, response.headers, json.loads(content) if is_json else content


def create(azure_devops, project="ml", **body):
    return send(azure_devops, "POST", f"{project}/_apis/release/releases", body)


def run(azure_devops, pipeline=5, **body):
    return send(azure_devops, "POST", f"ml/_apis/pipelines/{pipeline}/runs", body)


def with_definition(**changes):
    return Organization("contoso", (Project("ml", (replace(CHURN, **changes),)),))


def with_pipeline(**changes):
    return Organization("contoso", (Project("ml", (), (replace(DEPLOY_CHURN, **changes),)),))


# The real client


def test_the_real_client_creates_a_release_in_a_project_with_a_space_in_its_name(azure_devops):
    version = model("release", "BuildVersion", id="17", name="17")
    start = model(
        "release",
        "ReleaseStartMetadata",
        definition_id=1,
        description="churn 17",
        artifacts=[
            model("release", "ArtifactMetadata", alias="_churn", instance_reference=version)
        ],
        variables={
            "modelVersion": model("release", "ConfigurationVariableValue", value="17"),
        },
    )
    release = client(azure_devops, "release").create_release(start, "My Project")
    assert (1, "Release-1", "active", "churn 17") == (
        release.id,
        release.name,
        release.status,
        release.description,
    )
    definition = release.release_definition
    assert (1, "Deploy churn", "\\") == (definition.id, definition.name, definition.path)
    assert "17" == release.variables["modelVersion"].value
    assert "production" == release.variables["environment"].value
    assert "17" == release.artifacts[0].definition_reference["version"].id
    assert ["Production"] == [stage.name for stage in release.environments]
    assert f"{azure_devops.url}/My%20Project/_release?releaseId=1&_a=release-summary" == web_page(
        release
    )


def test_a_release_is_the_same_for_the_client_and_for_the_test(azure_devops):
    create(azure_devops, definitionId=1, variables={"modelName": {"value": "churn"}})
    release = client(azure_devops, "release").get_release("ml", 1)
    (document,) = azure_devops.releases
    assert document["id"] == release.id
    assert "7.1-preview.8" == azure_devops.requests[-1].api_version
    assert document["createdOn"] == f"{release.created_on:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    assert "churn" == release.variables["modelName"].value


def test_the_real_client_reads_a_release_definition(azure_devops):
    definition = client(azure_devops, "release").get_release_definition("ml", 1)
    settable = {name for name, each in definition.variables.items() if each.allow_override}
    assert {"modelName", "modelVersion", "modelUri"} == settable
    assert {"environment"} == definition.variables.keys() - settable
    (artifact,) = definition.artifacts
    assert ("_churn", "AzureML", "churn") == (
        artifact.alias,
        artifact.type,
        artifact.definition_reference["definition"].name,
    )


def test_the_client_of_a_connection_finds_the_release_area_at_the_same_address(azure_devops):
    credentials = imported("msrest.authentication.BasicAuthentication")("", "secret")
    connection = imported("azure.devops.connection.Connection")(azure_devops.url, credentials)
    release = connection.get_client(CLIENTS["release"])
    assert "Deploy fraud" == release.get_release_definition("ml", 2).name


def test_the_real_client_runs_a_pipeline_and_finds_it_as_a_build_with_the_same_id(azure_devops):
    start = model("pipelines", "RunPipelineParameters", template_parameters=PARAMETERS)
    started = client(azure_devops, "pipelines").run_pipeline(start, "ml", 5)
    build = client(azure_devops, "build").get_build("ml", started.id)
    assert ("inProgress", 5) == (started.state, started.pipeline.id)
    assert started.name == build.build_number
    assert PARAMETERS | {"modelTriggerKey": ""} == build.template_parameters
    assert ("refs/heads/main", 5) == (build.source_branch, build.definition.id)
    page = f"{azure_devops.url}/ml/_build/results?buildId={started.id}"
    assert page == web_page(build) == web_page(started)
    assert [started.id] == [each["id"] for each in azure_devops.runs]


@pytest.mark.parametrize("way", ["preview", "run_pipeline"])
def test_a_preview_returns_the_final_yaml_and_starts_nothing(azure_devops, way):
    start = model(
        "pipelines", "RunPipelineParameters", preview_run=True, template_parameters=PARAMETERS
    )
    answer = getattr(client(azure_devops, "pipelines"), way)(start, "ml", 5)
    assert "modelTriggerKey" in answer.final_yaml
    assert [] == azure_devops.runs


def test_the_real_client_lists_and_gets_pipelines_and_build_definitions(azure_devops):
    pipelines, build = client(azure_devops, "pipelines"), client(azure_devops, "build")
    assert [(5, "deploy-churn")] == [
        (each.id, each.name) for each in pipelines.list_pipelines("ml")
    ]
    assert "yaml" == pipelines.get_pipeline("ml", 5).configuration.type
    assert [5] == [each.id for each in build.get_definitions("ml", name="deploy-*")]
    assert [] == build.get_definitions("ml", name="other")
    assert "deploy-churn" == build.get_definition("ml", 5).name
    assert [] == pipelines.list_pipelines("My Project")


def test_the_real_client_gets_and_lists_the_runs_of_a_pipeline(azure_devops):
    run(azure_devops, templateParameters=PARAMETERS)
    pipelines = client(azure_devops, "pipelines")
    assert "17" == pipelines.get_run("ml", 5, 1).template_parameters["modelVersion"]
    assert [1] == [each.id for each in pipelines.list_runs("ml", 5)]


def test_an_error_reaches_the_real_client_with_its_message_and_type_key(azure_devops):
    error = imported("azure.devops.exceptions.AzureDevOpsServiceError")
    with pytest.raises(
        error, match="VS402936: Release pipeline with ID 9 does not exist"
    ) as raised:
        client(azure_devops, "release").get_release_definition("ml", 9)
    assert "ReleaseDefinitionNotFoundException" == raised.value.type_key


# Creating releases


@pytest.mark.parametrize(
    ("organization", "body", "status", "message"),
    [
        pytest.param(
            with_definition(), {"definitionId": 9}, 404, "ID 9 does not exist", id="no definition"
        ),
        pytest.param(
            with_definition(),
            {"definitionId": 1, "variables": {"missing": {"value": "x"}}},
            400,
            "Variable(s) missing do not exist in the release pipeline at scope: Release",
            id="a variable that is not declared",
        ),
        pytest.param(
            with_definition(),
            {"definitionId": 1, "variables": {"environment": {"value": "x"}}},
            400,
            "environment are not settable at release time",
            id="a variable that is not settable",
        ),
        pytest.param(
            with_definition(),
            {"definitionId": 1, "artifacts": [{"alias": "_x", "instanceReference": {"id": "1"}}]},
            400,
            "no artifact source '_x'",
            id="an unknown alias",
        ),
        pytest.param(
            with_definition(),
            {"definitionId": 1, "artifacts": [{"alias": "_churn", "instanceReference": {}}]},
            400,
            "VS402962",
            id="an artifact without a version",
        ),
        pytest.param(
            with_definition(
                artifacts=(azure_ml_model("_a", "m", default_version=SPECIFY_AT_RELEASE),)
            ),
            {"definitionId": 1},
            400,
            "corresponding to artifact source '_a'",
            id="an omitted artifact that must be specified at release time",
        ),
        pytest.param(
            with_definition(artifacts=(azure_ml_model("_a", "m", latest=None),)),
            {"definitionId": 1},
            400,
            "Latest version information could not be loaded for artifact _a",
            id="no version is available",
        ),
        pytest.param(
            with_definition(artifacts=(build_artifact("_b", "7"),)),
            {"definitionId": 1, "artifacts": [{"alias": "_b", "instanceReference": {"id": "a.1"}}]},
            400,
            "VS402925",
            id="a build number where a build id belongs",
        ),
        pytest.param(
            with_definition(),
            {"definitionId": 1, "tags": ["a"]},
            400,
            "published specification",
            id="a field that the specification does not know",
        ),
    ],
)
def test_a_release_that_the_service_would_refuse_is_refused_and_not_created(
    organization, body, status, message
):
    with AzureDevOps((organization,)) as azure_devops:
        refused, _, error = create(azure_devops, **body)
        assert (status, True) == (refused, message in error["message"])
        assert {
            "$id",
            "innerException",
            "typeName",
            "typeKey",
            "errorCode",
            "eventId",
        } < error.keys()
        assert [] == azure_devops.releases


def test_an_omitted_artifact_gets_its_latest_version():
    definition = with_definition(artifacts=(azure_ml_model("_a", "m", latest="3"),))
    with AzureDevOps((definition,)) as azure_devops:
        _, _, release = create(azure_devops, definitionId=1)
    (artifact,) = release["artifacts"]
    assert {"id": "3", "name": "3"} == artifact["definitionReference"]["version"]


def test_the_version_of_a_model_may_be_any_text(azure_devops):
    version = {"id": "churn:17", "name": "churn:17"}
    artifacts = [{"alias": "_churn", "instanceReference": version}]
    _, _, release = create(azure_devops, definitionId=1, artifacts=artifacts)
    assert version == release["artifacts"][0]["definitionReference"]["version"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        pytest.param({}, "active", "manual", id="no reason field"),
        pytest.param({"reason": "none"}, "active", "manual", id="no reason"),
        pytest.param({"reason": "schedule"}, "active", "schedule", id="a reason"),
        pytest.param({"isDraft": True}, "draft", "manual", id="a draft"),
    ],
)
def test_a_release_is_active_and_manual_by_default(azure_devops, body, status, reason):
    _, _, release = create(azure_devops, definitionId=2, **body)
    assert (status, reason) == (release["status"], release["reason"])


def test_names_of_variables_are_case_insensitive(azure_devops):
    _, _, release = create(
        azure_devops, definitionId=2, variables={"MODELVERSION": {"value": "17"}}
    )
    assert {"value": "17", "allowOverride": True} == release["variables"]["modelVersion"]


def test_release_ids_count_per_project_and_names_per_definition(azure_devops):
    for project, definition in (("ml", 1), ("ml", 2), ("ml", 1), ("My Project", 1)):
        create(azure_devops, project, definitionId=definition)
    assert [(1, "Release-1"), (2, "Release-1"), (3, "Release-2"), (1, "Release-1")] == [
        (release["id"], release["name"]) for release in azure_devops.releases
    ]


def test_a_definition_shows_its_continuous_deployment_trigger():
    with AzureDevOps((with_definition(triggers=("_churn",)),)) as azure_devops:
        definition = client(azure_devops, "release").get_release_definition("ml", 1)
    (trigger,) = definition.triggers
    assert ("artifactSource", "_churn") == (trigger["triggerType"], trigger["artifactAlias"])


# Lists


def test_lists_of_definitions_filter_by_name_and_folder_and_expand_on_demand():
    definitions = (
        ReleaseDefinition(1, "Deploy churn", path="\\Teams\\A"),
        ReleaseDefinition(2, "Deploy churn weekly", path="\\Teams\\B"),
        replace(CHURN, id=3, name="DEPLOY CHURN"),
    )
    with AzureDevOps((Organization("contoso", (Project("ml", definitions),)),)) as azure_devops:
        listed = client(azure_devops, "release").get_release_definitions

        def ids(**query):
            return [definition.id for definition in listed("ml", **query)]

        assert [1, 2, 3] == ids(search_text="churn")
        assert [1, 3] == ids(search_text="deploy churn", is_exact_name_match=True)
        assert [1, 2] == ids(path="\\Teams")
        assert [2] == ids(path="\\Teams\\B")
        assert [] == ids(path="\\Team")
        assert [3, 2, 1] == ids(query_order="idDescending")
        assert [None, None, None] == [each.artifacts for each in listed("ml")]
        assert "_churn" == listed("ml", expand="artifacts")[2].artifacts[0].alias


def test_lists_of_releases_filter_by_definition_time_and_name():
    clock = Clock()
    with AzureDevOps(clock=clock) as azure_devops:
        for definition in (1, 2, 1):
            create(azure_devops, definitionId=definition)
            clock.move(minutes=1)
        listed = client(azure_devops, "release").get_releases

        def ids(**query):
            return [release.id for release in listed("ml", **query)]

        assert [3, 2, 1] == ids()
        assert [1, 2, 3] == ids(query_order="ascending")
        assert [3, 1] == ids(definition_id=1)
        assert [3, 2] == ids(min_created_time=NOON + timedelta(seconds=1))
        assert [2, 1] == ids(max_created_time=NOON + timedelta(seconds=90))
        assert [3] == ids(search_text="release-2")
        assert [] == ids(status_filter="draft")


def test_a_project_shows_its_own_releases_and_runs_only():
    pipelines = (Pipeline(5, "deploy"),)
    organization = Organization(
        "contoso",
        (Project("ml", (CHURN,), pipelines), Project("web", (CHURN,), (Pipeline(6, "other"),))),
    )
    with AzureDevOps((organization,)) as azure_devops:
        create(azure_devops, definitionId=1)
        run(azure_devops)
        for resource in ("release/releases", "build/builds"):
            for project, found in (("ml", 1), ("web", 0)):
                path = f"{project}/_apis/{resource}"
                assert found == send(azure_devops, "GET", path)[2]["count"]
                status = 200 if found else 404
                assert status == send(azure_devops, "GET", f"{path}/1")[0]


def test_a_list_of_releases_shows_descriptions_always_and_variables_when_expanded(azure_devops):
    create(azure_devops, definitionId=2, description="why")
    listed = client(azure_devops, "release").get_releases
    assert ("why", {}) == (listed("ml")[0].description, listed("ml")[0].variables)
    assert {"modelName", "modelVersion"} == set(listed("ml", expand="variables")[0].variables)


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        pytest.param({}, [50, 50, 20], id="50 by default"),
        pytest.param({"$top": "500"}, [100, 20], id="100 at most"),
        pytest.param({"$top": "60", "queryOrder": "ascending"}, [60, 60], id="as requested"),
    ],
)
def test_pages_of_releases_follow_their_continuation_tokens(azure_devops, query, sizes):
    for _ in range(120):
        create(azure_devops, definitionId=2)
    pages, token = [], {}
    while token is not None:
        address = "&".join(f"{name}={value}" for name, value in (query | token).items())
        _, headers, page = send(azure_devops, "GET", f"ml/_apis/release/releases?{address}")
        pages.append([release["id"] for release in page["value"]])
        following = headers["X-MS-ContinuationToken"]
        token = {"continuationToken": following} if following else None
    assert sizes == [len(page) for page in pages]
    assert set(range(1, 121)) == {number for page in pages for number in page}


def test_the_real_client_pages_with_the_token_of_the_next_release(azure_devops):
    for _ in range(3):
        create(azure_devops, definitionId=2)
    listed = client(azure_devops, "release").get_releases
    assert [3, 2] == [release.id for release in listed("ml", top=2)]
    assert [1] == [release.id for release in listed("ml", top=2, continuation_token=1)]


def test_a_new_release_and_a_new_run_are_missing_from_lists_for_the_time_of_the_lag():
    clock = Clock()
    with AzureDevOps(clock=clock, list_lag=30) as azure_devops:
        create(azure_devops, definitionId=2)
        run(azure_devops, templateParameters=PARAMETERS)
        release, build = client(azure_devops, "release"), client(azure_devops, "build")
        assert 1 == release.get_release("ml", 1).id
        clock.move(seconds=29)
        assert ([], []) == (release.get_releases("ml"), build.get_builds("ml"))
        clock.move(seconds=1)
        assert [1] == [each.id for each in release.get_releases("ml")]
        assert [1] == [each.id for each in build.get_builds("ml")]


def test_lists_of_builds_filter_by_the_time_they_are_ordered_by():
    clock = Clock()
    with AzureDevOps(clock=clock) as azure_devops:
        for _ in range(3):
            run(azure_devops, templateParameters=PARAMETERS)
            clock.move(minutes=1)
        listed = client(azure_devops, "build").get_builds

        def ids(**query):
            return [build.id for build in listed("ml", **query)]

        later = NOON + timedelta(seconds=1)
        assert [3, 2, 1] == ids()
        assert [3, 2] == ids(min_time=later, query_order="queueTimeDescending")
        assert [2, 3] == ids(min_time=later, query_order="queueTimeAscending")
        assert [1] == ids(max_time=later, query_order="queueTimeAscending")
        assert [] == ids(min_time=NOON - timedelta(days=1))
        assert [3, 2, 1] == ids(definitions=[5])
        assert [] == ids(definitions=[6])
        assert [2] == ids(build_number="20261101.2")
        assert [3, 2, 1] == ids(build_number="20261101.*")
        assert [] == ids(status_filter="completed")
        assert [] == ids(branch_name="refs/heads/other")
        assert [3, 2] == ids(top=2)
        next_page = {"continuation_token": "1"}
        assert [1] == ids(top=2, **next_page)


# Runs


@pytest.mark.parametrize(
    ("changes", "body", "message"),
    [
        pytest.param(
            {}, {}, "A value for the 'modelName' parameter must be provided", id="missing"
        ),
        pytest.param(
            {},
            {"templateParameters": PARAMETERS | {"modelname": "x"}},
            "Unexpected parameter 'modelname'",
            id="not declared",
        ),
        pytest.param(
            {"parameters": (Parameter("stage", values=("test", "live")),)},
            {"templateParameters": {"stage": "prod"}},
            "'stage' parameter value 'prod' is not one of test, live",
            id="not an allowed value",
        ),
        pytest.param(
            {"parameters": (Parameter("count", "number"),)},
            {"templateParameters": {"count": "many"}},
            "'count' parameter is not a valid number",
            id="not a number",
        ),
        pytest.param(
            {"parameters": (Parameter("force", "boolean"),)},
            {"templateParameters": {"force": "1"}},
            "'force' parameter is not a valid boolean",
            id="not a boolean",
        ),
        pytest.param(
            {"parameters": (), "variables": ("note",)},
            {"variables": {"note": {"value": "1"}, "secret": {"value": "2"}}},
            "You can't set the following variables (secret)",
            id="a variable that is not settable at queue time",
        ),
        pytest.param(
            {"parameters": ()},
            {"resources": {"repositories": {"self": {"refName": "refs/heads/gone"}}}},
            "using ref refs/heads/gone",
            id="an unknown branch",
        ),
        pytest.param(
            {"parameters": ()}, {"stagesToSkip": ["Test"]}, "Stage 'Test'", id="an unknown stage"
        ),
    ],
)
def test_a_run_that_the_service_would_refuse_is_refused_in_run_and_preview(changes, body, message):
    with AzureDevOps((with_pipeline(**changes),)) as azure_devops:
        for what in ("runs", "preview"):
            path = f"ml/_apis/pipelines/5/{what}"
            status, _, error = send(azure_devops, "POST", path, body)
            assert (400, "PipelineValidationException") == (status, error["typeKey"])
            assert message in error["message"]
        assert [] == azure_devops.runs


def test_a_run_accepts_what_its_pipeline_allows():
    pipeline = {
        "parameters": (Parameter("count", "number"), Parameter("stage", values=("test", "live"))),
        "variables": ("note",),
        "stages": ("Test", "Deploy"),
        "branches": ("refs/heads/next",),
    }
    with AzureDevOps((with_pipeline(**pipeline),)) as azure_devops:
        status, _, _ = run(
            azure_devops,
            templateParameters={"count": "1.5", "stage": "live"},
            variables={"note": {"value": "text"}},
            stagesToSkip=["Test"],
            resources={"repositories": {"self": {"refName": "refs/heads/next"}}},
        )
        build = client(azure_devops, "build").get_build("ml", 1)
    assert 200 == status
    assert {"note": "text"} == json.loads(build.parameters)
    assert "refs/heads/next" == build.source_branch


@pytest.mark.parametrize(
    ("method", "path", "type_key"),
    [
        pytest.param("POST", "ml/_apis/pipelines/9/runs", "DefinitionNotFoundException", id="run"),
        pytest.param("GET", "ml/_apis/pipelines/9", "DefinitionNotFoundException", id="pipeline"),
        pytest.param("GET", "ml/_apis/pipelines/5/runs/9", "BuildNotFoundException", id="its run"),
        pytest.param("GET", "ml/_apis/build/builds/9", "BuildNotFoundException", id="build"),
        pytest.param(
            "GET", "ml/_apis/release/releases/9", "ReleaseNotFoundException", id="release"
        ),
        pytest.param(
            "GET", "xy/_apis/pipelines", "ProjectDoesNotExistWithNameException", id="project"
        ),
        pytest.param("GET", "ml/_apis/git/pushes", "VssResourceNotFoundException", id="area"),
        pytest.param("GET", "ml", "VssResourceNotFoundException", id="no API"),
    ],
)
def test_what_does_not_exist_is_not_found(azure_devops, method, path, type_key):
    body = {"templateParameters": PARAMETERS} if method == "POST" else None
    status, _, error = send(azure_devops, method, path, body)
    assert (404, type_key) == (status, error["typeKey"])


def test_a_run_is_found_only_under_its_own_pipeline():
    pipelines = (DEPLOY_CHURN, Pipeline(6, "other"))
    with AzureDevOps((Organization("contoso", (Project("ml", (), pipelines),)),)) as azure_devops:
        run(azure_devops, 6)
        assert 200 == send(azure_devops, "GET", "ml/_apis/pipelines/6/runs/1")[0]
        assert 404 == send(azure_devops, "GET", "ml/_apis/pipelines/5/runs/1")[0]


# Credentials and permissions

READER = Identity("Reader", "reader", create_releases=(), queue_builds=())
TEAM = Identity("Team", "team", create_releases=(2,), queue_builds=(5,))
STRANGER = Identity("Stranger", "stranger", view=False)
EXPIRED = Identity("Expired", "old", expired=True)
GUARDED = Organization(
    "contoso",
    (Project("ml", (CHURN, replace(CHURN, id=2)), (DEPLOY_CHURN,)),),
    (READER, TEAM, STRANGER, EXPIRED),
)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param("", 401, id="none"),
        pytest.param(basic(""), 401, id="an empty token"),
        pytest.param("Basic not-base64", 401, id="a token that is not encoded"),
        pytest.param(basic("wrong"), 401, id="an unknown token"),
        pytest.param("Bearer wrong", 401, id="an unknown bearer token"),
        pytest.param(basic("old"), 401, id="an expired personal access token"),
        pytest.param("Bearer old", 203, id="an expired bearer token gets the sign-in page"),
        pytest.param(basic("reader"), 200, id="a personal access token"),
        pytest.param("Bearer reader", 200, id="a bearer token"),
    ],
)
def test_only_known_credentials_are_accepted(authorization, status):
    with AzureDevOps((GUARDED,)) as azure_devops:
        for method, path in (("OPTIONS", "_apis"), ("GET", "ml/_apis/pipelines")):
            answer = send(azure_devops, method, path, authorization=authorization)
            assert status == answer[0]
            assert (status == 203) is answer[1]["Content-Type"].startswith("text/html")


def test_without_identities_any_credentials_are_accepted_but_required(azure_devops):
    for authorization in (basic("anything"), "Bearer anything"):
        assert 200 == send(azure_devops, "OPTIONS", "_apis", authorization=authorization)[0]
    assert 401 == send(azure_devops, "OPTIONS", "_apis", authorization="")[0]


@pytest.mark.parametrize(
    ("secret", "method", "path", "body", "status"),
    [
        pytest.param("reader", "GET", "release/definitions/1", None, 200, id="a reader reads"),
        pytest.param(
            "reader", "POST", "release/releases", {"definitionId": 1}, 403, id="and creates nothing"
        ),
        pytest.param("reader", "POST", "pipelines/5/runs", {}, 403, id="and runs nothing"),
        pytest.param("team", "POST", "release/releases", {"definitionId": 2}, 200, id="its own"),
        pytest.param(
            "team", "POST", "release/releases", {"definitionId": 1}, 403, id="not another one"
        ),
        pytest.param(
            "team",
            "POST",
            "pipelines/5/runs",
            {"templateParameters": PARAMETERS},
            200,
            id="its run",
        ),
        pytest.param(
            "stranger", "GET", "release/definitions/1", None, 403, id="sees no definition"
        ),
        pytest.param("stranger", "GET", "release/releases", None, 403, id="sees no release"),
        pytest.param("stranger", "GET", "build/builds", None, 403, id="sees no build"),
        pytest.param("stranger", "GET", "pipelines", None, 403, id="sees no pipeline"),
    ],
)
def test_an_identity_can_do_what_its_permissions_allow(secret, method, path, body, status):
    with AzureDevOps((GUARDED,)) as azure_devops:
        answer = send(azure_devops, method, f"ml/_apis/{path}", body, basic(secret))
        assert status == answer[0]
        started = len(azure_devops.releases) + len(azure_devops.runs)
    assert (method == "POST" and status == 200) == started
    if status == 403:
        assert "AccessDeniedException" == answer[2]["typeKey"]


# The server


def test_requests_are_kept_as_they_arrived(azure_devops):
    create(azure_devops, "My Project", definitionId=1)
    (request,) = azure_devops.requests
    assert ("POST", "/fabrikam/My Project/_apis/release/releases") == (request.method, request.path)
    assert ({"definitionId": 1}, "7.1", ("Basic", "secret")) == (
        request.json,
        request.api_version,
        request.credentials,
    )


def test_64_concurrent_connections_create_a_release_each(azure_devops):
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: create(azure_devops, definitionId=2), range(256)))
    assert {200} == {status for status, _, _ in answers}
    assert set(range(1, 257)) == {release["id"] for _, _, release in answers}
    assert 256 == len(azure_devops.releases)


def test_one_connection_carries_many_requests(azure_devops):
    address = urlsplit(azure_devops.url)
    with closing(http.client.HTTPConnection(address.hostname, address.port)) as connection:
        connection.connect()
        local = connection.sock.getsockname()
        for _ in range(3):
            headers = {"Authorization": basic("secret")}
            connection.request("OPTIONS", f"{address.path}/_apis", headers=headers)
            assert 9 == json.load(connection.getresponse())["count"]
        assert local == connection.sock.getsockname()


def test_a_stopped_stand_in_refuses_connections_and_restarts_on_its_port(
    azure_devops,
):
    create(azure_devops, definitionId=2)
    url = azure_devops.url
    azure_devops.stop()
    with pytest.raises(ConnectionRefusedError):
        create(azure_devops, definitionId=2)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", azure_devops.port))
    azure_devops.start()
    assert url == azure_devops.url
    assert 2 == create(azure_devops, definitionId=2)[2]["id"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("$top=many", 400, id="not a number"),
        pytest.param("minCreatedTime=noon", 400, id="not a time"),
        pytest.param("minCreatedTime=2026-11-01", 200, id="a day"),
    ],
)
def test_an_invalid_query_is_refused_by_either_contract(query, status):
    for contract in (load_contract(), BuiltInRules()):
        with AzureDevOps(contract=contract) as azure_devops:
            create(azure_devops, definitionId=2)
            assert status == send(azure_devops, "GET", f"ml/_apis/release/releases?{query}")[0]


@pytest.mark.parametrize("body", ["{", "[]", "null", ""])
def test_a_body_that_is_not_a_json_object_is_refused(azure_devops, body):
    status, _, error = send(azure_devops, "POST", "ml/_apis/release/releases", body)
    assert (400, True) == (status, "body" in error["message"])
