"""The adapter for Azure DevOps: releases, runs, places, tokens, requests."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from model_trigger.targets.azure_devops.credentials import EntraToken
from model_trigger.targets.azure_devops.releases import release_url
from model_trigger.targets.request import (
    AzureDevOpsError,
    NotStarted,
    Refused,
    Release,
    Started,
    TargetError,
)
from tests.sandbox.azure_devops.organization import (
    CHURN,
    DEPLOY_CHURN,
    Identity,
    Parameter,
    ReleaseDefinition,
    azure_ml_model,
    build_artifact,
)
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.support.build import deadline
from tests.support.organization import (
    KEY,
    KEYLESS,
    PIPELINE,
    STARTS,
    Clock,
    adapter,
    address,
    changed,
    pipeline_request,
    posts,
    request,
    stand_in,
)


class TestReleases:
    """Classic releases."""

    def test_artifacts_get_their_model_s_version_the_rule_s_or_their_default(self):
        definition = ReleaseDefinition(
            1,
            "Deploy",
            artifacts=(
                azure_ml_model("_churn", "churn", latest="3"),
                azure_ml_model("_fraud", "fraud", latest="8"),
                build_artifact("_app", "app", latest="1204"),
                build_artifact("_infra", "infra", latest="77"),
            ),
        )
        with stand_in(definition) as azure_devops:
            using = adapter()
            release = {"definition": 1, "artifacts": {"_infra": "75"}}
            using.start(request(azure_devops, using, release=release), deadline())
            (started,) = azure_devops.releases

        assert {"_churn": "17", "_fraud": "8", "_app": "1204", "_infra": "75"} == {
            one["alias"]: one["definitionReference"]["version"]["id"]
            for one in started["artifacts"]
        }

    def test_a_variable_that_is_not_settable_is_refused_before_the_post(self):
        with stand_in(CHURN) as azure_devops:
            using = adapter()
            variables = {"environment": "test", "Modelname": "x", "colour": "red"}
            with pytest.raises(TargetError) as refused:
                request(azure_devops, using, release={"definition": 1, "variables": variables})

        for said in ("'environment' is not settable", "'colour' does not exist", "tick Settable"):
            assert said in str(refused.value)
        assert [] == posts(azure_devops)

    def test_a_definition_whose_own_trigger_is_on_gets_one_warning(self, caplog):
        clock, doubled = Clock(), replace(CHURN, triggers=("_churn",))
        with stand_in(doubled) as azure_devops:
            using = adapter(clock=clock)
            for clock.now in (0, 100, 200):
                using.definition(address(azure_devops, 1), deadline())

        (warned,) = [each.message for each in caplog.records if each.name == "model_trigger"]
        assert (
            "release definition 'Deploy churn' (1) also starts on its own, so every version is "
            "released twice: turn off the continuous deployment trigger of its artifact '_churn'"
            == warned
        )

    def test_the_trigger_of_another_artifact_is_ignored(self, caplog):
        built = replace(CHURN, artifacts=(build_artifact("_app", "app"),), triggers=("_app",))
        with stand_in(built) as azure_devops:
            assert () == adapter().definition(address(azure_devops, 1), deadline()).triggers
        assert [] == caplog.records


class TestRuns:
    """Runs of YAML pipelines."""

    def test_a_run_gets_parameters_variables_branch_and_stages(self):
        pipeline = replace(
            DEPLOY_CHURN,
            variables=("colour",),
            stages=("Test", "Prod"),
            branches=("refs/heads/main", "refs/heads/next"),
        )
        with stand_in(pipeline) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(
                azure_devops,
                using,
                parameters={"modelName": "{model_name}", "modelVersion": "v{model_version}"},
                variables={"colour": "red"},
                branch="next",
                stages_to_skip=["Test"],
            )
            started = using.start(asked_for, deadline())
            (run,) = azure_devops.runs

        assert Started(Release(1, f"{azure_devops.url}/ml/_build/results?buildId=1")) == started
        assert (
            {"modelName": "churn", "modelVersion": "v17", "modelTriggerKey": KEY},
            {"colour": {"value": "red"}},
            "refs/heads/next",
            ["Test"],
        ) == (
            run["templateParameters"],
            run["variables"],
            run["resources"]["repositories"]["self"]["refName"],
            posts(azure_devops)[0].json["stagesToSkip"],
        )

    @pytest.mark.parametrize(
        ("parameters", "takes_key"),
        [
            pytest.param(DEPLOY_CHURN.parameters, True, id="declared, others are required"),
            pytest.param(DEPLOY_CHURN.parameters[2:], True, id="declared alone"),
            pytest.param((Parameter("modelTriggerKey"),), True, id="declared without a default"),
            pytest.param(KEYLESS.parameters, False, id="not declared, others are required"),
            pytest.param((), False, id="no parameters at all"),
        ],
    )
    def test_the_key_is_sent_if_the_pipeline_declares_the_parameter(self, parameters, takes_key):
        with stand_in(replace(DEPLOY_CHURN, parameters=parameters)) as azure_devops:
            definition = adapter().definition(address(azure_devops, 5, PIPELINE), deadline())

        assert takes_key is definition.takes_key

    def test_the_key_is_tried_on_the_branch_of_the_run(self):
        with stand_in(replace(DEPLOY_CHURN, branches=("refs/heads/next",))) as azure_devops:
            adapter().definition(address(azure_devops, 5, PIPELINE, branch="next"), deadline())
            (preview,) = [each for each in azure_devops.requests if each.method == "POST"]

        assert "refs/heads/next" == preview.json["resources"]["repositories"]["self"]["refName"]
        assert [] == azure_devops.runs

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(DEPLOY_CHURN, KEYLESS, id="no longer declared"),
            pytest.param(
                KEYLESS,
                replace(KEYLESS, parameters=(*KEYLESS.parameters, Parameter("modelTriggerKey"))),
                id="now required",
            ),
        ],
    )
    def test_a_pipeline_that_has_changed_what_it_accepts_is_believed(self, before, after):
        with stand_in(before) as azure_devops:
            using = adapter()
            first = pipeline_request(azure_devops, using)
            with changed(azure_devops, after) as other:
                refused = using.start(first, deadline())
                again = using.start(pipeline_request(other, using), deadline())

        assert (Refused, Started) == (type(refused), type(again))
        assert [] == [each for each in other.requests if each.path.endswith("/preview")]

    def test_a_pipeline_is_previewed_again_after_another_kind_of_refusal(self):
        with stand_in(DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using, parameters={"modelNme": "x"})
            assert isinstance(using.start(asked_for, deadline()), Refused)
            with changed(azure_devops, KEYLESS) as other:
                where = address(other, 5, PIPELINE)
                assert not using.definition(where, deadline()).takes_key

    def test_without_permission_to_preview_the_run_itself_is_refused(self):
        nobody = Identity("trigger", "pat", queue_builds=())
        with stand_in(DEPLOY_CHURN, identities=(nobody,)) as azure_devops:
            using = adapter(lambda _: "Basic OnBhdA==")
            refused = using.start(pipeline_request(azure_devops, using), deadline())

        assert (
            Refused(
                "Azure DevOps refused (HTTP 403): TF215106: Access denied. trigger needs Queue "
                "builds permissions for build pipeline 5 in team project ml."
            )
            == refused
        )


class TestPlaces:
    """Organizations, projects, servers."""

    @pytest.mark.parametrize(
        ("organization_url", "expected"),
        [
            ("https://dev.azure.com/fabrikam", "https://vsrm.dev.azure.com/fabrikam"),
            ("https://DEV.azure.com/Fabrikam", "https://vsrm.dev.azure.com/Fabrikam"),
            ("https://fabrikam.visualstudio.com", "https://fabrikam.vsrm.visualstudio.com"),
            (
                "https://fabrikam.visualstudio.com/DefaultCollection",
                "https://fabrikam.vsrm.visualstudio.com",
            ),
            ("https://tfs.example.com/tfs/Main", "https://tfs.example.com/tfs/Main"),
            ("http://tfs:8080/tfs/DefaultCollection", "http://tfs:8080/tfs/DefaultCollection"),
        ],
    )
    def test_releases_have_a_separate_host_only_in_azure_devops_services(
        self, organization_url, expected
    ):
        assert expected == release_url(organization_url)

    def test_one_app_starts_in_several_organizations_and_projects(self):
        with stand_in(CHURN) as one, AzureDevOps() as other:
            using = adapter()
            there = {"definition": 1, "organization_url": other.url}
            for release in ({"definition": 1}, there, there | {"project": "My Project"}):
                using.start(request(one, using, release=release), deadline())

        assert ["ml"] == [each["projectReference"]["name"] for each in one.releases]
        assert ["ml", "My Project"] == [each["projectReference"]["name"] for each in other.releases]

    @pytest.mark.parametrize("make", STARTS)
    def test_an_older_server_is_called_with_its_own_api_version(self, make):
        with stand_in(CHURN, DEPLOY_CHURN, highest_version=6.0) as azure_devops:
            using = adapter()
            started = using.start(make(azure_devops, using), deadline())
            versions = {
                each.api_version for each in azure_devops.requests if each.path.count("/") > 3
            }

        assert (Started, {"6.0-preview"}) == (type(started), versions)

    def test_a_server_that_cannot_preview_is_sent_no_key(self):
        with stand_in(DEPLOY_CHURN, highest_version=6.0) as azure_devops:
            definition = adapter().definition(address(azure_devops, 5, PIPELINE), deadline())

        assert not definition.takes_key


class TestTokens:
    """Tokens and their renewal."""

    def test_a_token_is_renewed_before_it_expires(self):
        credential = Expiring()
        with stand_in(CHURN) as azure_devops:
            using = adapter(credential.authorization)
            using.definition(address(azure_devops, 1), deadline())
            for credential.seconds in (330, 299, 3600):
                using.start(request(azure_devops, using), deadline())
            sent = [each.headers["authorization"] for each in azure_devops.requests]

        assert ["Bearer token 1"] * 3 + ["Bearer token 2"] * 2 == sent

    def test_every_thread_sends_the_current_token(self):
        credential, sent = Expiring(), []
        with stand_in(CHURN) as azure_devops, ThreadPoolExecutor(4) as pool:
            using = adapter(credential.authorization)
            asked_for = request(azure_devops, using)
            for _ in range(3):
                list(pool.map(lambda _: using.start(asked_for, deadline()), range(8)))
                sent.append({each.headers["authorization"] for each in posts(azure_devops)})
                credential.seconds = 0

        first, second, third = sent
        assert first < second < third

    @pytest.mark.parametrize(
        ("error", "reported"),
        [
            pytest.param(
                ClientAuthenticationError("run az login\nor so"),
                (TargetError, "no token for Azure DevOps: run az login"),
                id="a person must act",
            ),
            pytest.param(
                ServiceRequestError("away"),
                (
                    AzureDevOpsError,
                    "the request to Azure DevOps failed: no token for Azure DevOps: away",
                ),
                id="temporary",
            ),
        ],
    )
    def test_without_a_token_no_request_is_sent(self, error, reported):
        def no_token(_):
            raise error

        with stand_in(CHURN) as azure_devops:
            asked_for = request(azure_devops, adapter())
            count = len(azure_devops.requests)
            with pytest.raises(reported[0]) as raised:
                adapter(no_token).definition(address(azure_devops, 1), deadline())
            became = adapter(no_token).start(asked_for, deadline())

            assert (reported[1], count) == (str(raised.value), len(azure_devops.requests))
        assert (Refused if reported[0] is TargetError else NotStarted) is type(became)

    @pytest.mark.parametrize("make", STARTS)
    def test_a_bearer_token_is_never_sent_over_plain_http(self, make):
        credential = Expiring()
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            count = len(azure_devops.requests)
            became = adapter(EntraToken(credential, time.time).header).start(asked_for, deadline())

            assert count == len(azure_devops.requests)
        assert isinstance(became, Refused)
        assert became.reason.startswith(f"{azure_devops.address} is not Azure DevOps Services over")


class Expiring:
    """A credential whose newest token expires in `seconds`."""

    def __init__(self):
        self.seconds, self.count = 0, 0
        self._bearer = EntraToken(self, time.time)

    def get_token(self, *_scopes, **_options):
        self.seconds, self.count = 3600, self.count + 1
        return Token(f"token {self.count}", self)

    def authorization(self, _):
        """Replace Azure DevOps Services, which tests cannot call."""
        return self._bearer.header("https://dev.azure.com/contoso")


@dataclass
class Token:
    token: str
    credential: Expiring

    @property
    def expires_on(self):
        return time.time() + self.credential.seconds


class TestRequests:
    """How often Azure DevOps is called."""

    @pytest.mark.parametrize(
        ("target", "before"),
        [
            pytest.param({"release": {"definition": 1}}, 2, id="release by id"),
            pytest.param({"release": {"definition": "Deploy churn"}}, 3, id="release by name"),
            pytest.param({"release": None, "pipeline": {"id": 5}}, 2, id="pipeline by id"),
            pytest.param(
                {"release": None, "pipeline": {"id": "deploy-churn"}}, 3, id="pipeline by name"
            ),
        ],
    )
    def test_the_first_start_makes_at_most_three_requests_and_later_ones_only_one(
        self, target, before
    ):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using, counts = adapter(), []
            for version in ("17", "18"):
                asked_for = request(azure_devops, using, version=version, **target)
                using.start(asked_for, deadline())
                counts.append(len(azure_devops.requests))

        assert [before + 1, before + 2] == counts
        assert 2 == len(posts(azure_devops))
