"""The stand-in for Azure DevOps serves the real azure-devops client, and refuses what it should."""

import pytest

from tests.support.stand_in import (
    CLIENTS,
    PARAMETERS,
    client,
    create,
    imported,
    model,
    run,
    web_page,
)


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
