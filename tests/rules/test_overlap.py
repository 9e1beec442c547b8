"""When two rules are known to match the same registration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.rules import overlap as overlap_module
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.overlap import demands, find_common
from model_trigger.rules.rule import Rule
from tests.support.drawn import relaxed

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/"


def rule(**fields):
    book = RuleBook.read({"r": RuleSource({"model": "m", "release": {"definition": 1}} | fields)})
    assert () == book.problems
    return book.rules["r"]


def overlap(one, other):
    """Return whether a common registration is found, whichever rule comes first."""
    there, back = find_common(rule(**one), rule(**other)), find_common(rule(**other), rule(**one))
    assert (there is None) == (back is None)
    return there is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {}, id="the-same-model"),
        pytest.param({"model": ["a", "b"]}, {"model": ["c", "b"]}, id="one-model-of-several"),
        pytest.param({"model": "!x"}, {"model": "m"}, id="every-other-model"),
        pytest.param({"workspace": "prod"}, {}, id="one-asks-for-a-workspace"),
        pytest.param(
            {"workspace": "prod-*"}, {"workspace": "PROD-eu"}, id="workspaces-ignore-case"
        ),
        pytest.param({"workspace": "pr*"}, {"workspace": f"{ID}prod/"}, id="a-name-and-an-id"),
        pytest.param({"version": ">=10"}, {"version": "<=10"}, id="one-common-version"),
        pytest.param(
            {"version": ">=10"}, {"version": "<10", "version_from": "tag:n"}, id="two-sources"
        ),
        pytest.param({"tags": {"a": "1"}}, {"tags": {"b": "2"}}, id="two-tags"),
        pytest.param({"tags": {"a": "1"}}, {"properties": {"a": "2"}}, id="a-tag-and-a-property"),
        pytest.param({"tags": {"a": ["x", "y"]}}, {"tags": {"a": ["y", "z"]}}, id="a-common-value"),
        pytest.param({"tags": {"a": ">0.8"}}, {"tags": {"a": ">0.9"}}, id="numbers-above"),
        pytest.param({"tags": {"a": "<0.8"}}, {"tags": {"a": "<=-1"}}, id="numbers-below"),
        pytest.param({"tags": {"a": "> 0.8"}}, {"tags": {"a": "< 1.9 "}}, id="white-space"),
        pytest.param({"tags": {"a": "!x"}}, {"tags": {"a": "!y"}}, id="an-absent-tag"),
        pytest.param({"model": "churn-*"}, {"model": "churn-*-eu"}, id="one-glob-in-another"),
        pytest.param({"model": "churn[0-4]"}, {"model": "churn?"}, id="a-class-of-characters"),
        pytest.param(
            {"scheme": "semver", "version_from": "tag:v", "version": ">1.2.3"},
            {"scheme": "semver", "version_from": "tag:V", "version": "<1.2.5", "tags": {"v": "*"}},
            id="semantic-versions",
        ),
        pytest.param({"tags": {"a": ["x", ">1"]}}, {"tags": {"a": "x*"}}, id="a-text-of-a-pattern"),
    ],
)
def test_rules_that_overlap(one, other):
    assert overlap(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"model": "a"}, {"model": "b"}, id="models"),
        pytest.param({"model": "m"}, {"model": "M"}, id="models-in-other-case"),
        pytest.param({"model": ["m-*", "!m-eu"]}, {"model": "m-eu"}, id="an-excluded-model"),
        pytest.param({"model": ["m-*", "!m-eu-*"]}, {"model": "m-eu-?"}, id="an-excluded-glob"),
        pytest.param({"workspace": "prod"}, {"workspace": "test"}, id="workspaces"),
        pytest.param({"workspace": "prod"}, {"workspace": f"{ID}test"}, id="a-name-and-an-id"),
        pytest.param(
            {"workspace": f"{ID}prod"},
            {"workspace": f"{ID}prod".replace("/g/", "/h/")},
            id="ids-with-the-same-name",
        ),
        pytest.param({"version": ">=10"}, {"version": "<10"}, id="versions"),
        pytest.param(
            {"version": ">=10", "version_from": "tag:n"},
            {"version": "<10", "version_from": "tag:N"},
            id="versions-of-a-tag-without-case",
        ),
        pytest.param({"version": "1 - 3 || 7"}, {"version": "4 - 6, 5 || >7"}, id="alternatives"),
        pytest.param({}, {"scheme": "semver"}, id="schemes-of-one-source"),
        pytest.param({"tags": {"a": "1"}}, {"tags": {"A": "2"}}, id="tags-without-case"),
        pytest.param({"properties": {"a": "x*"}}, {"properties": {"a": "y"}}, id="properties"),
        pytest.param({"tags": {"a": "prod"}}, {"tags": {"a": "!prod"}}, id="a-value-and-not-it"),
        pytest.param({"tags": {"a": "<0.9"}}, {"tags": {"a": ">=0.9"}}, id="numbers"),
    ],
)
def test_rules_that_do_not_overlap(one, other):
    assert not overlap(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"model": "churn-*"}, {"model": "*-eu"}, id="prefix-and-suffix"),
        pytest.param({"tags": {"a": "p*"}}, {"tags": {"a": "*d"}}, id="values-of-two-globs"),
        pytest.param({"tags": {"a": ">0.8"}}, {"tags": {"a": "<0.9"}}, id="numbers-between"),
        pytest.param({"workspace": "a*"}, {"workspace": "*b"}, id="workspaces-of-two-globs"),
        pytest.param(
            {"workspace": "/subscriptions/s/*"},
            {"workspace": "/subscriptions/*"},
            id="parts-of-ids",
        ),
    ],
)
def test_an_overlap_that_neither_rule_spells_out_is_not_found(one, other):
    assert not overlap(one, other)


TESTS = st.sampled_from(["1", "2", "x", "x*", "*", "!x", ">1", "<=1", "<1.5"])
FIELDS = st.fixed_dictionaries(
    {"model": st.lists(st.sampled_from(["m", "m*", "*n", "?", "!m", "!*n"]), min_size=1)},
    optional={
        "workspace": st.sampled_from(["w", "W*", f"{ID}w", f"{ID}v", f"{ID}*"]),
        "version": st.sampled_from(["1", ">1", "<=2", "1 || 3"]),
        "tags": st.dictionaries(st.sampled_from("aA"), st.lists(TESTS, min_size=1), max_size=1),
    },
)


@relaxed
@given(FIELDS, FIELDS)
def test_what_is_found_matches_both_rules(one, other):
    rules: list[Rule] = [rule(**one), rule(**other)]
    found = find_common(*rules)

    assert found is None or all(each.evaluate(found).matched for each in rules)


@relaxed
@given(FIELDS)
def test_a_rule_without_exclusions_overlaps_itself(fields):
    included = [glob for glob in fields["model"] if not glob.startswith("!")]

    assert overlap(fields | {"model": included or ["*"]}, fields | {"model": included or ["*"]})


def test_the_rules_have_the_last_word(monkeypatch):
    """A field that the search does not know of never leads to a false warning."""
    one, other = rule(), rule(workspace="w")
    assert find_common(one, other)

    monkeypatch.setattr(overlap_module, "demands", lambda of: list(demands(of))[:1])
    assert find_common(one, other) is None
