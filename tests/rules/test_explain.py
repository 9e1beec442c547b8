"""What each rule would do with a registration, and the response to an HTTP query."""

import json

import pytest

from model_trigger.registrations.registration import Registration, Workspace
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.explain import ANY_WORKSPACE, explain, explain_http
from model_trigger.rules.fields import Mode
from model_trigger.targets.values import Placeholder, UnsafeValueError, Values

WORKSPACE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/prod"
)
RELEASE = {"release": {"definition": 1, "project": "ml"}}
CHURN = {"model": "churn*", "version": ">=10", "tags": {"stage": "prod"}, **RELEASE}


def read(mode=Mode.LIVE, **rules):
    return RuleBook.read({name: RuleSource(fields) for name, fields in rules.items()}, mode)


def registration(model="churn", version="17", workspace=WORKSPACE, tags=None):
    where = Workspace.parse(workspace) if workspace else ANY_WORKSPACE
    return Registration(where, model, version, {"stage": "prod"} if tags is None else tags)


def only(book, **described):
    """Return the only verdict on a registration."""
    (verdict,) = explain(book, registration(**described)).verdicts
    return verdict


def test_the_explanation_as_json_has_registration_decisions_and_closest():
    book = read(churn=CHURN, fraud={"model": "fraud", **RELEASE})

    expected = {
        "registration": {
            "workspace": WORKSPACE,
            "model": "churn",
            "version": "9",
            "tags": {"stage": "prod"},
            "properties": {},
        },
        "decisions": [
            {
                "rule": "churn",
                "outcome": "not_matched",
                "reason": "version 9 is not in >=10",
                "clauses": [
                    {"clause": "model", "expected": "churn*", "actual": "churn", "met": True},
                    {"clause": "version", "expected": ">=10", "actual": "9", "met": False},
                    {"clause": "tags.stage", "expected": "prod", "actual": "prod", "met": True},
                ],
            },
            {
                "rule": "fraud",
                "outcome": "not_matched",
                "reason": "model 'churn' does not match 'fraud'",
                "clauses": [
                    {"clause": "model", "expected": "fraud", "actual": "churn", "met": False},
                    {"clause": "version", "expected": "*", "actual": "9", "met": True},
                ],
            },
        ],
        "closest": "churn",
    }
    found = explain(book, registration(version="9")).to_dict()
    assert expected == found
    assert expected == json.loads(json.dumps(found))


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        pytest.param(
            {},
            "would_start",
            "starts release 1 in ml, provided that 17 is newer than every version of the model "
            "that the rule claimed before",
            id="newer",
        ),
        pytest.param(
            {"start": "latest", "scheme": "semver", "version_from": "tag:semver"},
            "would_start",
            "starts release 1 in ml, provided that 1.4.0 is newer than every version of the model "
            "that the rule claimed before and no newer version that matches is registered in the "
            "workspace",
            id="latest",
        ),
        pytest.param(
            {"start": "every"},
            "would_start",
            "starts release 1 in ml, provided that the rule has not started it before",
            id="every",
        ),
        pytest.param(
            {"mode": "observe", "start": "every"},
            "would_observe",
            "records that it would start release 1 in ml, provided that the rule has not started "
            "it before",
            id="observe",
        ),
        pytest.param(
            {"allow_unsafe": ["tag.odd"], "start": "every"}
            | {"release": RELEASE["release"] | {"variables": {"x": "{tag.odd}"}}},
            "would_start",
            "starts release 1 in ml, provided that the rule has not started it before",
            id="an-allowed-value",
        ),
    ],
)
def test_a_matching_rule_shows_what_it_would_do_and_what_else_must_hold(fields, outcome, reason):
    verdict = only(
        read(rule={"model": "churn"} | RELEASE | fields), tags={"semver": "1.4.0", "odd": "$(rm)"}
    )

    assert (outcome, reason) == (verdict.outcome, verdict.reason)


