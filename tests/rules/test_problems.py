"""What is reported about an invalid rule: path, value, and what is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import rule_fields
from model_trigger.rules.problems import Problem, problem
from model_trigger.targets.pipeline import PipelineFields
from model_trigger.targets.release import ReleaseFields
from tests.rules.mistakes import MISTAKES, rule
from tests.rules.target_mistakes import TARGET_MISTAKES
from tests.support.drawn import relaxed


def reported(fields: object, **origins: str) -> list[str]:
    source = RuleSource(fields, {path.replace("__", "."): name for path, name in origins.items()})
    return [str(one) for one in RuleBook.read({"churn": source}).problems]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [pytest.param(*row, id=name) for name, row in (MISTAKES | TARGET_MISTAKES).items()],
)
def test_a_mistake_is_reported_with_path_value_what_is_allowed_and_the_closest_spelling(
    fields, expected
):
    assert [expected] == reported(fields)


def test_all_mistakes_of_a_rule_are_reported_together():
    fields = {
        "version": 10,
        "start": "newst",
        "tags": {"auc": 0.9, "stage": []},
        "release": {"variables": {"x": "{"}},
        "pipeline": {},
        "other": 1,
    }

    assert [
        "churn",
        "churn.model",
        "churn.version",
        "churn.start",
        "churn.tags.auc",
        "churn.tags.stage",
        "churn.release.definition",
        "churn.release.variables.x",
        "churn.pipeline.id",
        "churn.other",
    ] == [line.partition(":")[0] for line in reported(fields)]


@pytest.mark.parametrize(
    ("fields", "origins", "path"),
    [
        ({"version": 1}, {"version": "RULES__churn__version"}, "RULES__churn__version"),
        (
            {"tags": {"auc": 1}},
            {"tags": "RULES__churn__tags"},
            "RULES__churn__tags.auc",
        ),
        (
            {"release": {"definition": 0}},
            {"release__definition": "RULES__churn__release__definition"},
            "RULES__churn__release__definition",
        ),
        (
            {"release": {"definition": 0}},
            {"release": "RULES__churn__release", "release__project": "other"},
            "RULES__churn__release.definition",
        ),
        ({"tags": {"": "x"}}, {"tags": "RULES__churn__tags"}, "RULES__churn__tags"),
        ({"tags": {"a": 1}}, {"version": "RULES__churn__version"}, "churn.tags.a"),
    ],
    ids=["field", "inside", "one-level-deeper", "in-a-target", "name-of-an-entry", "other-field"],
)
def test_a_problem_in_a_setting_names_the_setting(fields, origins, path):
    assert [path] == [line.partition(":")[0] for line in reported(rule(**fields), **origins)]


def test_a_long_value_is_cut_and_stays_on_one_line():
    (line,) = reported(rule(start="x\n" * 500))

    assert line.isprintable()
    assert len(line) < 300


def test_a_path_with_anything_in_it_stays_on_one_line():
    (line,) = reported(rule(tags={"a\nb\u2028": 5}))

    assert 'churn.tags.a\\nb\\u2028: 5 is not text; put it in quotes: "5"' == line


def test_a_problem_without_a_value_shows_none():
    assert Problem("a.b", "", "is missing") == problem("a.b", "is missing")
    assert Problem("a.b", "null", "is wrong") == problem("a.b", "is wrong", None)


FIELDS = [
    *rule_fields().model_fields,
    *(f"release.{name}" for name in ReleaseFields.model_fields),
    *(f"pipeline.{name}" for name in PipelineFields.model_fields),
]
characters = st.text(st.characters(codec=None) | st.characters(categories=["Cs"]), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | characters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=8,
)


@relaxed
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3), json_values)
def test_any_rule_is_valid_or_reported_in_our_own_words(changes, whole):
    nested: dict = {"release": {"definition": 1}}
    for path, value in changes.items():
        owner, _, name = path.rpartition(".")
        inner = nested.setdefault(owner, {}) if owner else nested
        if isinstance(inner, dict):
            inner[name] = value
    for line in [*reported(rule(**nested)), *reported(whole)]:
        assert line.isprintable()
        assert "Input should be" not in line
