"""What a release is asked for: the whole POST, from a rule, a registration and a definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.targets.release import DEFAULT_VARIABLES, ReleaseDefinition, key_mark
from model_trigger.targets.request import StartRequest, TargetAddress, TargetError
from model_trigger.targets.values import UnsafeValueError
from tests.support.build import CONTOSO, registration, rule
from tests.support.drawn import relaxed

RELEASE = TargetAddress("release", CONTOSO, "ml", "Deploy")
ALL_SETTABLE = dict.fromkeys(DEFAULT_VARIABLES, True)


def released(
    fields=None, variables=None, artifacts=None, described: Registration | None = None, **more
):
    """Return the body of the POST for a release, with its variables by name."""
    made = rule(release={"definition": 12} | (fields or {}), **more)
    definition = ReleaseDefinition(12, "Deploy", variables or {}, artifacts or {})
    request = made.request(described or registration(), RELEASE, definition, "k1")
    body = dict(request.body)
    body["variables"] = {name: one.pop("value") for name, one in body["variables"].items()}
    return body


def test_the_request_is_self_contained():
    artifacts = {"_churn": "churn", "_code": None}
    definition = ReleaseDefinition(12, "Deploy", {"modelName": True}, artifacts)
    expected = StartRequest(
        kind="release",
        organization_url=CONTOSO,
        project="ml",
        definition=12,
        body={
            "definitionId": 12,
            "description": "churn 17 registered in ml-prod-ws [model-trigger:k1]",
            "variables": {"modelName": {"value": "churn"}},
            "artifacts": [{"alias": "_churn", "instanceReference": {"id": "17", "name": "17"}}],
        },
    )
    assert expected == rule().request(registration(), RELEASE, definition, "k1")


def test_a_request_that_is_too_large_to_store_is_refused():
    variables = {f"v{number}": "{tag.notes}" for number in range(4)}
    settable = dict.fromkeys(variables, True)

    def hand_over(length):
        described = registration(tags={"notes": "x" * length})
        return released({"variables": variables}, settable, described=described)

    assert "x" * 49_000 == hand_over(49_000)["variables"]["v3"]
    with pytest.raises(TargetError, match=r"^the request of rule 'churn' has 2\d\d,\d\d\d char"):
        hand_over(50_000)


# Variables of a release.


def test_a_release_gets_every_default_that_is_settable_in_its_definition():
    expected = {
        "modelName": "churn",
        "modelVersion": "17",
        "modelUri": "azureml:churn:17",
        "workspaceName": "ml-prod-ws",
        "resourceGroup": "ml-prod",
        "subscriptionId": "00000000-0000-0000-0000-000000000001",
    }
    assert expected == released(variables=ALL_SETTABLE)["variables"]


@pytest.mark.parametrize("name", DEFAULT_VARIABLES)
def test_a_default_that_is_not_settable_or_not_declared_is_omitted(name):
    without = {other: True for other in DEFAULT_VARIABLES if other != name}

    assert set(without) == set(released(variables=without)["variables"])
    assert set(without) == set(released(variables=without | {name: False})["variables"])
    assert {} == released(variables={"other": True})["variables"]


def test_the_rule_s_variables_are_added_to_the_defaults():
    fields = {"variables": {"stage": "{tag.stage}", "modelVersion": "v{model_version}"}}
    settable = {"modelName": True, "modelVersion": True, "stage": True}
    body = released(fields, settable, described=registration(tags={"Stage": "prod"}))

    assert {"modelName": "churn", "modelVersion": "v17", "stage": "prod"} == body["variables"]


def test_variable_names_are_case_insensitive_and_sent_as_declared():
    fields = {"variables": {"STAGE": "prod", "modelversion": "v17"}}
    settable = {"MODELNAME": True, "ModelVersion": True, "Stage": True}

    expected = {"MODELNAME": "churn", "ModelVersion": "v17", "Stage": "prod"}
    assert expected == released(fields, settable)["variables"]


def test_of_two_variables_that_differ_only_in_case_the_exact_one_is_used():
    declared = ReleaseDefinition(1, "d", {"stage": False, "Stage": True})

    assert ["Stage", "stage", "stage", None] == [
        declared.declared(name) for name in ("Stage", "stage", "STAGE", "other")
    ]


REMEDY = "add what is missing at scope Release, and tick Settable at release time"


@pytest.mark.parametrize(
    ("asked", "reported"),
    [
        (["stage"], "variable 'stage' is not settable"),
        (["owner"], "variable 'owner' does not exist"),
        (
            ["modelName", "owner", "STAGE"],
            "variable 'owner' does not exist and variable 'STAGE' is not settable",
        ),
    ],
    ids=["not-settable", "missing", "several"],
)
def test_a_variable_that_cannot_be_set_is_reported_with_the_fix(asked, reported):
    settable = {"modelName": True, "stage": False}
    with pytest.raises(TargetError) as caught:
        released({"variables": dict.fromkeys(asked, "x")}, settable)
    assert f"in release definition 'Deploy' (12) {reported}: {REMEDY}" == str(caught.value)


def test_a_dangerous_value_is_refused_in_defaults_and_in_the_rule():
    described = registration(model="$(x)", tags={"a": "$(x)"})

    with pytest.raises(UnsafeValueError, match=r"^\{model_name\} contains '\$'"):
        released(variables={"modelName": True}, described=described)
    with pytest.raises(UnsafeValueError, match=r"^\{tag\.a\} contains '\$'"):
        released({"variables": {"a": "{tag.a}"}}, {"a": True}, described=described, model="*")


def test_a_default_that_the_rule_replaces_or_allows_is_not_refused():
    described = registration(model="$(x)")
    settable = {"modelName": True}

    replaced = released({"variables": {"modelName": "x"}}, settable, described=described)
    allowed = released({}, settable, described=described, allow_unsafe=["model_name"])
    assert {"modelName": "x"} == replaced["variables"]
    assert {"modelName": "$(x)"} == allowed["variables"]


def test_a_definition_with_its_own_trigger_is_reported_with_what_to_turn_off():
    definition = ReleaseDefinition(12, "Deploy", triggers=("_churn", "_fraud"))
    expected = (
        "release definition 'Deploy' (12) also starts on its own, so every version is released "
        "twice: turn off the continuous deployment trigger of its artifact '_churn', '_fraud'"
    )
    assert expected == definition.doubled()
    assert "" == ReleaseDefinition(12, "Deploy").doubled()


@pytest.mark.parametrize(
    ("model", "concerned", "is_doubled"),
    [("churn", "churn", True), ("churn", "fraud", False), (None, "fraud", True)],
    ids=["of-the-model", "of-another", "of-an-unknown-one"],
)
def test_a_trigger_counts_unless_it_is_known_to_belong_to_another_model(
    model, concerned, is_doubled
):
    definition = ReleaseDefinition(12, "Deploy", artifacts={"_a": model}, triggers=("_a",))

    assert is_doubled is bool(definition.doubled(concerned.__eq__))


# Artifacts of a release.


def test_only_the_artifacts_of_the_model_get_its_version():
    body = released(artifacts={"_churn": "churn", "_again": "churn", "_fraud": "fraud", "_c": None})

    assert ["_churn", "_again"] == [one["alias"] for one in body["artifacts"]]
    assert [{"id": "17", "name": "17"}] * 2 == [
        one["instanceReference"] for one in body["artifacts"]
    ]


def test_the_rule_s_artifacts_are_added():
    fields = {"artifacts": {"_code": "main", "_churn": "{model_name}:{model_version}"}}
    body = released(fields, artifacts={"_churn": "churn", "_code": None})

    found = {one["alias"]: one["instanceReference"]["id"] for one in body["artifacts"]}
    assert {"_churn": "churn:17", "_code": "main"} == found


def test_a_dangerous_version_of_an_artifact_is_refused():
    with pytest.raises(UnsafeValueError, match=r"^\{model_version\} contains ';'"):
        released(artifacts={"_churn": "churn"}, described=registration("1;x"))


# The description of a release, and its key.


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{rule}: {tag.note}", "churn: a_b [model-trigger:k1]"),
        ("", "[model-trigger:k1]"),
        ("[model-trigger:k2]", "(model-trigger:k2] [model-trigger:k1]"),
    ],
    ids=["template", "empty", "forged"],
)
def test_the_description_of_the_rule_ends_in_the_key(template, expected):
    described = registration(tags={"note": "a\nb"})

    assert expected == released({"description": template}, described=described)["description"]


@relaxed
@given(st.text(), st.text(), st.text("0123456789abcdef", min_size=1))
def test_the_only_key_in_a_description_is_its_last_word(template, value, key):
    escaped = template.replace("{", "{{").replace("}", "}}")
    made = rule(
        release={"definition": 1, "description": f"{{tag.x}}{escaped}{{model_name}}{{tag.x}}"}
    )
    described = registration(model=value, tags={"x": value})
    body = made.request(described, RELEASE, ReleaseDefinition(1, "d"), key).body

    assert body["description"].endswith(key_mark(key))
    assert 1 == body["description"].lower().count("[model-trigger:")


def test_a_workspace_may_have_a_name_that_is_unsafe_for_scripts():
    workspace = Workspace.parse(registration().workspace.id.replace("ml-prod/", "ml(prod)/"))

    with pytest.raises(UnsafeValueError, match=r"^\{resource_group\} contains '\('"):
        released(variables={"resourceGroup": True}, described=registration(workspace=workspace))
