"""Rules from a file, from RULES and from one setting for one field."""

import json
import re

import pytest

from model_trigger.rules.book import RuleBook
from model_trigger.rules.fields import rule_fields
from model_trigger.rules.sources import gather, read_rules_text
from model_trigger.targets.pipeline import PipelineFields
from model_trigger.targets.release import ReleaseFields
from tests.support.sources import CHURN, fields, gathered, reported

# Where rules come from.


def test_without_any_setting_there_are_no_rules():
    assert {} == gather({}, "", "RULES_FILE")
    assert {} == gather({"RULES": "", "OTHER": "x"}, " \n", "RULES_FILE rules.json")


def test_a_rule_in_rules_replaces_the_whole_rule_of_the_file_and_no_other():
    file = json.dumps(
        {"$schema": "x", "churn": {"model": "a", "tags": {}}, "fraud": {"model": "f"}}
    )
    found = gathered(rules={"churn": CHURN, "other": 5}, file=file)

    assert {"churn": CHURN, "fraud": {"model": "f"}, "other": 5} == {
        name: source.fields for name, source in found.items()
    }


def test_the_setting_of_a_field_takes_precedence_over_rules_and_file():
    file = json.dumps({"fraud": {"model": "fraud", "version": "1"}})
    settings = {"RULES__churn__version": ">=10", "RULES__fraud__version": "2"}
    found = gathered(settings, file=file)

    assert CHURN | {"version": ">=10"} == found["churn"].fields
    assert {"model": "fraud", "version": "2"} == found["fraud"].fields
    assert {"version": "RULES__churn__version"} == found["churn"].origins


def test_a_rule_may_consist_of_settings_only():
    found = gathered(
        {
            "RULES__fraud__model": "fraud-*",
            "RULES__fraud__pipeline__id": "12",
            "RULES__fraud__pipeline__stages_to_skip": '["test"]',
        }
    )
    book = RuleBook.read(found)

    assert ["churn", "fraud"] == list(book.rules)
    expected = {"model": "fraud-*", "pipeline": {"id": "12", "stages_to_skip": ["test"]}}
    assert expected == found["fraud"].fields


@pytest.mark.parametrize(
    "setting", ["RULES__CHURN__VERSION", "rules__churn__version", "Rules__Churn__Version"]
)
def test_setting_names_are_case_insensitive(setting):
    found = gather({"rules": json.dumps({"churn": CHURN}), setting: ">=10"}, "", "")

    assert CHURN | {"version": ">=10"} == found["churn"].fields


def test_the_sources_are_not_modified():
    rules = {"churn": CHURN}
    gathered({"RULES__churn__release__project": "ml", "RULES__churn__version": "1"}, rules)

    assert {"churn": {"model": "churn", "release": {"definition": 1}}} == rules


# How the text of a setting is parsed.


@pytest.mark.parametrize(
    "text", ["1.10", "007", "true", "12", ">=10 <20", " 3 ", "[1]", '"x"', "{}", "NULL", "a,b"]
)
def test_text_is_taken_literally(text):
    assert text == fields({"RULES__churn__version": text})["version"]
    assert text == fields({"RULES__churn__release__project": text})["release"]["project"]


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("tags", '{"stage": ["prod", "!x"]}', {"stage": ["prod", "!x"]}),
        ("properties", ' {"auc": ">=0.9"} ', {"auc": ">=0.9"}),
        ("allow_unsafe", '["tag.notes"]', ["tag.notes"]),
        ("model", '["churn-*", "!churn-test"]', ["churn-*", "!churn-test"]),
        ("model", "churn-[ab]*", "churn-[ab]*"),
        ("release", '{"definition": "1.10"}', {"definition": "1.10"}),
    ],
)
def test_maps_and_lists_are_given_as_json(field, text, expected):
    assert expected == fields({f"RULES__churn__{field}": text})[field]


