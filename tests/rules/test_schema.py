"""The JSON Schema for rules in editors agrees with the app and is up to date."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import rule_fields
from model_trigger.rules.schema import rules_schema, schema_text

INFRA = Path(__file__).parents[2] / "infra"
VALIDATOR = jsonschema.Draft202012Validator(rules_schema())
RELEASE = {"release": {"definition": 1}}
RULE = {"model": "churn", **RELEASE}


def app_accepts(rules):
    named = {name: RuleSource(rule) for name, rule in rules.items() if name != "$schema"}
    return not RuleBook.read(named).broken


def test_the_shipped_schema_is_up_to_date():
    shipped = (INFRA / "rules.schema.json").read_text(encoding="utf-8")

    assert schema_text() == shipped, "run: python -m model_trigger schema > infra/rules.schema.json"


def test_the_shipped_rules_refer_to_the_schema_and_conform_to_it():
    rules = json.loads((INFRA / "rules.json").read_text(encoding="utf-8"))

    assert "./rules.schema.json" == rules["$schema"]
    VALIDATOR.validate(rules)


def test_the_schema_is_a_valid_schema():
    jsonschema.Draft202012Validator.check_schema(rules_schema())


VALID = [
    pytest.param({}, id="no-rules"),
    pytest.param({"$schema": "./rules.schema.json", "churn": RULE}, id="with-the-schema"),
    pytest.param({"fraud_eu_2": RULE | {"model": ["fraud-*", "!fraud-x"]}}, id="list-of-globs"),
    pytest.param({"churn": {"model": "x", "pipeline": {"id": "deploy"}}}, id="pipeline-by-name"),
    pytest.param({"churn": RULE | {"pipeline": None, "workspace": None}}, id="null-is-absent"),
    pytest.param(
        {
            "churn": {
                "model": "x",
                "workspace": "prod-*",
                "scheme": "semver",
                "version": "^1.4",
                "version_from": "tag:semver",
                "start": "latest",
                "tags": {"stage": ["prod", "live"], "auc": ">=0.9"},
                "properties": {"source": "*"},
                "mode": "observe",
                "allow_unsafe": ["tag.notes"],
                "release": {
                    "definition": "\\ml\\Deploy",
                    "project": "ml",
                    "organization_url": "https://dev.azure.com/contoso",
                    "variables": {"notes": "{tag.notes}"},
                    "artifacts": {"_churn": "{model_version}"},
                    "description": "{model_name}",
                },
            }
        },
        id="every-field-of-a-release",
    ),
    pytest.param(
        {
            "churn": {
                "model": "x",
                "pipeline": {
                    "id": 7,
                    "project": "ml",
                    "organization_url": "https://dev.azure.com/contoso",
                    "branch": "main",
                    "parameters": {"model": "{model_uri}"},
                    "variables": {"stage": "{tag.stage}"},
                    "stages_to_skip": ["Test"],
                },
            }
        },
        id="every-field-of-a-pipeline",
    ),
]


@pytest.mark.parametrize("rules", VALID)
def test_valid_rules_conform_to_the_schema(rules):
    assert app_accepts(rules)
    VALIDATOR.validate(rules)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([], id="a-list"),
        pytest.param({"churn": "release 1"}, id="a-rule-that-is-text"),
        pytest.param({"Churn": RULE}, id="upper-case-name"),
        pytest.param({"churn__eu": RULE}, id="two-underscores"),
        pytest.param({"churn_": RULE}, id="trailing-underscore"),
        pytest.param({"a" * 25: RULE}, id="long-name"),
        pytest.param({"churn": RELEASE}, id="no-model"),
        pytest.param({"churn": {"model": "churn"}}, id="no-target"),
        pytest.param({"churn": RULE | {"pipeline": {"id": 1}}}, id="two-targets"),
        pytest.param({"churn": RULE | {"release": None}}, id="null-target"),
        pytest.param({"churn": RULE | {"modle": "x"}}, id="unknown-field"),
        pytest.param({"churn": RULE | {"model": 1}}, id="model-that-is-a-number"),
        pytest.param({"churn": RULE | {"version": 10}}, id="version-that-is-a-number"),
        pytest.param({"churn": RULE | {"scheme": "pep440"}}, id="unknown-scheme"),
        pytest.param({"churn": RULE | {"start": "newest"}}, id="unknown-start"),
        pytest.param({"churn": RULE | {"mode": "on"}}, id="unknown-mode"),
        pytest.param({"churn": RULE | {"tags": {"auc": 0.9}}}, id="condition-that-is-a-number"),
        pytest.param({"churn": RULE | {"tags": ["stage"]}}, id="tags-that-are-a-list"),
        pytest.param({"churn": {"model": "x", "release": {}}}, id="release-without-definition"),
        pytest.param(
            {"churn": {"model": "x", "release": {"definition": 1, "id": 1}}},
            id="unknown-field-of-a-release",
        ),
        pytest.param(
            {"churn": {"model": "x", "pipeline": {"id": 1, "stages_to_skip": "Test"}}},
            id="stages-that-are-text",
        ),
    ],
)
def test_invalid_rules_violate_the_schema(rules):
    assert not isinstance(rules, dict) or not app_accepts(rules)
    assert not VALIDATOR.is_valid(rules)


@given(st.text("abzAZ019_-. ", max_size=26) | st.from_regex("[a-z][a-z0-9_]{0,25}", fullmatch=True))
def test_the_schema_accepts_the_names_that_the_app_accepts(name):
    assert app_accepts({name: RULE}) == VALIDATOR.is_valid({name: RULE})


TEXTS = ["", "x", "*", "!x", ">=1", "{rule}", "{x}", "newer", "semver", "off", "tag:x", "http://x"]
OTHERS = [None, True, 0, 1, 1.5, -1, [], ["x"], [1], [""], {}, {"x": "y"}, {"x": ["y"]}, {"": "x"}]
TARGETS = [{"id": 1}, {"id": "x", "branch": ""}, {"definition": "x", "variables": {"a": "{rule}"}}]
VALUES = st.sampled_from([*TEXTS, *OTHERS, *TARGETS])
FIELDS = st.dictionaries(
    st.sampled_from([*rule_fields().model_fields, "other"]), VALUES, max_size=4
)


@given(FIELDS)
def test_what_the_app_accepts_conforms_to_the_schema(fields):
    rules = {"churn": RULE | fields}
    if app_accepts(rules):
        VALIDATOR.validate(rules)


def test_every_field_has_a_description_and_no_generated_title():
    schema = rules_schema()
    titles = re.findall(r'"title": "([^"]*)"', schema_text())
    fields = [
        field for part in schema["$defs"].values() for field in part.get("properties", {}).values()
    ]

    assert ["Rules of Model Trigger"] == titles
    assert len(rule_fields().model_fields) < len(fields)
    assert [] == [field for field in fields if "description" not in field]
    assert "null" not in [field.get("default", "") for field in fields]


def test_optional_fields_have_their_defaults():
    fields = rules_schema()["$defs"]["Rule"]["properties"]
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}

    expected = {"scheme": "integer", "version": "*", "version_from": "version", "start": "newer"}
    expected |= {"tags": {}, "properties": {}, "mode": "live", "allow_unsafe": []}
    assert expected == defaults
