"""Clauses of a rule: met or not, in words."""

import pytest

from model_trigger.registrations.registration import Workspace
from model_trigger.rules.rule import Clause
from tests.support.build import WORKSPACE_ID

EU = Workspace.parse(WORKSPACE_ID.replace("ml-prod-ws", "ml-EU"))
INTEGER = "expected an integer such as 7"
SEMVER = "expected MAJOR.MINOR.PATCH such as 1.4.0 or 1.4.0-rc.1"
MET, NOT_MET = True, False
SEMVER_TAG = {"scheme": "semver", "version_from": "tag:SemVer"}


def case(name, fields, described, clause, *expected):
    return pytest.param(fields, described, Clause(clause, *expected), id=name)


CLAUSES = [
    # model
    case(
        "model-fits", {"model": "churn-*"}, {"model": "churn-eu"},
        "model", "churn-*", "churn-eu", MET, "model 'churn-eu' matches 'churn-*'",
    ),
    case(
        "model-fits-a-list", {"model": ["a", "churn", "!b"]}, {"model": "churn"},
        "model", "a, churn, !b", "churn", MET, "model 'churn' matches 'a, churn, !b'",
    ),
    case(
        "model-does-not-fit", {"model": "fraud"}, {"model": "churn"},
        "model", "fraud", "churn", NOT_MET, "model 'churn' does not match 'fraud'",
    ),
    case(
        "model-in-other-case", {"model": "churn"}, {"model": "Churn"},
        "model", "churn", "Churn", NOT_MET, "model 'Churn' does not match 'churn'",
    ),
    case(
        "model-is-excluded", {"model": ["churn-*", "!*-test"]}, {"model": "churn-test"},
        "model", "churn-*, !*-test", "churn-test", NOT_MET,
        "model 'churn-test' is excluded by '!*-test'",
    ),
    # workspace
    case(
        "workspace-fits", {"workspace": "ML-*"}, {"workspace": EU},
        "workspace", "ML-*", "ml-EU", MET, "workspace 'ml-EU' matches 'ML-*'",
    ),
    case(
        "workspace-does-not-fit", {"workspace": "ml-prod*"}, {"workspace": EU},
        "workspace", "ml-prod*", "ml-EU", NOT_MET, "workspace 'ml-EU' does not match 'ml-prod*'",
    ),
    case(
        "workspace-id-fits", {"workspace": WORKSPACE_ID.upper() + "/"}, {},
        "workspace", WORKSPACE_ID.upper() + "/", WORKSPACE_ID, MET,
        f"workspace '{WORKSPACE_ID}' matches '{WORKSPACE_ID.upper()}/'",
    ),
    case(
        "workspace-id-does-not-fit", {"workspace": WORKSPACE_ID}, {"workspace": EU},
        "workspace", WORKSPACE_ID, EU.id, NOT_MET,
        f"workspace '{EU.id}' does not match '{WORKSPACE_ID}'",
    ),
    # version
    case(
        "version-in-any", {}, {"version": "17"},
        "version", "*", "17", MET, "version 17 is in *",
    ),
    case(
        "version-in-range", {"version": ">=10 <20"}, {"version": "10"},
        "version", ">=10 <20", "10", MET, "version 10 is in >=10 <20",
    ),
    case(
        "version-not-in-range", {"version": ">=10"}, {"version": "9"},
        "version", ">=10", "9", NOT_MET, "version 9 is not in >=10",
    ),
    case(
        "version-in-a-tag", {**SEMVER_TAG, "version": "^1.4"}, {"tags": {"semver": "1.5.0"}},
        "version", "^1.4", "1.5.0", MET, "version 1.5.0 from tag 'SemVer' is in ^1.4",
    ),
    case(
        "version-in-a-tag-not-in-range",
        {**SEMVER_TAG, "version": "^1.4"}, {"tags": {"semver": "2.0.0"}},
        "version", "^1.4", "2.0.0", NOT_MET, "version 2.0.0 from tag 'SemVer' is not in ^1.4",
    ),
    case(
        "version-in-a-property",
        {"version_from": "property:build"}, {"properties": {"Build": "7"}},
        "version", "*", "7", MET, "version 7 from property 'build' is in *",
    ),
    case(
        "version-is-a-pre-release", {**SEMVER_TAG}, {"tags": {"semver": "1.5.0-rc.1"}},
        "version", "*", "1.5.0-rc.1", NOT_MET,
        "version 1.5.0-rc.1 from tag 'SemVer' is not in *: `1.5.0-rc.1` is a pre-release, and "
        "pre-releases of 1.5.0 match only if a bound names one, such as `>=1.5.0-0`",
    ),
    case(
        "version-tag-is-absent", SEMVER_TAG, {},
        "version", "*", "absent", NOT_MET, "the version is read from tag 'SemVer', which is absent",
    ),
    case(
        "version-property-is-absent", {"version_from": "property:build"}, {"tags": {"build": "7"}},
        "version", "*", "absent", NOT_MET,
        "the version is read from property 'build', which is absent",
    ),
    case(
        "version-tag-is-no-semver", SEMVER_TAG, {"tags": {"semver": "1.4"}},
        "version", "*", "1.4", NOT_MET,
        "in tag 'SemVer', `1.4` is not a version under scheme semver: "
        f"it has fewer than three numbers; {SEMVER}",
    ),
    case(
        "version-tag-is-empty", {"version_from": "tag:n"}, {"tags": {"n": ""}},
        "version", "*", "", NOT_MET,
        "in tag 'n', an empty text is not a version under scheme integer: "
        f"it is empty; {INTEGER}",
    ),
    case(
        "version-is-no-integer", {}, {"version": "007"},
        "version", "*", "007", NOT_MET,
        f"`007` is not a version under scheme integer: it has a leading zero; {INTEGER}",
    ),
    # tags and properties
    case(
        "tag-meets", {"tags": {"Stage": "prod"}}, {"tags": {"stage": "prod"}},
        "tags.Stage", "prod", "prod", MET, "tag 'Stage' is 'prod', which meets prod",
    ),
    case(
        "tag-meets-one-of-several",
        {"tags": {"stage": ["prod", "test-*"]}}, {"tags": {"stage": "test-1"}},
        "tags.stage", "prod or test-*", "test-1", MET,
        "tag 'stage' is 'test-1', which meets prod or test-*",
    ),
    case(
        "tag-does-not-meet", {"tags": {"stage": "prod"}}, {"tags": {"stage": "dev"}},
        "tags.stage", "prod", "dev", NOT_MET, "tag 'stage' is 'dev', expected prod",
    ),
    case(
        "tag-is-empty", {"tags": {"stage": "prod"}}, {"tags": {"stage": ""}},
        "tags.stage", "prod", "", NOT_MET, "tag 'stage' is '', expected prod",
    ),
    case(
        "tag-is-absent", {"tags": {"stage": ["prod", "test"]}}, {},
        "tags.stage", "prod or test", "absent", NOT_MET,
        "tag 'stage' is absent, expected prod or test",
    ),
    case(
        "tag-must-be-present", {"tags": {"stage": "*"}}, {},
        "tags.stage", "*", "absent", NOT_MET, "tag 'stage' is absent, expected *",
    ),
    case(
        "tag-may-be-absent", {"tags": {"stage": "!dev"}}, {},
        "tags.stage", "!dev", "absent", MET, "tag 'stage' is absent, which meets !dev",
    ),
    case(
        "tag-must-not-be", {"tags": {"stage": "!dev"}}, {"tags": {"stage": "dev"}},
        "tags.stage", "!dev", "dev", NOT_MET, "tag 'stage' is 'dev', expected !dev",
    ),
    case(
        "tag-must-be-empty", {"tags": {"stage": ""}}, {"tags": {"stage": "dev"}},
        "tags.stage", '""', "dev", NOT_MET, "tag 'stage' is 'dev', expected \"\"",
    ),
    case(
        "property-is-high-enough",
        {"properties": {"auc": ">=0.9"}}, {"properties": {"AUC": "0.93"}},
        "properties.auc", ">=0.9", "0.93", MET, "property 'auc' is '0.93', which meets >=0.9",
    ),
    case(
        "property-is-too-low", {"properties": {"auc": ">=0.9"}}, {"properties": {"auc": "0.89"}},
        "properties.auc", ">=0.9", "0.89", NOT_MET, "property 'auc' is '0.89', expected >=0.9",
    ),
    case(
        "property-is-no-number",
        {"properties": {"auc": ">=0.9"}}, {"properties": {"auc": "high"}},
        "properties.auc", ">=0.9", "high", NOT_MET,
        "property 'auc' is 'high', which is not a number, expected >=0.9",
    ),
    case(
        "property-is-absent", {"properties": {"auc": ">=0.9"}}, {"tags": {"auc": "0.95"}},
        "properties.auc", ">=0.9", "absent", NOT_MET, "property 'auc' is absent, expected >=0.9",
    ),
    # mode
    case(
        "mode-off", {"mode": "off"}, {},
        "mode", "live or observe", "off", NOT_MET, "the rule is switched off",
    ),
]  # fmt: skip
