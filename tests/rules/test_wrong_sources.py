"""What is wrong with rules from settings, RULES and a file, and what only looks so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.rules.book import RuleBook
from model_trigger.rules.problems import GivenTwice
from model_trigger.rules.sources import RulesUnreadableError, find_setting, gather
from tests.rules.mistakes import RULE_FIELDS
from tests.support.drawn import relaxed
from tests.support.sources import CHURN, fields, gathered, reported


@pytest.mark.parametrize("text", ["", " "])
def test_a_range_that_lost_its_quotes_in_a_shell_is_refused_with_a_hint(text):
    problems = reported({"RULES__Churn__Version": text}, {"churn": CHURN | {"version": ">=10"}})

    assert [
        (
            f'RULES__Churn__Version: "{text}" is empty; write a range such as >=10, or * for any '
            "version; in a shell, quote the whole setting, as in "
            "'RULES__Churn__Version=>=10', because > redirects output"
        )
    ] == problems


REFERENCE = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/rules)"
UNRESOLVED = "is a Key Vault reference that Azure could not resolve: check that the secret exists"


@pytest.mark.parametrize(
    "field", ["version", "tags", "release__organization_url", "release__variables"]
)
def test_a_field_that_azure_could_not_resolve_breaks_its_rule(field):
    (problem,) = reported({f"RULES__churn__{field}": REFERENCE}, {"churn": CHURN})

    assert problem.startswith(f'RULES__churn__{field}: "{REFERENCE}" {UNRESOLVED}')


@pytest.mark.parametrize("setting", ["RULES", "RULES_FILE"])
def test_rules_that_azure_could_not_resolve_are_named(setting):
    with pytest.raises(RulesUnreadableError, match=f"^{setting} {UNRESOLVED}"):
        find_setting({setting: REFERENCE.upper()}, setting)


# Invalid settings.


def wrong(name, settings, *expected):
    return pytest.param(settings, list(expected), id=name)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        wrong(
            "map-that-is-not-json",
            {"RULES__churn__tags": "stage=prod"},
            'RULES__churn__tags: "stage=prod" is not valid JSON, such as {"stage": "prod"}: '
            "Expecting value: line 1 column 1 (char 0)",
        ),
        wrong(
            "list-that-is-not-json",
            {"RULES__churn__allow_unsafe": "tag.notes"},
            'RULES__churn__allow_unsafe: "tag.notes" is not valid JSON, such as ["tag.notes"]: '
            "Expecting value: line 1 column 1 (char 0)",
        ),
        wrong(
            "globs-that-are-not-json",
            {"RULES__churn__model": "[churn-a, churn-b]"},
            'RULES__churn__model: "[churn-a, churn-b]" is not valid JSON, such as '
            '["churn-*", "!churn-test"]: Expecting value: line 1 column 2 (char 1)',
        ),
        wrong(
            "empty-map",
            {"RULES__churn__release__variables": ""},
            'RULES__churn__release__variables: "" is not valid JSON, such as '
            '{"stage": "{tag.stage}"}: Expecting value: line 1 column 1 (char 0)',
        ),
        wrong(
            "json-but-no-map",
            {"RULES__churn__tags": "5"},
            'RULES__churn__tags: 5 is not a JSON object, such as {"name": "value"}',
        ),
        wrong(
            "too-deep",
            {"RULES__churn__tags__stage": "prod"},
            'RULES__churn__tags__stage: "prod" is nested too deeply; '
            "set all of tags as JSON in RULES__churn__tags",
        ),
        wrong(
            "too-deep-in-a-target",
            {"rules__churn__Release__Variables__x": "y"},
            'rules__churn__Release__Variables__x: "y" is nested too deeply; '
            "set all of release.variables as JSON in rules__churn__Release__Variables",
        ),
        wrong(
            "no-field",
            {"RULES__churn": "{}"},
            'RULES__churn: "{}" does not name a field; name the setting RULES__<rule>__<field>',
        ),
        wrong(
            "empty-step",
            {"RULES__churn____version": "1"},
            'RULES__churn____version: "1" does not name a field; name the setting '
            "RULES__<rule>__<field>",
        ),
        wrong(
            "unknown-field",
            {"RULES__churn__versoin": "1"},
            f"RULES__churn__versoin: is not a field; allowed: {RULE_FIELDS}; "
            "did you mean 'version'?",
        ),
        wrong(
            "differ-only-in-case",
            {"RULES__churn__version": "1", "RULES__Churn__Version": "2"},
            'RULES__churn__version: "1" is also set by RULES__Churn__Version, which '
            "differs only in case; remove one of the two",
        ),
        wrong(
            "wrong-value",
            {"RULES__churn__version": "^1"},
            'RULES__churn__version: "^1" is invalid: `^1` cannot be read as a range of scheme '
            "integer: `^` needs scheme: semver; the nearest valid spelling is `>=1 <2`; allowed "
            "are `7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`",
        ),
        wrong(
            "misspelled-rule",
            {"RULES__chrun__version": ">=10"},
            "RULES__chrun__version: there is no rule 'chrun' in RULES or RULES_FILE; "
            "did you mean 'churn'?",
            'chrun: has no target; add release or pipeline, such as "release": {"definition": 12}',
            "chrun.model: is missing; expected the glob for the model's name, or a list of globs; "
            "a leading ! excludes",
        ),
        wrong(
            "name-given-twice",
            {"RULES__churn__tags": '{"stage": "a", "stage": "b"}'},
            "RULES__churn__tags.stage: is specified twice; keep one of the two",
        ),
    ],
)
def test_an_invalid_setting_is_reported(settings, expected):
    assert expected == reported(settings)


def test_an_invalid_setting_breaks_only_its_rule():
    rules = {"churn": CHURN, "fraud": {"model": "fraud", "release": {"definition": 2}}}
    book = RuleBook.read(gathered({"RULES__churn__tags": "x"}, rules))

    assert ["fraud"] == list(book.rules)
    assert ["churn"] == list(book.broken)
    assert book.broken["churn"].globs.fit("churn")


def test_an_invalid_target_is_not_hidden_by_a_setting_for_one_of_its_fields():
    rules = {"churn": {"model": "churn", "release": "Deploy"}}
    (problem,) = reported({"RULES__churn__release__definition": "2"}, rules)

    assert problem.startswith('churn.release: "Deploy" is not a JSON object with the fields defini')


def test_an_invalid_rule_is_not_hidden_by_settings():
    (problem,) = reported({"RULES__churn__version": "2"}, {"churn": "x"})

    assert problem.startswith('churn: "x" is not a JSON object with the fields model, ')


# Problems with RULES or the file as a whole, and what only looks like one.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"churn": ', "is not JSON: Expecting value: line 1 column 11 (char 10)"),
        ("churn", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]", 'is not a JSON object of rules by name, such as {"churn": {...}}'),
        ("null", 'is not a JSON object of rules by name, such as {"churn": {...}}'),
        ('"churn"', 'is not a JSON object of rules by name, such as {"churn": {...}}'),
        ("[" * 300_000 + "]" * 300_000, "is not JSON: it is nested too deeply"),
    ],
    ids=["cut", "text", "list", "null", "json-text", "deep"],
)
def test_invalid_rules_as_a_whole_are_reported_with_place_and_reason(text, message):
    with pytest.raises(RulesUnreadableError) as caught:
        gathered(rules=text)
    assert f"RULES {message}" == str(caught.value)
    with pytest.raises(RulesUnreadableError) as caught:
        gathered(file=text)
    assert f"RULES_FILE rules.json {message}" == str(caught.value)


def test_rules_under_two_names_that_differ_only_in_case_are_ambiguous():
    with pytest.raises(RulesUnreadableError) as caught:
        gather({"RULES": "{}", "Rules": "{}"}, "", "")
    assert "RULES and Rules differ only in case; remove one of the two" == str(caught.value)


@pytest.mark.parametrize(
    ("churn", "path"),
    [
        ('{"model": "a"}, "churn": {"model": "b"}', "churn"),
        ('{"model": "a", "release": {"definition": 1}, "model": "b"}', "churn.model"),
        (
            '{"model": "a", "release": {"definition": 1, "definition": 2}}',
            "churn.release.definition",
        ),
    ],
    ids=["rule", "field", "field-of-a-target"],
)
def test_a_repeated_name_breaks_only_its_rule(churn, path):
    book = RuleBook.read(gathered(rules=f'{{"good": {json.dumps(CHURN)}, "churn": {churn}}}'))

    assert [f"{path}: is specified twice; keep one of the two"] == [
        str(one) for one in book.problems
    ]
    assert ["good"] == list(book.rules)
    assert ["churn"] == list(book.broken)


def test_a_repeated_target_is_not_hidden_by_a_setting_for_one_of_its_fields():
    rules = '{"churn": {"model": "a", "release": {}, "release": {}}}'

    assert GivenTwice() == fields({"RULES__churn__release__definition": "2"}, rules)["release"]


setting_names = st.lists(
    st.sampled_from(["RULES", "rules", "churn", "CHURN", "version", "tags", "release", "", "x"]),
    min_size=2,
    max_size=5,
).map("__".join)


@relaxed
@given(
    st.dictionaries(
        setting_names, st.text() | st.sampled_from(["{}", "[]", "null", "5", '{"a":"b"}'])
    ),
    st.text() | st.just(json.dumps({"churn": CHURN})),
)
def test_any_settings_give_only_rules_and_problems(settings, rules):
    try:
        book = RuleBook.read(gathered(settings, rules))
    except RulesUnreadableError as error:
        assert str(error)  # noqa: PT017 - either is fine
        return
    assert all(str(problem).isprintable() for problem in book.problems)
    assert all(broken.problems for broken in book.broken.values())
