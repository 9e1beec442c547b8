"""Where a target is, what is kept of its request, and how two requests are compared."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.targets.kinds import KINDS, read_request
from model_trigger.targets.request import (
    StartRequest,
    TargetAddress,
    TargetDefaults,
    TargetError,
    organization_key,
)
from tests.support.build import CONTOSO, rule
from tests.support.drawn import relaxed


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"release": {"definition": "Deploy"}},
            TargetAddress("release", "https://dev.azure.com/app", "app", "Deploy"),
        ),
        (
            {"release": {"definition": 3, "project": "ml", "organization_url": CONTOSO}},
            TargetAddress("release", CONTOSO, "ml", 3),
        ),
        (
            {"release": None, "pipeline": {"id": 4, "project": "ml"}},
            TargetAddress("pipeline", "https://dev.azure.com/app", "ml", 4),
        ),
        (
            {"release": None, "pipeline": {"id": 4, "branch": "main"}},
            TargetAddress("pipeline", "https://dev.azure.com/app", "app", 4, "main"),
        ),
    ],
    ids=["of-the-app", "of-the-rule", "pipeline", "branch"],
)
def test_a_target_is_in_the_organization_and_project_of_the_rule_or_else_of_the_app(
    fields, expected
):
    assert expected == rule(**fields).address(TargetDefaults("https://dev.azure.com/app/", "app"))


@pytest.mark.parametrize(
    ("fields", "url", "project", "message"),
    [
        (
            {},
            None,
            "ml",
            (
                "no organization_url is configured: set the app setting AZURE_DEVOPS_ORG_URL, "
                "or churn.release.organization_url"
            ),
        ),
        (
            {},
            CONTOSO,
            None,
            (
                "no project is configured: set the app setting AZURE_DEVOPS_PROJECT, "
                "or churn.release.project"
            ),
        ),
        (
            {"release": None, "pipeline": {"id": 1}},
            CONTOSO,
            "",
            (
                "no project is configured: set the app setting AZURE_DEVOPS_PROJECT, "
                "or churn.pipeline.project"
            ),
        ),
    ],
    ids=["organization", "project", "pipeline"],
)
def test_a_target_without_an_address_is_reported_with_both_ways_to_set_it(
    fields, url, project, message
):
    with pytest.raises(TargetError) as caught:
        rule(**fields).address(TargetDefaults(url, project))
    assert message == str(caught.value)


def test_a_stored_target_can_be_read_by_later_versions_of_the_app():
    kept = {
        "kind": "pipeline",
        "organization_url": CONTOSO,
        "project": "ml",
        "definition": 5,
        "body": {"templateParameters": {"modelName": "churn"}},
    }
    request = StartRequest("pipeline", CONTOSO, "ml", 5, kept["body"])

    assert request == StartRequest.from_json(json.dumps(kept))
    assert kept == json.loads(request.to_json())
    assert request == read_request(json.dumps(kept))
    assert ["release", "pipeline"] == list(KINDS)


def test_a_request_of_a_kind_that_is_not_known_is_not_read():
    text = StartRequest("carrier pigeon", CONTOSO, "ml", 5, {}).to_json()

    with pytest.raises(KeyError):
        read_request(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@relaxed
@given(
    st.builds(
        StartRequest,
        kind=st.sampled_from([*KINDS]),
        organization_url=st.text(),
        project=st.text(),
        definition=st.integers(),
        body=st.dictionaries(st.text(), json_values, max_size=3),
    )
)
def test_a_request_round_trips(written):
    read = StartRequest.from_json(written.to_json())

    assert written == read
    assert json.loads(written.to_json())["kind"] == written.kind


@pytest.mark.parametrize(
    ("url", "key"),
    [
        pytest.param("https://dev.azure.com/contoso", "https://dev.azure.com/contoso", id="as is"),
        pytest.param("https://dev.azure.com/Contoso/", "https://dev.azure.com/contoso", id="case"),
        pytest.param(
            "https://Contoso.visualstudio.com", "https://dev.azure.com/contoso", id="older"
        ),
        pytest.param(
            "https://contoso.visualstudio.com/DefaultCollection/",
            "https://dev.azure.com/contoso",
            id="older, with the collection",
        ),
        pytest.param(
            "https://tfs.example/tfs/Contoso", "https://tfs.example/tfs/contoso", id="a server"
        ),
    ],
)
def test_spellings_of_an_organization_are_normalized(url, key):
    assert key == organization_key(url)


def test_targets_are_compared_without_the_project():
    spelled = [
        StartRequest("pipeline", url, project, 5, {})
        for url in ("https://dev.azure.com/contoso", "https://CONTOSO.visualstudio.com/")
        for project in ("ml", "ML", "9a1c0f6e-0000-4000-8000-000000000001")
    ]

    assert 1 == len({one.target for one in spelled})
    assert spelled[0].target != replace(spelled[0], definition=6).target
    assert spelled[0].target != replace(spelled[0], kind="release").target
