"""A rule summarized in one line."""

import pytest

from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.fields import Mode
from model_trigger.rules.summary import summarize


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"model": "churn*", "version": ">=10", "release": {"definition": 1, "project": "ml"}},
            "churn*, versions >=10, newer → release 1 in ml",
            id="release",
        ),
        pytest.param(
            {"model": ["fraud-*", "!fraud-test-*"], "pipeline": {"id": "deploy-fraud"}},
            'fraud-*, !fraud-test-*, any version, newer → pipeline "deploy-fraud"',
            id="pipeline",
        ),
        pytest.param(
            {
                "model": "lead",
                "workspace": "prod-*",
                "scheme": "semver",
                "version": "^1.4",
                "version_from": "tag:semver",
                "start": "every",
                "tags": {"stage": ["prod", "live"]},
                "properties": {"auc": ">=0.9"},
                "mode": "observe",
                "release": {
                    "definition": "\\ml\\Größe",
                    "project": "ml",
                    "organization_url": "https://dev.azure.com/contoso",
                },
            },
            "lead, workspace prod-*, semver versions ^1.4 from tag:semver, "
            "tags.stage prod or live, properties.auc >=0.9, every "
            '→ release "\\\\ml\\\\Größe" in ml at https://dev.azure.com/contoso (mode observe)',
            id="everything",
        ),
        pytest.param(
            {
                "model": "lead",
                "scheme": "semver",
                "version": " * ",
                "version_from": "tag:v",
                "start": "latest",
                "mode": "off",
                "pipeline": {"id": 7},
            },
            "lead, any semver version from tag:v, latest → pipeline 7 (mode off)",
            id="any-semantic-version",
        ),
    ],
)
def test_a_rule_is_summarized_in_one_line(fields, expected):
    (rule,) = RuleBook.read({"rule": RuleSource(fields)}).rules.values()

    assert expected == summarize(rule)


def test_the_stricter_mode_of_rule_and_app_is_shown():
    source = RuleSource({"model": "churn", "release": {"definition": 1}})
    (rule,) = RuleBook.read({"rule": source}, Mode.OFF).rules.values()

    assert summarize(rule).endswith("→ release 1 (mode off)")
