"""Runs of pipelines at the stand-in: taken, refused, and not found."""

import json

import pytest

from tests.sandbox.azure_devops.organization import (
    DEPLOY_CHURN,
    Organisation,
    Parameter,
    Pipeline,
    Project,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.stand_in import PARAMETERS, client, run, send, with_pipeline


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
def test_a_run_that_the_service_would_refuse_is_refused_in_run_and_preview_alike(
    changes, body, message
):
    with AzureDevOps((with_pipeline(**changes),)) as azure_devops:
        for what in ("runs", "preview"):
            path = f"ml/_apis/pipelines/5/{what}"
            status, _, error = send(azure_devops, "POST", path, body)
            assert (400, "PipelineValidationException") == (status, error["typeKey"])
            assert message in error["message"]
        assert [] == azure_devops.runs


def test_a_run_takes_what_its_pipeline_allows():
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
    with AzureDevOps((Organisation("contoso", (Project("ml", (), pipelines),)),)) as azure_devops:
        run(azure_devops, 6)
        assert 200 == send(azure_devops, "GET", "ml/_apis/pipelines/6/runs/1")[0]
        assert 404 == send(azure_devops, "GET", "ml/_apis/pipelines/5/runs/1")[0]
