"""Releases at the stand-in: created, numbered, and refused."""

import pytest

from tests.sandbox.azure_devops.organization import (
    SPECIFY_AT_RELEASE,
    azure_ml_model,
    build_artifact,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.stand_in import client, create, with_definition


@pytest.mark.parametrize(
    ("organisation", "body", "status", "message"),
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
            id="an artifact to specify at release time, left out",
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
    organisation, body, status, message
):
    with AzureDevOps((organisation,)) as azure_devops:
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


def test_an_artifact_left_out_takes_its_latest_version():
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
        pytest.param({}, "active", "manual", id="nothing said"),
        pytest.param({"reason": "none"}, "active", "manual", id="no reason"),
        pytest.param({"reason": "schedule"}, "active", "schedule", id="a reason"),
        pytest.param({"isDraft": True}, "draft", "manual", id="a draft"),
    ],
)
def test_a_release_is_active_and_manual_unless_it_says_otherwise(
    azure_devops, body, status, reason
):
    _, _, release = create(azure_devops, definitionId=2, **body)
    assert (status, reason) == (release["status"], release["reason"])


def test_names_of_variables_are_read_without_case(azure_devops):
    _, _, release = create(
        azure_devops, definitionId=2, variables={"MODELVERSION": {"value": "17"}}
    )
    assert {"value": "17", "allowOverride": True} == release["variables"]["modelVersion"]


def test_ids_count_in_the_project_and_names_in_the_definition(azure_devops):
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
