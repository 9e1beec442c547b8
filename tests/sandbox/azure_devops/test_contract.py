"""The sandbox's contract allows only what the specification of Azure DevOps allows."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.azure_devops.contract import (
    SPECIFICATIONS,
    BuiltInRules,
    Specification,
    load_contract,
)
from tests.sandbox.azure_devops.messages import Request

needs_specifications = pytest.mark.skipif(
    not SPECIFICATIONS.is_dir(), reason=f"no Azure DevOps specification at {SPECIFICATIONS}"
)
BUILT_IN = BuiltInRules()
PUBLISHED = Specification(SPECIFICATIONS) if SPECIFICATIONS.is_dir() else BUILT_IN
CONTRACTS = [
    pytest.param(BUILT_IN, id="built-in rules"),
    pytest.param(PUBLISHED, id="published specification", marks=needs_specifications),
]
RELEASES = "/fabrikam/My Project/_apis/Release/releases"
RUNS = "/fabrikam/ml/_apis/pipelines/5/runs"
BUILDS = "/fabrikam/ml/_apis/build/builds"
RELEASE = {
    "definitionId": 1,
    "description": "churn 17",
    "artifacts": [{"alias": "_churn", "instanceReference": {"id": "17", "name": "17"}}],
    "variables": {"modelVersion": {"value": "17", "allowOverride": True}},
    "isDraft": False,
    "reason": "none",
    "manualEnvironments": [],
    "properties": {"any": "thing", "count": "many"},
}
RUN = {
    "previewRun": False,
    "resources": {"repositories": {"self": {"refName": "refs/heads/main"}}},
    "templateParameters": {"modelVersion": "17"},
    "variables": {"note": {"value": "text", "isSecret": False}},
    "stagesToSkip": ["Test"],
}


def request(method, path, body=None, query=None, accept="application/json;api-version=7.1"):
    text = b"" if body is None else json.dumps(body).encode()
    headers = {"accept": accept}
    return Request(method, path, query or {}, headers, text, datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param(RELEASES, RELEASE, id="a release with every field"),
        pytest.param(RELEASES, {"definitionId": 1}, id="a release with one field"),
        pytest.param(RUNS, RUN, id="a run with every field"),
        pytest.param(RUNS, {}, id="a run with no field"),
        pytest.param(RUNS.replace("runs", "preview"), RUN, id="a preview"),
    ],
)
def test_a_request_that_conforms_to_the_specification_has_no_violations(contract, path, body):
    assert [] == contract.violations(request("POST", path, body))


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize(
    ("path", "body", "names"),
    [
        pytest.param(RELEASES, RELEASE | {"createdFor": "x"}, "createdFor", id="unknown field"),
        pytest.param(RELEASES, RELEASE | {"tags": ["a"]}, "tags", id="tags at creation"),
        pytest.param(RELEASES, RELEASE | {"variables": [{"v": {}}]}, "variables", id="list"),
        pytest.param(RELEASES, RELEASE | {"variables": {"v": "17"}}, "v", id="plain text value"),
        pytest.param(RELEASES, RELEASE | {"variables": {"v": {"value": 17}}}, "v", id="number"),
        pytest.param(RELEASES, RELEASE | {"variables": None}, "variables", id="null variables"),
        pytest.param(RELEASES, RELEASE | {"artifacts": {"a": "1"}}, "artifacts", id="not a list"),
        pytest.param(
            RELEASES,
            RELEASE | {"artifacts": [{"alias": "a", "instanceReference": {"id": 17}}]},
            "artifacts[0]",
            id="artifact id that is a number",
        ),
        pytest.param(RELEASES, [RELEASE], "body", id="a list of releases"),
        pytest.param(RELEASES, None, "body", id="no body"),
        pytest.param(RUNS, RUN | {"runName": "y"}, "runName", id="unknown field of a run"),
        pytest.param(
            RUNS, {"templateParameters": {"v": 17}}, "templateParameters", id="number parameter"
        ),
        pytest.param(RUNS, {"templateParameters": []}, "templateParameters", id="parameter list"),
        pytest.param(RUNS, {"variables": {"v": "x"}}, "variables", id="plain text run variable"),
    ],
)
def test_a_mistake_in_the_body_is_one_violation_with_its_path(contract, path, body, names):
    (violation,) = contract.violations(request("POST", path, body))
    assert names in violation


@needs_specifications
@pytest.mark.parametrize(
    ("method", "path", "query", "body", "names"),
    [
        pytest.param("POST", RELEASES, {}, RELEASE | {"reason": "because"}, "reason", id="enum"),
        pytest.param(
            "POST", RELEASES, {}, RELEASE | {"definitionId": "1"}, "definitionId", id="id"
        ),
        pytest.param(
            "POST",
            RELEASES,
            {},
            {"artifacts": [{"alias": "a", "instanceReference": {"id": "1", "name": None}}]},
            "artifacts[0].instanceReference.name",
            id="null in a nested field",
        ),
        pytest.param("POST", RUNS, {}, {"stagesToSkip": "Test"}, "stagesToSkip", id="not a list"),
        pytest.param("GET", RELEASES, {"definitionId": "x"}, None, "definitionId", id="integer"),
        pytest.param("GET", RELEASES, {"foo": "1"}, None, "foo", id="unknown query parameter"),
        pytest.param("GET", RELEASES, {"$expand": "all"}, None, "$expand", id="query enum"),
        pytest.param("GET", BUILDS, {"minTime": "noon"}, None, "minTime", id="not a time"),
        pytest.param(
            "GET", f"{RELEASES}/one", {}, None, "releaseId", id="path that is not an integer"
        ),
        pytest.param("PUT", RELEASES, {}, RELEASE, "PUT", id="no such operation"),
    ],
)
def test_the_specification_checks_more_than_the_built_in_rules(method, path, query, body, names):
    (violation,) = PUBLISHED.violations(request(method, path, body, query))
    assert names in violation


@pytest.mark.parametrize(
    ("path", "query"),
    [
        pytest.param(f"{RELEASES}/17", {}, id="a release by its id"),
        pytest.param(
            RELEASES,
            {
                "definitionId": "1",
                "minCreatedTime": "2026-11-01T00:00:00.000Z",
                "queryOrder": "ascending",
                "$expand": "variables",
                "$top": "100",
                "continuationToken": "7",
            },
            id="a list of releases",
        ),
        pytest.param(
            RELEASES.replace("releases", "definitions"),
            {"searchText": "Deploy churn", "isExactNameMatch": "true", "$expand": "artifacts"},
            id="release definitions",
        ),
        pytest.param(
            BUILDS,
            {"definitions": "5", "minTime": "2026-11-01", "queryOrder": "queueTimeDescending"},
            id="builds",
        ),
    ],
)
@needs_specifications
def test_read_requests_conform_to_the_specification(path, query):
    assert [] == PUBLISHED.violations(request("GET", path, query=query))


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize(
    ("accept", "query", "violations"),
    [
        pytest.param("application/json;api-version=7.1-preview.8", {}, 0, id="in Accept"),
        pytest.param("application/json", {"api-version": "7.1"}, 0, id="in the query"),
        pytest.param("application/json", {}, 1, id="missing"),
    ],
)
def test_every_request_has_an_api_version(contract, accept, query, violations):
    found = contract.violations(request("GET", RELEASES, query=query, accept=accept))
    assert violations == len(found)
    assert all("api-version" in violation for violation in found)


@pytest.mark.parametrize("contract", CONTRACTS)
@given(name=st.text().filter(lambda name: name not in RELEASE | {"environmentsMetadata": []}))
def test_only_fields_of_the_specification_are_accepted(contract, name):
    assert 1 == len(contract.violations(request("POST", RELEASES, RELEASE | {name: "x"})))


@given(name=st.text(), value=st.text())
def test_a_variable_can_have_any_name_and_text(name, value):
    body = RELEASE | {"variables": {name: {"value": value}}}
    for contract in (BUILT_IN, PUBLISHED):
        assert [] == contract.violations(request("POST", RELEASES, body))


def test_without_the_specification_the_built_in_rules_are_checked_and_reported_once(
    tmp_path, capsys
):
    nowhere = tmp_path / "nowhere"
    assert isinstance(load_contract(nowhere), BuiltInRules)
    assert isinstance(load_contract(nowhere), BuiltInRules)
    assert 1 == capsys.readouterr().err.count(str(nowhere))
