"""The outcome of a POST, and how the adapter handles invalid responses."""

from dataclasses import replace

import pytest

from model_trigger.targets.request import (
    AzureDevOpsError,
    NotStarted,
    Refused,
    Release,
    Started,
    StartRequest,
    TargetAddress,
    TargetError,
    Unknown,
)
from tests.sandbox.azure_devops.organization import CHURN, DEPLOY_CHURN, Parameter
from tests.support.build import deadline
from tests.support.organization import (
    KEY,
    KEYLESS,
    PIPELINE,
    RELEASE,
    STARTS,
    OddService,
    adapter,
    address,
    changed,
    found,
    now,
    organization,
    patience,
    pipeline_request,
    posts,
    request,
    stand_in,
)

NEEDING = replace(KEYLESS, parameters=(*KEYLESS.parameters, Parameter("modelTriggerKey")))


class TestResults:
    """The outcome of the POST of either kind."""

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
            pytest.param({"kind": "redirect", "status": 307}, Refused, id="another redirect"),
            pytest.param({"kind": "text", "status": 401}, Refused, id="unauthorized, as text"),
            pytest.param({"kind": "text", "status": 404}, Unknown, id="404 as text"),
            pytest.param({"kind": "error", "status": 429}, NotStarted, id="throttled"),
            pytest.param({"kind": "error", "status": 408}, Unknown, id="request timeout"),
            pytest.param({"kind": "error", "status": 500}, Unknown, id="server error"),
            pytest.param({"kind": "error", "status": 503, "retry_after": 9}, Unknown, id="503"),
            pytest.param({"kind": "empty"}, Unknown, id="empty"),
            pytest.param({"kind": "garbage"}, Unknown, id="garbage"),
            pytest.param({"kind": "truncated"}, Unknown, id="half a response"),
            pytest.param({"kind": "close"}, Unknown, id="closed"),
            pytest.param({"kind": "reset"}, Unknown, id="reset"),
            pytest.param({"kind": "hang", "seconds": 60}, Unknown, id="silence"),
            pytest.param({"kind": "retry-after", "retry_after": 60}, Started, id="slowed down"),
        ],
    )
    def test_each_response_is_classified_and_nothing_is_sent_twice(self, make, fault, result):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.fault(**fault)
            became = using.start(asked_for, patience(fault))

            assert (result, 1) == (type(became), len(posts(azure_devops)))

    @pytest.mark.parametrize("make", STARTS)
    def test_without_a_connection_nothing_was_started(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
        became = using.start(asked_for, deadline())

        reported = (
            "no usable response from Azure DevOps: no connection to "
            f"127.0.0.1:{azure_devops.port}: Connection refused"
        )
        assert NotStarted(reported, answered=False) == became

    @pytest.mark.parametrize("make", STARTS)
    @pytest.mark.parametrize(
        ("fault", "answered"),
        [
            pytest.param({"kind": "error", "status": 500}, True, id="server error"),
            pytest.param({"kind": "error", "status": 429}, True, id="throttled"),
            pytest.param({"kind": "truncated"}, True, id="half a response"),
            pytest.param({"kind": "close"}, False, id="closed"),
            pytest.param({"kind": "reset"}, False, id="reset"),
            pytest.param({"kind": "hang", "seconds": 60}, False, id="silence"),
        ],
    )
    def test_the_result_includes_whether_the_organization_responded(self, make, fault, answered):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.fault(**fault)

            assert answered is using.start(asked_for, patience(fault)).answered

    @pytest.mark.parametrize("make", STARTS)
    def test_an_address_outside_azure_devops_is_refused_before_the_post(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            azure_devops.fault("sign-in page", verb="OPTIONS", status=404)
            became = adapter().start(asked_for, deadline())

            assert (Refused, []) == (type(became), posts(azure_devops))
        assert became.reason.startswith("the response is not from Azure DevOps (HTTP 404: ")

    @pytest.mark.parametrize("make", STARTS)
    def test_a_fault_before_the_post_has_started_nothing(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            azure_devops.fault("error", verb="OPTIONS", status=500)
            became = adapter().start(asked_for, deadline())

            assert (NotStarted, []) == (type(became), posts(azure_devops))


LOOKS = [
    pytest.param(
        lambda using, asked_for, limit: using.definition(
            TargetAddress(asked_for.kind, asked_for.organization_url, "ml", asked_for.definition),
            limit,
        ),
        "",
        id="definition",
    ),
    pytest.param(
        lambda using, asked_for, limit: using.find(asked_for, KEY, now(), 0.0, limit),
        "GET",
        id="lookup",
    ),
]


@pytest.mark.parametrize("make", STARTS)
@pytest.mark.parametrize(("look", "verb"), LOOKS)
class TestReading:
    """What a fault means while the adapter only reads."""

    @pytest.mark.parametrize(
        ("fault", "reported"),
        [
            pytest.param({"kind": "error", "status": 401}, "rejected the credentials", id="401"),
            pytest.param(
                {"kind": "text", "status": 401}, "rejected the credentials", id="401 as text"
            ),
            pytest.param({"kind": "error", "status": 410}, "refused", id="410"),
            pytest.param({"kind": "sign-in page"}, "sign-in page", id="sign-in page as 203"),
            pytest.param(
                {"kind": "sign-in page", "status": 200}, "sign-in page", id="sign-in page as 200"
            ),
            pytest.param({"kind": "redirect"}, "sign-in page", id="redirect"),
            pytest.param({"kind": "redirect", "status": 308}, "sign-in page", id="308"),
            pytest.param(
                {"kind": "sign-in page", "status": 404}, "AZURE_DEVOPS_ORG_URL", id="404 as a page"
            ),
            pytest.param({"kind": "text", "status": 404}, "AZURE_DEVOPS_ORG_URL", id="404 as text"),
            pytest.param({"kind": "text", "status": 403}, "firewall", id="403 as text"),
        ],
    )
    def test_a_permanent_fault_needs_a_person(self, make, look, verb, fault, reported):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            azure_devops.fault(verb=verb, path="/ml/", **fault)
            with pytest.raises(TargetError, match=reported):
                look(adapter(), asked_for, patience(fault))

    @pytest.mark.parametrize(
        ("fault", "answered"),
        [
            pytest.param({"kind": "error", "status": 408}, True, id="request timeout"),
            pytest.param({"kind": "error", "status": 429}, True, id="throttled"),
            pytest.param({"kind": "error", "status": 500}, True, id="server error"),
            pytest.param({"kind": "text", "status": 502}, True, id="a proxy's error"),
            pytest.param({"kind": "text", "status": 200}, True, id="not JSON"),
            pytest.param({"kind": "empty"}, True, id="empty"),
            pytest.param({"kind": "garbage"}, True, id="garbage"),
            pytest.param({"kind": "truncated"}, True, id="half a response"),
            pytest.param({"kind": "close", "times": 2}, False, id="closed, twice"),
            pytest.param({"kind": "reset", "times": 2}, False, id="reset, twice"),
            pytest.param({"kind": "hang", "seconds": 60}, False, id="silence"),
        ],
    )
    def test_a_temporary_fault_includes_whether_the_organization_responded(
        self, make, look, verb, fault, answered
    ):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            asked_for = make(azure_devops, adapter())
            azure_devops.fault(verb=verb, path="/ml/", **fault)
            with pytest.raises(AzureDevOpsError) as raised:
                look(adapter(), asked_for, patience(fault))

        assert answered is raised.value.answered


class TestTheKey:
    """A pipeline that refuses the parameter for the key, or has started to require it."""

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(DEPLOY_CHURN, KEYLESS, id="no longer accepted"),
            pytest.param(KEYLESS, NEEDING, id="required"),
        ],
    )
    def test_a_refusal_of_the_key_includes_the_request_that_is_accepted(self, before, after):
        with stand_in(before) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using)
            with changed(azure_devops, after) as other:
                refused = using.start(asked_for, deadline(), key=KEY)
                started = using.start(refused.corrected, deadline(), key=KEY)

                assert pipeline_request(other, using) == refused.corrected
        assert (Refused, Started) == (type(refused), type(started))

    @pytest.mark.parametrize(
        ("pipeline", "change", "key"),
        [
            pytest.param(KEYLESS, {"modelNme": "x"}, KEY, id="another parameter"),
            pytest.param(KEYLESS, {"modelTriggerKey": "x"}, KEY, id="the rule's own value"),
            pytest.param(NEEDING, {}, "", id="required, and not known"),
        ],
    )
    def test_a_refusal_that_another_key_cannot_correct_needs_a_person(self, pipeline, change, key):
        with stand_in(pipeline) as azure_devops:
            parameters = {"modelName": "churn", "modelVersion": "17", **change}
            asked_for = StartRequest(
                PIPELINE, azure_devops.url, "ml", 5, {"templateParameters": parameters}
            )

            assert None is adapter().start(asked_for, deadline(), key=key).corrected

    def test_a_release_has_nothing_to_correct(self):
        with stand_in(CHURN) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            azure_devops.fault("error", status=400)

            assert None is using.start(asked_for, deadline(), key=KEY).corrected