@pytest.mark.parametrize(
    ("fields", "name", "reported"),
    [
        pytest.param(
            {"release": {"definition": 1, "variables": {"x": "{tag.gone}"}}},
            "tag.gone",
            "cannot start release 1: ",
            id="absent-in-a-variable",
        ),
        pytest.param(
            {"release": {"definition": 1, "artifacts": {"_churn": "{tag.odd}"}}},
            "tag.odd",
            "cannot start release 1: ",
            id="unsafe-in-an-artifact",
        ),
        pytest.param(
            {"pipeline": {"id": 7, "parameters": {"x": "{tag.odd}"}}, "mode": "observe"},
            "tag.odd",
            "cannot start pipeline 7: ",
            id="unsafe-in-a-parameter-in-observe-mode",
        ),
    ],
)
def test_an_unsafe_value_is_reported_with_the_reason(fields, name, reported):
    odd = registration(tags={"odd": "$(rm)"})
    verdict = only(read(rule={"model": "churn"} | fields), tags=odd.tags)

    with pytest.raises(UnsafeValueError) as refusal:
        Values(odd, "rule").safe(Placeholder.parse(name))
    assert ("would_fail", f"{reported}{refusal.value}") == (verdict.outcome, verdict.reason)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"mode": "off"}, id="switched-off"),
        pytest.param({"version": "<5"}, id="another-version"),
    ],
)
def test_a_rule_that_does_not_match_explains_why(fields):
    book = read(churn=CHURN | fields)
    (evaluation,) = book.evaluate(registration())
    verdict = only(book)

    assert ("not_matched", evaluation.reason) == (verdict.outcome, verdict.reason)


def test_the_mode_of_the_app_applies_if_it_is_stricter():
    assert "would_observe" == only(read(Mode.OBSERVE, churn=CHURN)).outcome


def test_a_broken_rule_is_unreadable_with_the_reason():
    book = read(good=CHURN, bad={"model": "churn", "mod": "live", **RELEASE})

    good, bad = explain(book, registration()).verdicts

    assert ("would_start", "unreadable") == (good.outcome, bad.outcome)
    assert book.broken["bad"].reason == bad.reason
    assert "bad.mod: is not a field" in bad.reason
    assert [("model", "churn", "churn", True)] == [
        (clause.clause, clause.expected, clause.actual, clause.met) for clause in bad.clauses
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"model": "churn"}, True, id="its-model-matches"),
        pytest.param({"model": "fraud"}, False, id="its-model-does-not-match"),
        pytest.param({"model": 1}, True, id="its-model-is-invalid"),
    ],
)
def test_a_broken_rule_concerns_the_models_that_it_might_match(fields, expected):
    assert expected == only(read(bad=fields)).concerns


@pytest.mark.parametrize(
    ("workspace", "outcome", "clause"),
    [
        pytest.param(WORKSPACE, "would_start", ("prod*", "prod", True), id="matches"),
        pytest.param(
            WORKSPACE.replace("/prod", "/test"),
            "not_matched",
            ("prod*", "test", False),
            id="does-not-match",
        ),
        pytest.param(None, "would_start", ("prod*", "not given", True), id="not-given"),
    ],
)
def test_a_workspace_condition_is_checked_against_a_given_workspace(workspace, outcome, clause):
    verdict = only(read(churn=CHURN | {"workspace": "prod*"}), workspace=workspace)
    (found,) = (one for one in verdict.clauses if one.clause == "workspace")

    assert outcome == verdict.outcome
    assert clause == (found.expected, found.actual, found.met)


@pytest.mark.parametrize(
    ("wanted", "given", "must_hold"),
    [
        pytest.param(
            "prod*", None, "the workspace matches 'prod*' and ", id="wanted-and-not-given"
        ),
        pytest.param("prod*", WORKSPACE, "", id="wanted-and-given"),
        pytest.param(None, None, "", id="not-wanted"),
    ],
)
def test_a_missing_workspace_is_named_among_what_must_hold(wanted, given, must_hold):
    verdict = only(read(churn=CHURN | {"workspace": wanted, "start": "every"}), workspace=given)

    start = "starts release 1 in ml, provided that"
    assert f"{start} {must_hold}the rule has not started it before" == verdict.reason


