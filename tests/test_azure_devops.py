"""The adapter for Azure DevOps: names, releases, runs, look-ups, tokens, throttling."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from model_trigger.azure_devops import AzureDevOps as Adapter
from model_trigger.azure_devops import release_url
from model_trigger.azure_devops_answers import AnswerError
from model_trigger.azure_devops_client import forget_locations
from model_trigger.azure_devops_pipelines import Pipelines
from model_trigger.ports import AzureDevOpsError
from model_trigger.services import _Bearer
from model_trigger.targets import (
    NotStarted,
    Refused,
    Release,
    Started,
    StartRequest,
    TargetAddress,
    TargetError,
    TargetKind,
    Unknown,
    address_of,
    request_for,
)
from tests.build import deadline, registration, rule, standing_still
from tests.sandbox.azure_devops import AzureDevOps
from tests.sandbox.azure_devops_messages import Answer
from tests.sandbox.azure_devops_organisation import (
    CHURN,
    DEPLOY_CHURN,
    Identity,
    Organisation,
    Parameter,
    Pipeline,
    Project,
    ReleaseDefinition,
    azure_ml_model,
    build_artifact,
)

RELEASE, PIPELINE = TargetKind.RELEASE, TargetKind.PIPELINE
KEYLESS = replace(DEPLOY_CHURN, parameters=DEPLOY_CHURN.parameters[:2])
KEY = "0123456789abcdef"


def organisation(*targets, name="fabrikam", **fields):
    """Make an organisation with one project, ml."""
    releases = tuple(one for one in targets if isinstance(one, ReleaseDefinition))
    pipelines = tuple(one for one in targets if isinstance(one, Pipeline))
    return Organisation(name, (Project("ml", releases, pipelines),), **fields)


def stand_in(*targets, port=0, **fields):
    return AzureDevOps((organisation(*targets, **fields),), port=port)


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def adapter(authorization=lambda _: "Basic Om5vdC1hLXNlY3JldA==", clock=time.monotonic):
    """Make the adapter of a fresh process."""
    forget_locations()
    return Adapter(authorization, clock)


@contextmanager
def changed(azure_devops, *targets):
    """Stop the stand-in, and put another one with these targets in its place."""
    azure_devops.stop()
    with stand_in(*targets, port=azure_devops.port) as other:
        yield other


def address(azure_devops, definition, kind=RELEASE, project="ml", branch=None):
    return TargetAddress(kind, azure_devops.url, project, definition, branch)


def request(azure_devops, using, key=KEY, version="17", **fields):
    """Make the request that a rule for churn makes, with what the adapter reads."""
    of_rule = rule(**fields)
    where = address_of(of_rule, azure_devops.url, "ml")
    definition = using.definition(where, deadline())
    return request_for(of_rule, registration(version), where, definition, key)


def pipeline_request(azure_devops, using, key=KEY, **pipeline):
    return request(azure_devops, using, key, release=None, pipeline={"id": 5, **pipeline})


def posts(azure_devops):
    """Give the requests that start something."""
    return [
        each
        for each in azure_devops.requests
        if each.method == "POST" and each.path.endswith(("/releases", "/runs"))
    ]


def now():
    return datetime.now(UTC)


KINDS = [
    pytest.param(RELEASE, ReleaseDefinition, id="release"),
    pytest.param(PIPELINE, Pipeline, id="pipeline"),
]


class TestNames:
    """A definition or a pipeline by its name."""

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("Deploy churn", id="as it is"),
            pytest.param("deploy CHURN", id="in another case"),
            pytest.param("/ml/prod/Deploy churn", id="with its folder"),
            pytest.param(
                "\\ml\\prod\\Deploy churn", id="with its folder, as the service writes it"
            ),
            pytest.param("ML/Prod/deploy churn", id="with its folder, without a leading slash"),
        ],
    )
    def test_a_name_is_found_however_it_is_written(self, kind, make, name):
        with stand_in(
            make(3, "Deploy churn", "\\ml\\prod"), make(4, "Deploy churn 2", "\\")
        ) as azure_devops:
            definition = adapter().definition(address(azure_devops, name, kind), deadline())

        assert 3 == definition.id

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    @pytest.mark.parametrize(
        ("name", "found"), [("/Deploy", 3), ("/ml/Deploy", 4), ("/ml/prod/Deploy", 5)]
    )
    def test_a_folder_tells_definitions_of_one_name_apart(self, kind, make, name, found):
        same = (make(3, "Deploy", "\\"), make(4, "Deploy", "\\ml"), make(5, "Deploy", "\\ml\\prod"))
        with stand_in(*same) as azure_devops:
            assert found == adapter().definition(address(azure_devops, name, kind), deadline()).id

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    @pytest.mark.parametrize(
        ("there", "wanted", "told"),
        [
            pytest.param(
                [(3, "Deploy", "\\a"), (7, "Deploy", "\\b")],
                "Deploy",
                "{what} 'Deploy' is in several folders of project 'ml': write it with its folder, "
                "or its id, '/a/Deploy' (3), '/b/Deploy' (7)",
                id="ambiguous",
            ),
            pytest.param(
                [(1, "Deploy fraud", "\\"), (2, "Deploy churn", "\\ml")],
                "Deploy chrun",
                "there is no {what} 'Deploy chrun' in project 'ml': write one that is there, "
                "'/ml/Deploy churn' (2), '/Deploy fraud' (1)",
                id="misspelled: the nearest first",
            ),
            pytest.param(
                [(2, "Deploy churn", "\\ml")],
                "/prod/Deploy churn",
                "there is no {what} '/prod/Deploy churn' in project 'ml': write one that is there, "
                "'/ml/Deploy churn' (2)",
                id="in another folder",
            ),
            pytest.param(
                [(number, f"d{number:02}", "\\") for number in range(1, 14)],
                4711,
                "there is no {what} 4711 in project 'ml': write one that is there, "
                + ", ".join(f"'/d{number:02}' ({number})" for number in range(1, 11))
                + ", and 3 more",
                id="an unknown id",
            ),
            pytest.param(
                [],
                "Deploy",
                "there is no {what} 'Deploy' in project 'ml', nor any other that the identity of "
                "the app may view: correct the project, or grant the permission to view its "
                "{what}s",
                id="nothing there",
            ),
        ],
    )
    def test_what_is_not_one_definition_is_refused_with_what_is_there(
        self, kind, make, there, wanted, told
    ):
        what = {RELEASE: "release definition", PIPELINE: "pipeline"}[kind]
        with (
            stand_in(*(make(*one) for one in there)) as azure_devops,
            pytest.raises(TargetError) as refused,
        ):
            adapter().definition(address(azure_devops, wanted, kind), deadline())

        assert told.format(what=what) == str(refused.value)

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    def test_a_project_that_is_not_there_is_told(self, kind, make):
        with stand_in(make(1, "Deploy", "\\")) as azure_devops, pytest.raises(TargetError) as told:
            adapter().definition(address(azure_devops, 1, kind, project="mll"), deadline())

        assert (
            f"there is no project 'mll' in {azure_devops.url}: correct AZURE_DEVOPS_PROJECT, or "
            "the project that the rule names" == str(told.value)
        )

    def test_a_name_is_looked_up_once_and_a_definition_is_read_again_after_a_minute(self):
        clock = Clock()
        with stand_in(CHURN) as azure_devops:
            using, where = adapter(clock=clock), address(azure_devops, "Deploy churn")
            for clock.now in (0, 59, 61, 200):
                using.definition(where, deadline())

        looked_up = [each for each in azure_devops.requests if "searchText" in each.query]
        read = [each for each in azure_devops.requests if each.path.endswith("/definitions/1")]
        assert (1, 3) == (len(looked_up), len(read))

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    def test_a_name_is_looked_up_again_when_its_id_is_gone(self, kind, make):
        clock = Clock()
        with stand_in(make(1, "Deploy", "\\")) as azure_devops:
            using, where = adapter(clock=clock), address(azure_devops, "Deploy", kind)
            using.definition(where, deadline())
            gone = StartRequest(kind, azure_devops.url, "ml", 1, {"definitionId": 1})
            with changed(azure_devops, make(2, "Deploy", "\\")):
                assert isinstance(using.start(gone, deadline()), Refused)
                assert 2 == using.definition(where, deadline()).id

    @pytest.mark.parametrize(("kind", "make"), KINDS)
    def test_what_may_not_be_viewed_names_the_permissions(self, kind, make):
        blind = Identity("trigger", "pat", view=False)
        using = adapter(lambda _: "Basic OnBhdA==")
        with stand_in(make(1, "Deploy", "\\"), identities=(blind,)) as azure_devops:
            where = address(azure_devops, "Deploy", kind)
            with pytest.raises(TargetError, match=r"\(HTTP 403\): VS402904: .*: the app's") as told:
                using.definition(where, deadline())

        needed = {
            RELEASE: "View release pipeline, View releases and Create releases",
            PIPELINE: "View builds, Queue builds and Edit queue build configuration",
        }
        assert f"the app's identity needs {needed[kind]}" in str(told.value)


class TestReleases:
    """Classic releases."""

    def test_artifacts_get_the_version_of_their_model_what_the_rule_says_or_their_default(self):
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

    def test_a_definition_whose_own_trigger_is_on_is_warned_of_once(self, caplog):
        clock, doubled = Clock(), replace(CHURN, triggers=("_churn",))
        with stand_in(doubled) as azure_devops:
            using = adapter(clock=clock)
            for clock.now in (0, 100, 200):
                using.definition(address(azure_devops, 1), deadline())

        (warned,) = [each.message for each in caplog.records if each.name == "model_trigger"]
        assert (
            "release definition 'Deploy churn' (1) also starts by itself, so that every version is "
            "released twice: switch off the continuous deployment trigger of its artifact '_churn'"
            == warned
        )

    def test_the_trigger_of_another_artifact_is_nobodys_business(self, caplog):
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
    def test_the_key_is_sent_where_the_pipeline_declares_the_parameter(self, parameters, takes_key):
        with stand_in(replace(DEPLOY_CHURN, parameters=parameters)) as azure_devops:
            definition = adapter().definition(address(azure_devops, 5, PIPELINE), deadline())

        assert takes_key is definition.takes_key

    def test_the_key_is_tried_on_the_branch_that_is_run(self):
        with stand_in(replace(DEPLOY_CHURN, branches=("refs/heads/next",))) as azure_devops:
            adapter().definition(address(azure_devops, 5, PIPELINE, branch="next"), deadline())
            (preview,) = [each for each in azure_devops.requests if each.method == "POST"]

        assert "refs/heads/next" == preview.json["resources"]["repositories"]["self"]["refName"]
        assert [] == azure_devops.runs

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(DEPLOY_CHURN, KEYLESS, id="any more"),
            pytest.param(
                KEYLESS,
                replace(KEYLESS, parameters=(*KEYLESS.parameters, Parameter("modelTriggerKey"))),
                id="and has come to need it",
            ),
        ],
    )
    def test_a_pipeline_that_does_not_take_what_it_took_is_believed(self, before, after):
        with stand_in(before) as azure_devops:
            using = adapter()
            first = pipeline_request(azure_devops, using)
            with changed(azure_devops, after) as other:
                refused = using.start(first, deadline())
                again = using.start(pipeline_request(other, using), deadline())

        assert (Refused, Started) == (type(refused), type(again))
        assert [] == [each for each in other.requests if each.path.endswith("/preview")]

    def test_a_pipeline_is_asked_again_after_a_refusal_of_another_kind(self):
        with stand_in(DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using, parameters={"modelNme": "x"})
            assert isinstance(using.start(asked_for, deadline()), Refused)
            with changed(azure_devops, KEYLESS) as other:
                where = address(other, 5, PIPELINE)
                assert not using.definition(where, deadline()).takes_key

    def test_who_may_not_preview_is_refused_by_the_run_itself(self):
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


STARTS = [
    pytest.param(request, id="release"),
    pytest.param(pipeline_request, id="pipeline"),
]


class TestResults:
    """What became of the POST of either kind."""

    @pytest.mark.parametrize("make", STARTS)
    @pytest.mark.parametrize(
        ("fault", "result"),
        [
            pytest.param({"kind": "error", "status": 400}, Refused, id="refused"),
            pytest.param({"kind": "error", "status": 401}, Refused, id="unauthorized"),
            pytest.param({"kind": "error", "status": 403}, Refused, id="forbidden"),
            pytest.param({"kind": "sign-in page"}, Refused, id="sign-in page as 203"),
            pytest.param(
                {"kind": "sign-in page", "status": 200}, Refused, id="sign-in page as 200"
            ),
            pytest.param({"kind": "redirect"}, Refused, id="redirect"),
            pytest.param({"kind": "error", "status": 429}, NotStarted, id="throttled"),
            pytest.param({"kind": "error", "status": 408}, Unknown, id="request time-out"),
            pytest.param({"kind": "error", "status": 500}, Unknown, id="server error"),
            pytest.param({"kind": "error", "status": 503, "retry_after": 9}, Unknown, id="503"),
            pytest.param({"kind": "empty"}, Unknown, id="empty"),
            pytest.param({"kind": "garbage"}, Unknown, id="garbage"),
            pytest.param({"kind": "truncated"}, Unknown, id="half an answer"),
            pytest.param({"kind": "close"}, Unknown, id="closed"),
            pytest.param({"kind": "reset"}, Unknown, id="reset"),
            pytest.param({"kind": "hang", "seconds": 1}, Unknown, id="silence"),
            pytest.param({"kind": "retry-after", "retry_after": 60}, Started, id="slowed down"),
        ],
    )
    def test_each_answer_is_told_for_what_it_is_and_nothing_is_sent_twice(
        self, make, fault, result
    ):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.fault(**fault)
            became = using.start(asked_for, deadline(0.6))

            assert (result, 1) == (type(became), len(posts(azure_devops)))

    @pytest.mark.parametrize("make", STARTS)
    def test_without_a_connection_nothing_was_started(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
        became = using.start(asked_for, deadline())

        told = (
            "Azure DevOps gave no readable answer: no connection to "
            f"127.0.0.1:{azure_devops.port}: Connection refused"
        )
        assert NotStarted(told) == became

    @pytest.mark.parametrize("make", STARTS)
    def test_what_goes_wrong_before_the_post_has_started_nothing(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            azure_devops.fault("error", verb="OPTIONS", status=500)
            became = adapter().start(asked_for, deadline())

            assert (NotStarted, []) == (type(became), posts(azure_devops))


# JSON that is not what it should be; none of these is a list of the service, or one definition.
ODD = [
    "[]",
    '"x"',
    "null",
    "3",
    "{}",
    '{"id": "x"}',
    '{"value": null}',
    '{"value": [3]}',
    '{"value": {}}',
]


class OddService(AzureDevOps):
    """A stand-in that answers some requests with JSON of another shape."""

    def answer_oddly(self, method, path, body):
        self.odd = method, path, body

    def _respond(self, request):
        method, path, body = getattr(self, "odd", ("", "", ""))
        if request.method == method and path in request.path:
            return Answer(body=body.encode())
        return super()._respond(request)


class TestOddAnswers:
    """JSON of another shape is no answer, and never says that there is nothing."""

    @pytest.mark.parametrize("body", ODD)
    @pytest.mark.parametrize(
        ("make", "path"),
        [(request, "/releases"), (pipeline_request, "/runs")],
        ids=["release", "run"],
    )
    def test_what_an_odd_answer_started_is_unknown(self, make, path, body):
        with OddService((organisation(CHURN, DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.answer_oddly("POST", path, body)

            assert isinstance(using.start(asked_for, deadline()), Unknown)

    @pytest.mark.parametrize("body", ODD)
    def test_where_things_are_is_asked_again_after_an_odd_answer(self, body):
        with OddService((organisation(CHURN),)) as azure_devops:
            asked_for, using = request(azure_devops, adapter()), adapter()
            azure_devops.answer_oddly("OPTIONS", "/_apis", body)
            odd = using.start(asked_for, deadline())
            azure_devops.answer_oddly("", "", "")

            assert isinstance(odd, NotStarted)
            assert isinstance(using.start(asked_for, deadline()), Started)

    @pytest.mark.parametrize("body", ODD)
    @pytest.mark.parametrize(
        ("kind", "definition", "method", "path"),
        [
            pytest.param(RELEASE, 1, "GET", "/definitions/1", id="release definition"),
            pytest.param(RELEASE, "Deploy churn", "GET", "/definitions", id="release definitions"),
            pytest.param(PIPELINE, "deploy-churn", "GET", "/definitions", id="pipelines"),
            pytest.param(PIPELINE, 5, "POST", "/preview", id="preview"),
        ],
    )
    def test_what_is_read_oddly_may_pass(self, kind, definition, method, path, body):
        with OddService((organisation(CHURN, DEPLOY_CHURN),)) as azure_devops:
            azure_devops.answer_oddly(method, path, body)
            where, using = address(azure_devops, definition, kind), adapter()
            with pytest.raises(AzureDevOpsError):
                using.definition(where, deadline())
            azure_devops.answer_oddly("", "", "")

            assert using.definition(where, deadline()).id in {1, 5}

    @pytest.mark.parametrize("body", ODD)
    @pytest.mark.parametrize(
        ("make", "path"),
        [(request, "/releases"), (pipeline_request, "/builds")],
        ids=["release", "run"],
    )
    def test_an_odd_list_does_not_say_that_nothing_was_started(self, make, path, body):
        with OddService((organisation(CHURN, DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.answer_oddly("GET", path, body)
            with pytest.raises(AzureDevOpsError):
                using.find(asked_for, KEY, now(), deadline())

    @pytest.mark.parametrize(
        "links", ["null", '{"web": null}', '{"web": []}', '{"web": {"href": 1}}']
    )
    def test_a_release_without_its_page_is_started_all_the_same(self, links):
        with OddService((organisation(CHURN),)) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            azure_devops.answer_oddly("POST", "/releases", f'{{"id": 7, "_links": {links}}}')
            started = using.start(asked_for, deadline())

        page = f"{azure_devops.url}/ml/_releaseProgress?releaseId=7"
        assert Started(Release(7, page)) == started


class TestLookUps:
    """What was started, found again."""

    @pytest.mark.parametrize("make", STARTS)
    def test_what_was_started_without_an_answer_is_found_by_its_key(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for, began = make(azure_devops, using), now()
            using.start(make(azure_devops, using), deadline())
            azure_devops.fault("close", commit=True)
            using.start(replace(asked_for, body=keyed(asked_for.body, "other")), deadline())

            assert 2 == using.find(keyed_request(asked_for, "other"), "other", began, deadline()).id
            nobodys = keyed_request(asked_for, "nobody's")
            assert None is using.find(nobodys, "nobody's", began, deadline())
            assert None is using.find(asked_for, KEY, began + timedelta(minutes=6), deadline())

    @pytest.mark.parametrize("make", STARTS)
    def test_a_look_up_reads_to_the_last_page(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for, began = make(azure_devops, using), now()
            for number in range(120):
                using.start(keyed_request(asked_for, f"k{number}"), deadline())

            last = keyed_request(asked_for, "k119")
            assert 120 == using.find(last, "k119", began, deadline()).id

    def test_of_several_keys_in_a_description_only_the_last_one_counts(self):
        with stand_in(CHURN) as azure_devops:
            using, began = adapter(), now()
            asked_for = request(azure_devops, using)
            both = "[model-trigger:first] churn 17 [model-trigger:last]"
            using.start(
                replace(asked_for, body={**asked_for.body, "description": both}), deadline()
            )

            assert None is using.find(asked_for, "first", began, deadline())
            assert 1 == using.find(asked_for, "last", began, deadline()).id

    def test_without_a_key_the_run_is_the_one_that_was_given_the_same(self):
        with stand_in(replace(KEYLESS, branches=("refs/heads/next",))) as azure_devops:
            using = adapter()
            asked_for, began = pipeline_request(azure_devops, using, branch="next"), now()
            version_18 = pipeline_request(azure_devops, using, branch="next")
            version_18.body["templateParameters"]["modelVersion"] = "18"
            for other in (version_18, pipeline_request(azure_devops, using, branch="main")):
                using.start(other, deadline())
            before = using.find(asked_for, KEY, began, deadline())
            using.start(asked_for, deadline())
            after = using.find(asked_for, KEY, began, deadline())

        assert (None, 3) == (before, after.id)

    def test_without_a_key_which_of_several_runs_it_is_is_not_guessed(self):
        with stand_in(KEYLESS) as azure_devops:
            using = adapter()
            asked_for, began = pipeline_request(azure_devops, using), now()
            first, second = (using.start(asked_for, deadline()).release for _ in range(2))
            with pytest.raises(TargetError) as refused:
                using.find(asked_for, KEY, began, deadline())
            left = using.find(asked_for, KEY, began, deadline(), known={first.id})

        assert (
            "2 runs of pipeline 5 were given the same, and one of them may be the one in question: "
            f"{first.url}, {second.url}. Delete those that are too many, or forget the claim; "
            "declare the parameter modelTriggerKey in the pipeline, and runs are told apart"
            == str(refused.value)
        )
        assert second == left

    @pytest.mark.parametrize(
        ("build", "found"),
        [
            pytest.param({}, True, id="the same"),
            pytest.param({"template_parameters": {"DRYRUN": "True", "n": "1"}}, True, id="True"),
            pytest.param({"template_parameters": {"dryRun": "false", "n": "1"}}, False, id="other"),
            pytest.param({"template_parameters": {"dryRun": "true"}}, False, id="one missing"),
            pytest.param({"template_parameters": None}, True, id="parameters not told"),
            pytest.param({"parameters": '{"colour": "blue"}'}, False, id="another variable"),
            pytest.param({"parameters": None}, True, id="variables not told"),
            pytest.param({"parameters": "["}, True, id="variables that cannot be read"),
            pytest.param({"parameters": "[]"}, True, id="variables of another shape"),
            pytest.param({"source_branch": "refs/heads/next"}, False, id="another branch"),
        ],
    )
    def test_a_run_fits_unless_it_was_given_something_else(self, build, found):
        body = {
            "templateParameters": {"dryRun": "true", "n": "1"},
            "variables": {"colour": {"value": "red"}},
            "resources": {"repositories": {"self": {"refName": "refs/heads/main"}}},
        }
        fields = {
            "id": 1,
            "template_parameters": {"dryRun": "true", "n": "1", "other": "x"},
            "parameters": '{"colour": "red", "shape": "round"}',
            "source_branch": "refs/heads/main",
            "_links": None,
        }
        page = "https://dev.azure.com/f/my%20ml/_build/results?buildId=1"
        assert (Release(1, page) if found else None) == found_in(fields | build, body)

    def test_with_a_key_only_the_key_counts_however_other_values_are_spelled(self):
        body = {"templateParameters": {"n": "010", "modelTriggerKey": KEY}}
        build = {
            "id": 1,
            "template_parameters": {"n": "10", "modelTriggerKey": KEY},
            "_links": None,
        }

        assert 1 == found_in(build, body).id


def found_in(build, body):
    """Look for what a body started among one build."""
    builds = SimpleNamespace(get_builds=lambda *_, **__: [SimpleNamespace(**build)])
    asked_for = StartRequest(PIPELINE, "https://dev.azure.com/f", "my ml", 5, body)
    return Pipelines(None, builds).find(asked_for, KEY, now(), ())


def keyed(body, key):
    """Give a body with another key."""
    if "description" in body:
        return {**body, "description": f"x [model-trigger:{key}]"}
    return {**body, "templateParameters": {**body["templateParameters"], "modelTriggerKey": key}}


def keyed_request(asked_for, key):
    return replace(asked_for, body=keyed(asked_for.body, key))


class TestPlaces:
    """Organisations, projects, servers."""

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
    def test_releases_have_a_host_of_their_own_in_services_only(self, organization_url, expected):
        assert expected == release_url(organization_url)

    def test_one_app_starts_in_several_organisations_and_projects(self):
        with stand_in(CHURN) as one, AzureDevOps() as other:
            using = adapter()
            there = {"definition": 1, "organization_url": other.url}
            for release in ({"definition": 1}, there, there | {"project": "My Project"}):
                using.start(request(one, using, release=release), deadline())

        assert ["ml"] == [each["projectReference"]["name"] for each in one.releases]
        assert ["ml", "My Project"] == [each["projectReference"]["name"] for each in other.releases]

    @pytest.mark.parametrize("make", STARTS)
    def test_an_older_server_is_asked_for_the_version_that_it_has(self, make):
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
    """Who asks."""

    def test_a_token_is_renewed_before_it_expires(self):
        credential = Expiring()
        with stand_in(CHURN) as azure_devops:
            using = adapter(credential.authorization)
            using.definition(address(azure_devops, 1), deadline())
            for credential.seconds in (330, 299, 3600):
                using.start(request(azure_devops, using), deadline())
            sent = [each.headers["authorization"] for each in azure_devops.requests]

        assert ["Bearer token 1"] * 3 + ["Bearer token 2"] * 2 == sent

    def test_every_thread_sends_the_token_of_the_moment(self):
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
        ("error", "told"),
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
                    "Azure DevOps could not be asked: no token for Azure DevOps: away",
                ),
                id="it may pass",
            ),
        ],
    )
    def test_without_a_token_nothing_is_asked(self, error, told):
        def no_token(_):
            raise error

        with stand_in(CHURN) as azure_devops:
            asked_for = request(azure_devops, adapter())
            count = len(azure_devops.requests)
            with pytest.raises(told[0]) as raised:
                adapter(no_token).definition(address(azure_devops, 1), deadline())
            became = adapter(no_token).start(asked_for, deadline())

            assert (told[1], count) == (str(raised.value), len(azure_devops.requests))
        assert (Refused if told[0] is TargetError else NotStarted) is type(became)

    @pytest.mark.parametrize("make", STARTS)
    def test_a_bearer_token_is_never_sent_over_plain_http(self, make):
        credential = Expiring()
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            count = len(azure_devops.requests)
            became = adapter(_Bearer(credential).header).start(asked_for, deadline())

            assert count == len(azure_devops.requests)
        assert (
            Refused(f"a token is never sent over plain HTTP: give {azure_devops.url} as https://")
            == became
        )


class Expiring:
    """A credential; its newest token expires in so many `seconds`."""

    def __init__(self):
        self.seconds, self.count = 0, 0
        self._bearer = _Bearer(self)

    def get_token(self, *_scopes, **_options):
        self.seconds, self.count = 3600, self.count + 1
        return Token(f"token {self.count}", self)

    def authorization(self, organization_url):
        """Stand for an organisation behind TLS, whose sockets are plain."""
        return self._bearer.header(organization_url.replace("http://", "https://"))


@dataclass
class Token:
    token: str
    credential: Expiring

    @property
    def expires_on(self):
        return time.time() + self.credential.seconds


class TestThrottling:
    """A service that wants to be left alone."""

    def test_a_success_that_asks_for_a_long_pause_holds_the_next_start_back(self):
        with stand_in(CHURN) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            azure_devops.fault("retry-after", retry_after=60)
            limit = standing_still()
            first, second = (using.start(asked_for, limit) for _ in range(2))

            assert (Started, NotStarted, 1) == (type(first), type(second), len(posts(azure_devops)))
        assert pytest.approx(60) == second.retry_after
        assert second.reason.startswith("Azure DevOps asked for a pause, of which ")

    def test_reading_waits_no_longer_than_an_event_may(self):
        with stand_in(CHURN) as azure_devops:
            using = adapter()
            azure_devops.fault("retry-after", verb="OPTIONS", retry_after=60)
            with pytest.raises(AzureDevOpsError, match="asked for a pause"):
                using.definition(address(azure_devops, 1), deadline())

    def test_a_short_pause_is_made(self):
        paused = []
        with stand_in(CHURN) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            limit = standing_still(sleep=paused.append)
            azure_devops.fault("retry-after", retry_after=2)
            results = [type(using.start(asked_for, limit)) for _ in range(2)]

        assert [Started, Started] == results
        assert [pytest.approx(2)] == paused

    def test_another_organisation_need_not_wait(self):
        with stand_in(CHURN) as one, stand_in(CHURN) as other:
            using = adapter()
            one.fault("retry-after", retry_after=60)
            using.start(request(one, using), deadline())

            assert isinstance(using.start(request(other, using), deadline()), Started)

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            pytest.param({"Retry-After": "60"}, 60, id="Retry-After"),
            pytest.param({"Retry-After": "soon"}, 0, id="not a number"),
            pytest.param({}, 0, id="nothing"),
            pytest.param(
                {
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": "1795348830",
                    "Date": "Sun, 22 Nov 2026 12:00:00 GMT",
                },
                30,
                id="X-RateLimit-Reset, by the service's clock",
            ),
            pytest.param(
                {
                    "X-RateLimit-Remaining": "12",
                    "X-RateLimit-Reset": "1795348830",
                    "Date": "Sun, 22 Nov 2026 12:00:00 GMT",
                },
                0,
                id="some is left",
            ),
            pytest.param(
                {
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": "1895348830",
                    "Date": "Sun, 22 Nov 2026 12:00:00 GMT",
                },
                300,
                id="no longer than what is counted lasts",
            ),
        ],
    )
    def test_a_refusal_says_how_long_to_wait(self, headers, seconds):
        assert seconds == AnswerError(429, headers, "").retry_after


class TestRequests:
    """How often Azure DevOps is asked."""

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
    def test_the_first_start_asks_three_times_at_most_and_later_ones_only_start(
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