# JSON of the wrong shape; none of these is a list of the service, or one definition.
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
    """JSON of another shape is not a response, and never proves that nothing exists."""

    @pytest.mark.parametrize("body", ODD)
    @pytest.mark.parametrize(
        ("make", "path"),
        [(request, "/releases"), (pipeline_request, "/runs")],
        ids=["release", "run"],
    )
    def test_the_outcome_of_an_odd_response_is_unknown(self, make, path, body):
        with OddService((organization(CHURN, DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.answer_oddly("POST", path, body)

            assert isinstance(using.start(asked_for, deadline()), Unknown)

    @pytest.mark.parametrize("body", ODD)
    def test_discovery_is_repeated_after_an_odd_response(self, body):
        with OddService((organization(CHURN),)) as azure_devops:
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
    def test_an_odd_response_to_a_read_is_temporary(self, kind, definition, method, path, body):
        with OddService((organization(CHURN, DEPLOY_CHURN),)) as azure_devops:
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
    def test_an_odd_list_does_not_prove_that_nothing_was_started(self, make, path, body):
        with OddService((organization(CHURN, DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.answer_oddly("GET", path, body)
            with pytest.raises(AzureDevOpsError):
                found(using, asked_for)

    @pytest.mark.parametrize(
        "links", ["null", '{"web": null}', '{"web": []}', '{"web": {"href": 1}}']
    )
    def test_a_release_without_a_web_link_still_counts_as_started(self, links):
        with OddService((organization(CHURN),)) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            azure_devops.answer_oddly("POST", "/releases", f'{{"id": 7, "_links": {links}}}')
            started = using.start(asked_for, deadline())

        page = f"{azure_devops.url}/ml/_releaseProgress?releaseId=7"
        assert Started(Release(7, page)) == started
