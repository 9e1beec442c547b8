"""Every warning in full, and rules without one."""

import pytest

from model_trigger.rules import warnings as lint
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import Mode

RELEASE = {"release": {"definition": 1, "project": "ml"}}


def warnings(mode=Mode.LIVE, **rules):
    """Lint rules that start release 1 in ml unless specified otherwise."""
    sources = {
        name: RuleSource(fields if "pipeline" in fields else RELEASE | fields)
        for name, fields in rules.items()
    }
    book = RuleBook.read(sources, mode)
    assert () == book.problems
    return [str(one) for one in lint.warnings(book)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"version": ">20 <10"},
            "churn.version: `>20 <10` matches no version: no integer is >20 and <10; "
            "change the range, or switch the rule off with mode: off",
            id="range-without-versions",
        ),
        pytest.param(
            {"scheme": "semver", "version": "^1.4"},
            'churn.scheme: "semver" matches no version: Azure ML numbers the versions of a model '
            "1, 2, 3, which are not semantic versions; set version_from to the tag or property "
            "with the semantic version, as tag:<key> or property:<key>, or remove scheme",
            id="semantic-versions-where-there-are-integers",
        ),
        pytest.param(
            {"model": ["churn-eu", "churn-us", "!churn-e*"]},
            'churn.model: "churn-eu" matches no model, because "!churn-e*" excludes it; remove one',
            id="excluded-model",
        ),
        pytest.param(
            {"version_from": "tag:SemVer", "tags": {"semver": "*"}},
            'churn.version_from: refers to the tag "SemVer", which tags.semver spells "semver": '
            "on a model that has both, these are two values; use one spelling",
            id="version-and-condition-spell-a-tag-in-two-ways",
        ),
        pytest.param(
            {"properties": {"Stage": "*", "stage": "prod"}},
            'churn.properties.stage: refers to the property "stage", which properties.Stage spells '
            '"Stage": on a model that has both, these are two values; use one spelling',
            id="two-conditions-on-one-property",
        ),
    ],
)
def test_a_rule_that_is_probably_a_mistake_gets_a_warning(fields, expected):
    assert [expected] == warnings(churn={"model": "churn"} | fields)


def test_two_rules_that_start_one_target_for_one_model_get_a_warning():
    expected = (
        "churn_eu: overlaps rule churn: a version of model 'churn-eu' can match both, which starts "
        "release 1 in ml twice; make the rules differ in model, version, workspace, tags or "
        "properties, unless two starts are intended"
    )

    assert [expected] == warnings(churn={"model": "churn*"}, churn_eu={"model": "churn-eu"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {}, id="the-same"),
        pytest.param({"model": "*"}, {}, id="any-model-before-a-name"),
        pytest.param({}, {"model": "*"}, id="any-model-after-a-name"),
        pytest.param({"model": "churn-*"}, {"model": "churn-*-eu"}, id="longer-glob-after"),
        pytest.param({"model": "churn-*-eu"}, {"model": "churn-*"}, id="longer-glob-before"),
        pytest.param({"model": ["x", "churn"]}, {"model": ["churn", "y"]}, id="one-of-several"),
        pytest.param(
            {}, {"release": {"definition": "1", "project": "ML"}}, id="target-spelled-differently"
        ),
        pytest.param(
            {},
            {"release": RELEASE["release"] | {"variables": {"region": "eu"}}},
            id="other-variables",
        ),
        pytest.param(
            {"pipeline": {"id": "Deploy"}},
            {"pipeline": {"id": "deploy"}},
            id="names-in-another-case",
        ),
    ],
)
def test_the_same_target_is_found_in_whatever_order_and_spelling(one, other):
    found = warnings(one={"model": "churn"} | one, other={"model": "churn"} | other)

    assert ["other"] == [text.partition(":")[0] for text in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"model": "fraud"}, {}, id="another-model"),
        pytest.param({"model": ["churn*", "!churn"]}, {}, id="an-excluded-model"),
        pytest.param({"version": "<10"}, {"version": ">=10"}, id="other-versions"),
        pytest.param({"tags": {"stage": "test"}}, {"tags": {"stage": "prod"}}, id="other-tags"),
        pytest.param({"workspace": "test"}, {"workspace": "prod"}, id="other-workspaces"),
        pytest.param({"mode": "off"}, {}, id="one-is-off"),
        pytest.param({}, {"mode": "observe"}, id="one-only-observes"),
        pytest.param({"release": {"definition": 2, "project": "ml"}}, {}, id="another-definition"),
        pytest.param({"release": {"definition": 1, "project": "x"}}, {}, id="another-project"),
        pytest.param(
            {"pipeline": {"id": 1, "organization_url": "https://dev.azure.com/contoso"}},
            {"pipeline": {"id": 1, "organization_url": "https://dev.azure.com/fabrikam"}},
            id="two-organizations",
        ),
        pytest.param({"release": {"definition": 1}}, {}, id="an-unknown-project"),
        pytest.param(
            {"release": RELEASE["release"] | {"organization_url": "https://dev.azure.com/contoso"}},
            {},
            id="another-organization",
        ),
        pytest.param({"pipeline": {"id": 1, "project": "ml"}}, {}, id="a-pipeline-and-a-release"),
    ],
)
def test_rules_that_do_not_overlap_get_no_warning(one, other):
    assert [] == warnings(one={"model": "churn"} | one, other={"model": "churn"} | other)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"mode": "off"}, id="switched-off"),
        pytest.param({"mode": "observe"}, id="observed"),
        pytest.param({"model": ["churn*", "!churn-test-*"]}, id="an-exclusion-that-leaves-models"),
        pytest.param({"model": "!churn-test-*"}, id="an-exclusion-alone"),
        pytest.param({"scheme": "semver", "version_from": "tag:v"}, id="semantic-version-in-a-tag"),
        pytest.param({"version_from": "tag:v", "tags": {"v": "*"}}, id="one-spelling"),
        pytest.param({"version_from": "tag:V", "properties": {"v": "*"}}, id="tag-and-property"),
    ],
)
def test_plausible_rules_get_no_warning(fields):
    assert [] == warnings(churn={"model": "churn"} | fields)


def test_each_of_many_rules_for_one_model_gets_one_warning():
    found = warnings(a={"model": "m"}, b={"model": "m"}, c={"model": "*"}, d={"model": "m*"})

    assert ["b", "c", "d"] == sorted(text.partition(":")[0] for text in found)


def test_an_app_that_only_observes_starts_nothing_twice():
    assert [] == warnings(Mode.OBSERVE, a={"model": "m"}, b={"model": "m"})


def test_warnings_are_in_the_order_of_the_rules():
    found = warnings(b={"model": "b", "version": "<0"}, a={"model": "a", "version": "<0"})

    assert ["b", "a"] == [text.partition(".")[0] for text in found]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        pytest.param(3, [], id="too-many"),
        pytest.param(100, ["twin"], id="few-enough"),
    ],
)
def test_the_pairwise_comparison_of_rules_is_limited(monkeypatch, most, expected):
    monkeypatch.setattr(lint, "_MOST_PAIRS", most)
    rules = {f"r{number}": {"model": "m", "version": f"{number}"} for number in range(9)}

    found = warnings(**rules, one={"model": "n"}, twin={"model": "n"})

    assert expected == [text.partition(":")[0] for text in found]
