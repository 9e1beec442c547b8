"""The fields of a rule: defaults, every form in which a field can be written, and the result."""

import pytest
from pydantic import BaseModel, ValidationError

from model_trigger.matching.versions import Scheme
from model_trigger.registrations.registration import Label
from model_trigger.rules.fields import Mode, RuleFields, Start, VersionSource, rule_fields
from model_trigger.targets.pipeline import PipelineFields
from model_trigger.targets.release import ReleaseFields
from model_trigger.targets.values import Template

RELEASE = {"definition": 1}


def read(**fields) -> RuleFields:
    return rule_fields().model_validate({"model": "churn", "release": RELEASE} | fields)


def read_release(**fields) -> ReleaseFields | None:
    return read(release=RELEASE | fields).release


def read_pipeline(**fields) -> PipelineFields | None:
    return read(release=None, pipeline={"id": 1} | fields).pipeline


def test_a_rule_needs_a_model_and_a_target_and_has_defaults_for_the_rest():
    rule = read()

    assert (Scheme.INTEGER, "*", VersionSource()) == (rule.scheme, rule.version, rule.version_from)
    assert (Start.NEWER, Mode.LIVE, None) == (rule.start, rule.mode, rule.workspace)
    assert ({}, {}, ()) == (rule.tags, rule.properties, rule.allow_unsafe)
    assert rule.release is not None
    assert rule.pipeline is None


def test_a_release_needs_a_definition_and_a_pipeline_an_id():
    release, pipeline = read_release(), read_pipeline()

    assert ReleaseFields.model_validate(RELEASE) == release
    assert (None, None, {}, {}, None) == (
        release.project,
        release.organization_url,
        release.variables,
        release.artifacts,
        release.description,
    )
    assert (None, None, None, None, {}, ()) == (
        pipeline.project,
        pipeline.organization_url,
        pipeline.branch,
        pipeline.parameters,
        pipeline.variables,
        pipeline.stages_to_skip,
    )


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        pytest.param(12, 12, id="number"),
        pytest.param("12", 12, id="digits"),
        pytest.param(2**31 - 1, 2**31 - 1, id="highest"),
        pytest.param("Deploy 12", "Deploy 12", id="name"),
        pytest.param("\\ml\\Deploy", "\\ml\\Deploy", id="name-with-path"),
        pytest.param("-1", "-1", id="name-like-a-negative-number"),
    ],
)
def test_a_target_is_named_by_its_id_or_its_name(definition, expected):
    assert expected == read_release(definition=definition).definition
    assert expected == read_pipeline(id=definition).id


@pytest.mark.parametrize(
    "wrong", [0, -1, 2**31, True, 1.5, "", "0", "00", "9" * 20, None, [1], {}], ids=repr
)
def test_a_target_that_is_neither_an_id_nor_a_name_is_refused(wrong):
    with pytest.raises(ValidationError, match=r"is neither an id \(.*\) nor a name"):
        read_release(definition=wrong)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("version", None),
        ("Version", None),
        ("tag:semver", Label("tag", "semver")),
        ("TAG:SemVer", Label("tag", "SemVer")),
        ("property:a:b", Label("property", "a:b")),
    ],
)
def test_the_version_is_read_from_version_from(written, expected):
    assert VersionSource(expected) == read(version_from=written).version_from


@pytest.mark.parametrize(
    "address",
    [
        "https://dev.azure.com/contoso",
        "https://Dev.Azure.com/Contoso",
        "https://contoso.visualstudio.com",
        "https://tfs.contoso.com:8080/tfs/Default%20Collection",
        "http://127.0.0.1:8081/contoso",
    ],
)
def test_an_organization_is_named_by_its_address_without_a_slash_at_the_end(address):
    assert address == read_release(organization_url=address).organization_url
    assert address == read_pipeline(organization_url=f"{address}/").organization_url


def test_variables_artifacts_parameters_and_description_are_templates():
    template = Template.parse("{model_version}")
    written = {"a": "{model_version}"}

    release = read_release(variables=written, artifacts=written, description=written["a"])
    pipeline = read_pipeline(variables=written, parameters=written)

    assert {"a": template} == release.variables == release.artifacts
    assert {"a": template} == pipeline.variables == pipeline.parameters
    assert template == release.description
    assert {} == read_pipeline(parameters={}).parameters


@pytest.mark.parametrize(
    ("one", "other", "stricter"),
    [
        (Mode.LIVE, Mode.LIVE, Mode.LIVE),
        (Mode.LIVE, Mode.OBSERVE, Mode.OBSERVE),
        (Mode.OBSERVE, Mode.OFF, Mode.OFF),
        (Mode.LIVE, Mode.OFF, Mode.OFF),
    ],
)
def test_off_is_stricter_than_observe_and_observe_than_live(one, other, stricter):
    assert stricter == one.stricter(other) == other.stricter(one)


@pytest.mark.parametrize("fields", [rule_fields(), ReleaseFields, PipelineFields])
def test_every_field_is_described_for_editors_and_people(fields: type[BaseModel]):
    schema = fields.model_json_schema()["properties"]

    assert [] == [name for name, field in schema.items() if not field["description"].endswith(".")]


def test_parsed_fields_are_immutable():
    with pytest.raises(ValidationError, match="frozen"):
        read().version = "7"