def test_a_missing_workspace_is_null_in_json():
    found = explain(read(), registration(workspace=None)).to_dict()

    assert found["registration"]["workspace"] is None


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        pytest.param({}, None, id="none-when-one-matched"),
        pytest.param({"tags": {}}, "churn", id="the-fewest-failed-clauses"),
        pytest.param({"model": "lead"}, "late", id="among-those-for-the-model"),
        pytest.param({"model": "Fraud"}, "fraud", id="the-most-similar-model"),
        pytest.param({"model": "xyz"}, None, id="none-when-nothing-is-similar"),
    ],
)
def test_the_closest_rule_is_named(described, expected):
    book = read(
        early=CHURN | {"version": ">=20", "workspace": "test"},
        churn=CHURN,
        fraud={"model": "fraud", **RELEASE},
        late={"model": "lead", "version": "<5", "workspace": "test", **RELEASE},
    )

    assert expected == explain(book, registration(**described)).closest


def test_a_missing_workspace_makes_no_rule_less_close():
    book = read(
        first={"model": "churn", "version": ">=20", "tags": {"stage": "x"}, **RELEASE},
        near={"model": "churn", "version": ">=20", "workspace": "prod", **RELEASE},
    )

    assert "near" == explain(book, registration(workspace=None)).closest


def test_a_query_describes_the_registration():
    query = {
        "model": "churn",
        "version": "17",
        "workspace": WORKSPACE,
        "tag.stage": "prod",
        "tag.a.b": "",
        "property.auc": "0.9",
        "code": "the function key",
        "clientId": "default",
    }

    status, found = explain_http(read(churn=CHURN), query)

    assert 200 == status
    assert {
        "workspace": WORKSPACE,
        "model": "churn",
        "version": "17",
        "tags": {"stage": "prod", "a.b": ""},
        "properties": {"auc": "0.9"},
    } == found["registration"]
    assert ["would_start"] == [decision["outcome"] for decision in found["decisions"]]


def test_a_query_may_omit_the_workspace():
    query = {"model": "churn", "version": "17", "workspace": "", "tag.stage": "prod"}

    status, found = explain_http(read(churn=CHURN | {"workspace": "x"}), query)

    assert (200, None) == (status, found["registration"]["workspace"])
    assert ["would_start"] == [decision["outcome"] for decision in found["decisions"]]


ALLOWED = "allowed: model, version, workspace, tag.<key>, property.<key>"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            {"version": "17"},
            "the parameter model is missing; expected ?model=<name>&version=<version>",
            id="no-model",
        ),
        pytest.param(
            {"model": "churn", "version": ""},
            "the parameter version is missing; expected ?model=<name>&version=<version>",
            id="empty-version",
        ),
        pytest.param(
            {"model": "churn", "version": "17", "tags.stage": "prod"},
            f"'tags.stage' is not a parameter; {ALLOWED}",
            id="unknown-parameter",
        ),
        pytest.param(
            {"model": "churn", "version": "17", "tag.": "prod"},
            f"'tag.' is not a parameter; {ALLOWED}",
            id="tag-without-key",
        ),
        pytest.param(
            {"model": "churn", "version": "17", "workspace": "prod"},
            '"prod" is not the resource id of a workspace; expected /subscriptions/<id>/'
            "resourceGroups/<group>/providers/Microsoft.MachineLearningServices/workspaces/<name>",
            id="workspace-by-name",
        ),
    ],
)
def test_an_invalid_query_is_reported_with_the_reason(query, expected):
    assert (400, {"error": expected}) == explain_http(read(churn=CHURN), query)