@pytest.mark.parametrize(
    ("owner", "field", "text", "expected"),
    [
        ("release", "definition", "7", "7"),
        ("release", "variables", '{"a": "{rule}"}', {"a": "{rule}"}),
        ("release", "artifacts", '{"_churn": "3"}', {"_churn": "3"}),
        ("release", "description", "{rule}", "{rule}"),
        ("pipeline", "id", "deploy", "deploy"),
        ("pipeline", "branch", "main", "main"),
        ("pipeline", "parameters", "{}", {}),
        ("pipeline", "variables", '{"a": "b"}', {"a": "b"}),
        ("pipeline", "stages_to_skip", '["a"]', ["a"]),
    ],
)
def test_the_fields_of_a_target_are_set_one_level_deeper(owner, field, text, expected):
    rules = {"churn": {"model": "churn", owner: {"project": "ml"}}}
    found = fields({f"RULES__churn__{owner}__{field}": text}, rules)

    assert {"project": "ml", field: expected} == found[owner]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("RULES__churn__version", {}),
        ("RULES__churn__tags", {}),
        ("RULES__churn__release", {"model": "churn"}),
        ("RULES__churn__release__definition", {"release": {}}),
        ("RULES__churn__release__project", {}),
        ("RULES__churn__pipeline__project", {}),
        ("RULES__churn__model", {"release": {"definition": 1}}),
    ],
)
@pytest.mark.parametrize("null", ["null", " null "])
def test_null_removes_a_field(setting, expected, null):
    found = fields({setting: null})

    assert {name: value for name, value in CHURN.items() if name in found} | expected == found
    assert None not in found.values()


def test_a_target_is_replaced_before_its_fields_whatever_their_order():
    settings = {
        "RULES__CHURN__RELEASE__PROJECT": "ml",
        "RULES__churn__release": '{"definition": 2}',
    }

    assert {"definition": 2, "project": "ml"} == fields(settings)["release"]


FIELDS = {
    "model": '["churn-*", "!churn-test"]',
    "workspace": "ml-*",
    "scheme": "semver",
    "version": "1",
    "version_from": "tag:semver",
    "start": "latest",
    "tags": '{"stage": ["prod", "test"]}',
    "properties": '{"auc": ">=0.9"}',
    "mode": "observe",
    "allow_unsafe": '["tag.notes"]',
    "release": '{"definition": 2}',
    "release__definition": "Deploy",
    "release__project": "ml",
    "release__organization_url": "https://dev.azure.com/contoso",
    "release__variables": '{"stage": "{tag.stage}"}',
    "release__artifacts": '{"_churn": "{model_version}"}',
    "release__description": "about {model_name}",
    "pipeline": '{"id": 2}',
    "pipeline__id": "deploy",
    "pipeline__project": "ml",
    "pipeline__organization_url": "https://dev.azure.com/contoso",
    "pipeline__branch": "main",
    "pipeline__parameters": '{"stage": "{tag.stage}"}',
    "pipeline__variables": '{"stage": "{tag.stage}"}',
    "pipeline__stages_to_skip": '["test"]',
}


@pytest.mark.parametrize(("field", "text"), FIELDS.items(), ids=list(FIELDS))
def test_every_field_can_be_set_by_a_setting(field, text):
    target = {"pipeline": {"id": 1}} if field.startswith("pipeline") else CHURN
    book = RuleBook.read(
        gathered({f"RULES__churn__{field}": text}, {"churn": {"model": "churn"} | target})
    )
    assert [] == list(book.problems)


@pytest.mark.parametrize("field", [name for name, text in FIELDS.items() if text[0] in "[{"])
def test_the_example_for_a_map_or_a_list_is_valid(field):
    target = {"pipeline": {"id": 1}} if field.startswith("pipeline") else CHURN
    rules = {"churn": {"model": "churn"} | target}
    problem = reported({f"RULES__churn__{field}": "[x"}, rules)[0]
    (example,) = re.findall(r" is not valid JSON, such as (.*): Expecting ", problem)

    assert [] == reported({f"RULES__churn__{field}": example}, rules)


def test_no_field_is_missing_from_those_that_a_setting_can_set():
    owners = {"": rule_fields(), "release__": ReleaseFields, "pipeline__": PipelineFields}

    assert set(FIELDS) == {
        f"{owner}{name}" for owner, model in owners.items() for name in model.model_fields
    }


def test_the_schema_reference_for_editors_is_not_a_rule():
    assert {"a": 1} == read_rules_text('{"$schema": "./rules.schema.json", "a": 1}', "RULES")
