"""What a run of a pipeline is asked for: the whole POST."""

import pytest

from model_trigger.registrations.registration import Registration
from model_trigger.targets.pipeline import PipelineDefinition
from model_trigger.targets.request import TargetAddress
from model_trigger.targets.values import UnsafeValueError
from tests.support.build import CONTOSO, registration, rule

PIPELINE = TargetAddress("pipeline", CONTOSO, "ml", "deploy")


def run(fields=None, *, takes_key=False, described: Registration | None = None, **more):
    """Return the body of the POST for a run of a pipeline."""
    made = rule(release=None, pipeline={"id": 5} | (fields or {}), **more)
    definition = PipelineDefinition(5, "deploy", takes_key=takes_key)
    return made.request(described or registration(), PIPELINE, definition, "k1").body


def test_a_run_gets_model_name_and_version_and_nothing_else():
    assert {"templateParameters": {"modelName": "churn", "modelVersion": "17"}} == run()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"parameters": {"version": "{model_version}"}}, {"templateParameters": {"version": "17"}}),
        ({"parameters": {}}, {"templateParameters": {}}),
        (
            {"parameters": {}, "variables": {"a": "{rule}"}},
            {"templateParameters": {}, "variables": {"a": {"value": "churn"}}},
        ),
        (
            {"parameters": {}, "branch": "main"},
            {
                "templateParameters": {},
                "resources": {"repositories": {"self": {"refName": "refs/heads/main"}}},
            },
        ),
        (
            {"parameters": {}, "branch": "refs/tags/v1"},
            {
                "templateParameters": {},
                "resources": {"repositories": {"self": {"refName": "refs/tags/v1"}}},
            },
        ),
        (
            {"parameters": {}, "stages_to_skip": ["test", "dev"]},
            {"templateParameters": {}, "stagesToSkip": ["test", "dev"]},
        ),
    ],
    ids=["parameters", "no-parameters", "variables", "branch", "ref", "stages"],
)
def test_a_run_gets_what_the_rule_specifies(fields, expected):
    assert expected == run(fields)


@pytest.mark.parametrize("fields", [{}, {"parameters": {}}], ids=["defaults", "none"])
def test_a_run_gets_the_key_if_its_pipeline_accepts_it(fields):
    assert "k1" == run(fields, takes_key=True)["templateParameters"]["modelTriggerKey"]
    assert "modelTriggerKey" not in run(fields)["templateParameters"]


@pytest.mark.parametrize("where", ["parameters", "variables"])
def test_a_dangerous_value_is_refused_in_a_run(where):
    with pytest.raises(UnsafeValueError, match=r"^\{model_version\} begins with '-'"):
        run({"parameters": {}} | {where: {"x": "{model_version}"}}, described=registration("-1"))
    with pytest.raises(UnsafeValueError, match=r"^\{model_version\} begins with '-'"):
        run(described=registration("-1"))
