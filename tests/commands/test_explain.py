"""Explain: what each rule would do with a registration, and why."""

import json

import pytest

from tests.support.commands import RULES, run

WORKSPACE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/prod"
)


def test_explain_tells_what_each_rule_would_do_and_why(file):
    code, output, errors = run(
        *("explain", "--rules", file(RULES), "--model", "fraud", "--version", "3"),
        *("--tag", "stage=prod", "--tag", "a=b=c", "--property", "auc=0.9"),
    )

    assert (0, "") == (code, errors)
    assert output.startswith('fraud 3 would start pipeline "deploy-fraud" (rule fraud).\n\n')
    assert "\n  ok  tags.stage  prod      prod\n" in output


def test_explain_as_json_names_the_closest_rule(file):
    code, output, _ = run(
        *("explain", "--rules", file(RULES), "--model", "fraud", "--version", "3", "--json"),
        *("--workspace", WORKSPACE, "--tag", "stage=a=b", "--property", "auc="),
    )
    found = json.loads(output)

    assert (0, "fraud") == (code, found["closest"])
    assert {
        "workspace": WORKSPACE,
        "model": "fraud",
        "version": "3",
        "tags": {"stage": "a=b"},
        "properties": {"auc": ""},
    } == found["registration"]
    assert ["churn", "fraud"] == [decision["rule"] for decision in found["decisions"]]
    assert ["not_matched"] * 2 == [decision["outcome"] for decision in found["decisions"]]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param({}, "would start", id="as-written"),
        pytest.param({"RULES__churn__version": ">=20"}, "would start nothing", id="one-changed"),
        pytest.param({"rules__CHURN__VERSION": ">=20"}, "would start nothing", id="in-any-case"),
    ],
)
def test_explain_shows_what_one_changed_setting_would_do(setting, expected):
    describe = ("explain", "--model", "churn", "--version", "17")
    _, output, _ = run(*describe, RULES=json.dumps(RULES), **setting)

    assert output.startswith(f"churn 17 {expected}")
