"""Every rule in the migration guide is valid, and does what the guide says."""

import json
import re
import time
from pathlib import Path

import pytest

from model_trigger.decisions.decision import Outcome
from model_trigger.rules.book import RuleBook, RuleSource
from model_trigger.rules.warnings import warnings
from model_trigger.targets.azure_devops.client import AzureDevOps as Adapter
from model_trigger.targets.pipeline import KEY_PARAMETER
from tests.sandbox.azure_devops.organization import (
    DEPLOY_CHURN,
    SPECIFY_AT_RELEASE,
    Organization,
    Project,
    ReleaseDefinition,
    Variable,
    azure_ml_model,
    build_artifact,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.build import deadline, registration

PAGE = Path(__file__).resolve().parents[2] / "docs" / "migration.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```json\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
RULES = [json.loads(block) for block in BLOCKS]
OBSERVE, LIVE, EVERY, _, FORM, BUILD, VARIABLE, PIPELINE = RULES
# What the extension left behind: the artifact, its trigger off, and no settable variable.
LEFT = ReleaseDefinition(1, "Deploy churn", artifacts=(azure_ml_model("_churn", "churn"),))


def started(rules, definition, make_services, version="17", **tags):
    """Register churn under these rules; return the decision, the releases and the runs."""
    project = Project("ml", (definition,), (DEPLOY_CHURN,))
    (rule,) = book(rules).rules.values()
    of_version = registration(version, tags=tags)
    with AzureDevOps((Organization("fabrikam", (project,)),)) as azure_devops:
        adapter = Adapter(lambda _: "Basic OnBhdA==", time.monotonic)
        services = make_services(targets=lambda: adapter, organization_url=azure_devops.url)
        decision = services.starter.start(rule.evaluate(of_version), of_version, deadline())
        return decision, azure_devops.releases, azure_devops.runs


def book(rules):
    return RuleBook.read({name: RuleSource(rule) for name, rule in rules.items()})


def versions(release):
    return {one["alias"]: one["definitionReference"]["version"] for one in release["artifacts"]}


@pytest.mark.parametrize("rules", RULES, ids=[f"rule {n}" for n, _ in enumerate(RULES, 1)])
def test_every_rule_on_the_page_is_valid(rules):
    read = book(rules)

    assert ([], []) == (list(read.problems), list(warnings(read)))
    assert rules.keys() == read.rules.keys()


def test_a_rule_in_observe_mode_starts_nothing(make_services):
    decision, releases, _ = started(OBSERVE, LEFT, make_services)

    assert (Outcome.OBSERVED, []) == (decision.outcome, releases)


@pytest.mark.parametrize("rules", [LIVE, EVERY], ids=["live", "every"])
def test_the_artifact_gets_the_version_without_a_change_to_the_definition(rules, make_services):
    _, (release,), _ = started(rules, LEFT, make_services)

    assert {"_churn": {"id": "17", "name": "17"}} == versions(release)


def test_the_form_of_the_version_can_be_changed(make_services):
    _, (release,), _ = started(FORM, LEFT, make_services)

    assert {"_churn": {"id": "churn:17", "name": "churn:17"}} == versions(release)


def test_a_required_artifact_version_can_be_specified(make_services):
    code = build_artifact("_scoring-code", "code", default_version=SPECIFY_AT_RELEASE)
    definition = ReleaseDefinition(1, "Deploy churn", artifacts=(*LEFT.artifacts, code))
    without, _, _ = started(LIVE, definition, make_services)
    named, (release,), _ = started(BUILD, definition, make_services, "18", code_build_id="1204")

    assert (Outcome.FAILED, Outcome.STARTED) == (without.outcome, named.outcome)
    assert {"_churn": "18", "_scoring-code": "1204"} == {
        alias: version["id"] for alias, version in versions(release).items()
    }


def test_without_the_artifact_a_variable_has_the_version(make_services):
    definition = ReleaseDefinition(1, "Deploy churn", variables={"modelId": Variable()})
    _, (release,), _ = started(VARIABLE, definition, make_services)

    assert "churn:17" == release["variables"]["modelId"]["value"]


def test_the_pipeline_gets_the_parameters_that_the_page_declares(make_services):
    _, _, (run,) = started(PIPELINE, LEFT, make_services)

    declared = re.findall(r"- \{ name: (\w+)", TEXT)
    assert ["modelName", "modelVersion", KEY_PARAMETER] == declared
    assert declared == list(run["templateParameters"])
    assert ("churn", "17") == (
        run["templateParameters"]["modelName"],
        run["templateParameters"]["modelVersion"],
    )


def test_every_source_that_the_page_names_is_linked():
    named = set(re.findall(r"\]\[(\w+)\]", TEXT))
    linked = dict(re.findall(r"^\[(\w+)\]: (\S+)$", TEXT, re.MULTILINE))

    assert named == linked.keys()
    assert all(address.startswith("https://") for address in linked.values())


def test_every_linked_section_exists():
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
