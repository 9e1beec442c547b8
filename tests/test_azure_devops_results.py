"""What became of a POST, and what the adapter makes of answers that are none."""

import pytest

from model_trigger.ports import AzureDevOpsError
from model_trigger.targets import NotStarted, Refused, Release, Started, Unknown
from tests.build import deadline
from tests.organisation import (
    PIPELINE,
    RELEASE,
    STARTS,
    OddService,
    adapter,
    address,
    found,
    organisation,
    pipeline_request,
    posts,
    request,
    stand_in,
)
from tests.sandbox.azure_devops_organisation import CHURN, DEPLOY_CHURN


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
                found(using, asked_for)

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
