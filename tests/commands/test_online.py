"""Checking rules against live services: each mistake, and its message."""

from contextlib import closing
from dataclasses import replace
from socket import socket

import pytest

from model_trigger.commands.online import (
    Finding,
    check_rules,
    check_workspaces,
    sample_registration,
)
from model_trigger.registrations.listing import AzureMLError, WorkspaceAccessError
from model_trigger.targets.azure_devops.client import AzureDevOps as Adapter
from model_trigger.targets.azure_devops.connection import forget_locations
from model_trigger.targets.request import TargetDefaults
from tests.sandbox.azure_devops.organization import (
    CHURN,
    DEPLOY_CHURN,
    FRAUD,
    Identity,
    Organization,
    Parameter,
    Project,
    ReleaseDefinition,
    Variable,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.build import WORKSPACE, WORKSPACE_ID, deadline, rule

KEYLESS = replace(DEPLOY_CHURN, id=6, name="keyless", parameters=DEPLOY_CHURN.parameters[:2])
STRICT = replace(
    DEPLOY_CHURN, id=7, name="strict", parameters=(Parameter("stage", values=("dev", "prod")),)
)
PLACES = (
    ReleaseDefinition(3, "Deploy", "\\a", {"modelName": Variable()}),
    ReleaseDefinition(4, "Deploy", "\\b", {"modelName": Variable()}),
)
SILENT = ReleaseDefinition(8, "Silent", variables={"modelName": Variable(allow_override=False)})
DOUBLED = replace(CHURN, id=9, name="Doubled", triggers=("_churn",))
PROJECT = Project("ml", (CHURN, FRAUD, *PLACES, SILENT, DOUBLED), (DEPLOY_CHURN, KEYLESS, STRICT))
ME = Identity("trigger", "pat")


def organization(**identity):
    return Organization("fabrikam", (PROJECT,), (replace(ME, **identity),))


def found(azure_devops, *rules, organization_url=None, project="ml", scheme="Basic OnBhdA=="):
    forget_locations()
    adapter = Adapter(lambda _: scheme, lambda: 0.0)
    url = organization_url or azure_devops.url
    return list(check_rules(rules, adapter, TargetDefaults(url, project), deadline))


def finding(of_rule, identity=None, **options):
    """Check one rule and return the message, with `{url}` for the organization's address."""
    with AzureDevOps((organization(**identity or {}),)) as azure_devops:
        (one,) = found(azure_devops, of_rule, **options)
        assert [] == azure_devops.releases + azure_devops.runs
        return replace(one, sentence=one.sentence.replace(azure_devops.url, "{url}"))


def release(definition, **fields):
    return rule(release={"definition": definition, **fields})


def pipeline(id_, **fields):
    return rule(release=None, pipeline={"id": id_, **fields})


@pytest.mark.parametrize(
    ("of_rule", "sentence"),
    [
        pytest.param(
            release(1),
            "release definition 'Deploy churn' (1) of project 'ml' accepts the rule's values, "
            "and the app's identity may start it",
            id="release by id",
        ),
        pytest.param(
            release("/a/Deploy", variables={"modelName": "{tag.stage} {property.p}"}),
            "release definition 'Deploy' (3) of project 'ml' accepts the rule's values, and the "
            "app's identity may start it",
            id="release by name, in a folder",
        ),
        pytest.param(
            pipeline("deploy-churn"),
            "pipeline 'deploy-churn' (5) of project 'ml' accepts the rule's values, and the "
            "app's identity may start it",
            id="pipeline by name",
        ),
        pytest.param(
            pipeline(6),
            "pipeline 6 of project 'ml' accepts the rule's values, and the app's identity may "
            "start it (it does not declare the parameter modelTriggerKey: if the response to "
            "a start is lost, its run is identified by its branch, parameters and variables)",
            id="pipeline by id, without the key",
        ),
        pytest.param(
            rule(
                tags={"Stage": ["!x", "pro*", "prod"]},
                release=None,
                pipeline={"id": 7, "parameters": {"stage": "{tag.stage}"}},
            ),
            "pipeline 7 of project 'ml' accepts the rule's values, and the app's identity may "
            "start it (it does not declare the parameter modelTriggerKey: if the response to "
            "a start is lost, its run is identified by its branch, parameters and variables)",
            id="a value known only from the rule's own condition",
        ),
        pytest.param(
            rule(model="fraud", release={"definition": 9}),
            "release definition 'Doubled' (9) of project 'ml' accepts the rule's values, and "
            "the app's identity may start it",
            id="a trigger that is on for another model",
        ),
    ],
)
def test_a_valid_rule_is_reported_in_one_line(of_rule, sentence):
    assert Finding("churn", ok=True, sentence=sentence) == finding(of_rule)


@pytest.mark.parametrize(
    ("of_rule", "options", "sentence"),
    [
        pytest.param(
            release(1, project="mll"),
            {},
            "there is no project 'mll' in {url}: correct AZURE_DEVOPS_PROJECT, or the project in "
            "the rule",
            id="wrong project",
        ),
        pytest.param(
            release(1),
            {"project": None},
            "no project is configured: set the app setting AZURE_DEVOPS_PROJECT, or "
            "churn.release.project",
            id="no project",
        ),
        pytest.param(
            release("Deploy chrun"),
            {},
            "there is no release definition 'Deploy chrun' in project 'ml': use one of "
            "'/Deploy churn' (1), '/Deploy fraud' (2), '/a/Deploy' (3), '/b/Deploy' (4), "
            "'/Silent' (8), '/Doubled' (9)",
            id="wrong definition",
        ),
        pytest.param(
            pipeline("deploy-chrun"),
            {},
            "there is no pipeline 'deploy-chrun' in project 'ml': use one of "
            "'/deploy-churn' (5), '/keyless' (6), '/strict' (7)",
            id="wrong pipeline",
        ),
        pytest.param(
            release("Deploy"),
            {},
            "release definition 'Deploy' exists in several folders of project 'ml': add the folder "
            "or use the id, one of '/a/Deploy' (3), '/b/Deploy' (4)",
            id="ambiguous name",
        ),
        pytest.param(
            release(1),
            {"identity": {"view": False}},
            "Azure DevOps refused (HTTP 403): VS402904: Access denied: User trigger does not have "
            "view release definition permission. Contact your release manager: the app's identity "
            "needs View release pipeline, View releases and Create releases",
            id="missing permission to view",
        ),
        pytest.param(
            release("/a/Deploy"),
            {"identity": {"create_releases": (1, 2)}},
            "the app's identity lacks Create releases on release definition 3: grant it there, "
            "under Security",
            id="missing permission to create releases",
        ),
        pytest.param(
            pipeline(5),
            {"identity": {"queue_builds": ()}},
            "Azure DevOps refused (HTTP 403): TF215106: Access denied. trigger needs Queue builds "
            "permissions for build pipeline 5 in team project ml: the app's identity needs View "
            "builds, Queue builds and Edit queue build configuration",
            id="missing permission to run",
        ),
        pytest.param(
            release(1),
            {"identity": {"expired": True}},
            "Azure DevOps rejected the credentials (HTTP 401: Access Denied: The Personal Access "
            "Token used has expired.): renew AZURE_DEVOPS_PAT, or add the app's managed identity "
            "to the organization",
            id="expired token",
        ),
        pytest.param(
            release(1),
            {"identity": {"expired": True}, "scheme": "Bearer pat"},
            "Azure DevOps returned its sign-in page (HTTP 203): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organization",
            id="sign-in page",
        ),
        pytest.param(
            pipeline(5, parameters={"modelName": "x", "modelVersion": "1", "stage": "prod"}),
            {},
            "pipeline 5 would not accept the run (Unexpected parameter 'stage'): correct the "
            "parameters, variables, branch or stages in the rule or the pipeline",
            id="unknown pipeline parameter",
        ),
        pytest.param(
            pipeline(5, parameters={"modelName": "x"}, branch="nxt"),
            {},
            "pipeline 5 would not accept the run (/deploy-churn.yml: Could not get the latest "
            "source version for repository ml hosted on Azure Repos using ref refs/heads/nxt.; "
            "A value for the 'modelVersion' parameter must be provided.): correct the parameters, "
            "variables, branch or stages in the rule or the pipeline",
            id="several mistakes",
        ),
        pytest.param(
            release(9),
            {},
            "release definition 'Doubled' (9) also starts on its own, so every version is "
            "released twice: turn off the continuous deployment trigger of its artifact '_churn'",
            id="trigger still on",
        ),
        pytest.param(
            release(8),
            {},
            "release definition 'Silent' (8) receives nothing that identifies the model: add the "
            "variables modelName and modelVersion at scope Release and tick Settable at release "
            "time, or set variables or artifacts in the rule",
            id="gets no version",
        ),
    ],
)
def test_each_mistake_is_reported_with_its_fix(of_rule, options, sentence):
    assert Finding("churn", ok=False, sentence=sentence) == finding(of_rule, **options)


def test_a_variable_that_is_not_settable_is_reported():
    one = finding(release(1, variables={"environment": "test"}))

    assert not one.ok
    assert "'environment' is not settable" in one.sentence
    assert "tick Settable at release time" in one.sentence


def test_an_enabled_trigger_is_reported_along_with_other_problems():
    one = finding(release(9), identity={"create_releases": ()})

    assert not one.ok
    assert "'Doubled' (9) also starts on its own" in one.sentence
    assert one.sentence.endswith("grant it there, under Security")


def test_an_unreachable_host_is_reported():
    with closing(socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        (one,) = found(None, release(1), organization_url=f"http://{host}/fabrikam")

    assert (
        Finding(
            "churn",
            ok=False,
            sentence=f"the request to Azure DevOps failed: no connection to {host}: Connection "
            f"refused. Check the address http://{host}/fabrikam, and that it can be reached "
            "from here",
        )
        == one
    )


def test_a_host_that_does_not_exist_is_reported():
    (one,) = found(None, release(1), organization_url="https://nowhere.invalid/fabrikam")

    assert one.sentence.startswith(
        "the request to Azure DevOps failed: no connection to nowhere.inv"
    )


def test_an_identity_that_may_not_query_its_permissions_is_not_a_mistake():
    with AzureDevOps((organization(),)) as azure_devops:
        azure_devops.fault("error", verb="GET", path="/permissions/", status=403, times=None)
        (one,) = found(azure_devops, release(1))

    assert (
        Finding(
            "churn",
            ok=True,
            sentence="release definition 'Deploy churn' (1) of project 'ml' accepts the rule's "
            "values; not verified: whether the identity may view and create its releases: HTTP "
            "403: Access denied.",
        )
        == one
    )


def test_a_server_that_cannot_preview_runs_is_not_a_mistake():
    with AzureDevOps((replace(organization(), highest_version=6.0),)) as azure_devops:
        (one,) = found(azure_devops, pipeline(5))

    assert (
        Finding(
            "churn",
            ok=True,
            sentence="pipeline 5 of project 'ml' accepts the rule's values; not verified: "
            "whether a run would be accepted, since this server cannot preview runs",
        )
        == one
    )


def test_every_rule_is_reported_separately():
    with AzureDevOps((organization(),)) as azure_devops:
        rules = [
            rule("a", release={"definition": 1}),
            rule("b", release={"definition": 4711}),
            rule("c", release={"definition": 2}),
        ]
        reported = found(azure_devops, *rules)

    assert [("a", True), ("b", False), ("c", True)] == [(one.subject, one.ok) for one in reported]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"model": ["chu*", "!x", "churn"]}, ("churn", "sample"), id="a plain name"),
        pytest.param({"model": "chu*"}, ("model", "sample"), id="a glob"),
        pytest.param({"workspace": WORKSPACE_ID}, ("churn", "ml-prod-ws"), id="a workspace"),
        pytest.param({"workspace": "ml-*"}, ("churn", "sample"), id="a glob on workspaces"),
    ],
)
def test_a_sample_is_a_registration_that_the_rule_could_match(fields, expected):
    sample = sample_registration(rule(**fields))

    assert expected == (sample.model, sample.workspace.name)


def raising(error):
    def models(_workspace, _deadline):
        raise error
        yield

    return models


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        pytest.param(
            lambda *_: iter(()),
            Finding(WORKSPACE.id, ok=True, sentence="its models can be listed"),
            id="none is registered",
        ),
        pytest.param(
            lambda *_: iter(["churn"]),
            Finding(WORKSPACE.id, ok=True, sentence="its models can be listed"),
            id="one is registered",
        ),
        pytest.param(
            raising(WorkspaceAccessError("grant a role")),
            Finding(WORKSPACE.id, ok=False, sentence="grant a role"),
            id="no access",
        ),
        pytest.param(
            raising(AzureMLError("could not list the models")),
            Finding(WORKSPACE.id, ok=False, sentence="could not list the models"),
            id="temporary fault",
        ),
    ],
)
def test_a_workspace_is_listed_to_check_the_permission(models, expected):
    assert [expected] == list(check_workspaces([WORKSPACE], models, deadline))
