"""Look-ups by the adapter for Azure DevOps: what a list can prove, and what it cannot."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from model_trigger.targets.request import (
    Absent,
    AzureDevOpsError,
    Candidates,
    Found,
    Release,
    StartRequest,
)
from tests.sandbox.azure_devops.organization import CHURN, DEPLOY_CHURN, Parameter
from tests.support.build import deadline
from tests.support.organization import (
    KEY,
    KEYLESS,
    PIPELINE,
    STARTS,
    OddService,
    Reticent,
    adapter,
    found,
    keyed,
    now,
    organisation,
    pipeline_request,
    request,
    stand_in,
)


def reads(azure_devops, resource):
    """Return the requests that read a resource, a regular expression."""
    pattern = re.compile(rf".*/_apis/({resource})", re.IGNORECASE)
    return [
        each
        for each in azure_devops.requests
        if each.method == "GET" and pattern.fullmatch(each.path)
    ]


@pytest.mark.parametrize("make", STARTS)
class TestKeys:
    """What was started with a key."""

    def test_what_was_started_without_an_answer_is_found(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            using.start(asked_for, deadline())
            azure_devops.fault("close", commit=True)
            other = keyed(asked_for, "other")
            using.start(other, deadline())

            assert 2 == found(using, other, "other").release.id

    def test_what_was_not_started_is_absent(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            using.start(asked_for, deadline())
            nobodys = keyed(asked_for, "nobody's")

            assert Absent() == found(using, nobodys, "nobody's")

    def test_what_an_earlier_clock_has_started_is_found(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            using.start(asked_for, deadline())

            assert 1 == found(using, asked_for, since=now() + timedelta(minutes=4)).release.id

    def test_a_list_is_read_to_its_last_page(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            for number in range(120):
                using.start(keyed(asked_for, f"k{number}"), deadline())

            assert 120 == found(using, keyed(asked_for, "k119"), "k119").release.id
            assert Absent() == found(using, keyed(asked_for, "k120"), "k120")

    def test_what_the_list_leaves_out_is_read_by_itself_once(self, make):
        with Reticent((organisation(CHURN, DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            using.start(keyed(asked_for, "other"), deadline())
            using.start(asked_for, deadline())
            azure_devops.in_lists = ("description", "templateParameters")
            sightings = [found(using, asked_for) for _ in range(3)]

            assert [2, 2, 2] == [each.release.id for each in sightings]
            assert 2 == len(reads(azure_devops, r"(release/releases|build/builds)/\d"))

    def test_a_burst_of_look_ups_reads_the_list_once(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops, ThreadPoolExecutor(8) as pool:
            using = adapter()
            requests = [keyed(make(azure_devops, using), f"k{number}") for number in range(8)]
            for asked_for in requests:
                using.start(asked_for, deadline())
            moments = {"since": now() - timedelta(hours=1), "began_after": time.monotonic()}
            fresh = adapter()
            sightings = [
                pool.submit(found, fresh, asked_for, f"k{number}", **moments)
                for number, asked_for in enumerate(requests)
            ]

            assert list(range(1, 9)) == [each.result(10).release.id for each in sightings]
            assert 1 == len(reads(azure_devops, "release/releases|build/builds"))


class TestReleases:
    """Classic releases."""

    def test_of_several_keys_in_a_description_only_the_last_one_counts(self):
        with stand_in(CHURN) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            both = "[model-trigger:first] churn 17 [model-trigger:last]"
            using.start(
                replace(asked_for, body={**asked_for.body, "description": both}), deadline()
            )

            assert Absent() == found(using, asked_for, "first")
            assert 1 == found(using, asked_for, "last").release.id

    def test_a_release_of_its_own_without_a_description_is_not_ours(self):
        with Reticent((organisation(CHURN),)) as azure_devops:
            using = adapter()
            asked_for = request(azure_devops, using)
            using.start(asked_for, deadline())
            azure_devops.in_lists = azure_devops.in_documents = ("description",)

            assert Absent() == found(using, asked_for)


class TestRuns:
    """Runs of pipelines."""

    def test_without_a_key_the_run_is_one_that_was_given_the_same(self):
        with stand_in(replace(KEYLESS, branches=("refs/heads/next",))) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using, branch="next")
            version_18 = pipeline_request(azure_devops, using, branch="next")
            version_18.body["templateParameters"]["modelVersion"] = "18"
            for other in (version_18, pipeline_request(azure_devops, using, branch="main")):
                using.start(other, deadline())
            before = found(using, asked_for)
            third = using.start(asked_for, deadline()).release
            fourth = using.start(asked_for, deadline()).release
            after = found(using, asked_for)

        assert (Absent(), Candidates((third, fourth))) == (before, after)

    def test_without_a_key_a_run_from_before_the_claim_is_no_candidate_in_anyones_list(self):
        with stand_in(KEYLESS) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using)
            run = using.start(asked_for, deadline()).release
            began, since = time.monotonic(), now()
            sightings = [
                found(using, asked_for, since=since + timedelta(minutes=minutes), began_after=began)
                for minutes in (0, 6)
            ]

            assert [Candidates((run,)), Absent()] == sightings
            assert 1 == len(reads(azure_devops, "build/builds"))

    @pytest.mark.parametrize(
        ("pipeline", "with_key"),
        [pytest.param(DEPLOY_CHURN, True, id="key"), pytest.param(KEYLESS, False, id="no key")],
    )
    def test_a_run_that_never_says_what_it_was_given_is_silent(self, pipeline, with_key):
        with Reticent((organisation(pipeline),)) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using)
            run = using.start(asked_for, deadline()).release
            azure_devops.in_lists = azure_devops.in_documents = ("templateParameters",)

            assert with_key is ("modelTriggerKey" in asked_for.body["templateParameters"])
            assert Candidates((), (run,)) == found(using, asked_for)

    def test_a_list_that_shows_no_parameters_at_all_is_not_believed(self):
        with OddService((organisation(DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using)
            using.start(asked_for, deadline())
            azure_devops.answer_oddly(
                "GET", "/builds", '{"value": [{"id": 1, "templateParameters": {}}]}'
            )

            assert 1 == found(using, asked_for).release.id

    def test_a_run_that_is_gone_when_it_is_read_by_itself_proves_nothing(self):
        with Reticent((organisation(DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = pipeline_request(azure_devops, using)
            using.start(asked_for, deadline())
            azure_devops.in_lists = ("templateParameters",)
            azure_devops.fault("error", verb="GET", path="/builds/1", status=404)
            with pytest.raises(AzureDevOpsError, match="gone"):
                found(using, asked_for)

    def test_a_run_is_read_by_itself_for_its_variables_only_where_variables_were_sent(self):
        pipeline = replace(KEYLESS, variables=("colour",))
        with Reticent((organisation(pipeline),)) as azure_devops:
            using = adapter()
            plain = pipeline_request(azure_devops, using)
            red = pipeline_request(azure_devops, using, variables={"colour": "red"})
            run = using.start(red, deadline()).release
            azure_devops.in_lists = ("parameters",)

            assert Candidates((run,)) == found(using, plain)
            assert [] == reads(azure_devops, "build/builds/1")
            assert Candidates((run,)) == found(using, red)
            azure_devops.in_documents = ("parameters",)
            assert Candidates((), (run,)) == found(adapter(), red)

    def test_with_a_key_only_the_key_counts_however_other_values_are_spelled(self):
        numbered = replace(
            DEPLOY_CHURN, parameters=(*DEPLOY_CHURN.parameters, Parameter("n", "number", "1"))
        )
        with OddService((organisation(numbered),)) as azure_devops:
            asked_for = StartRequest(
                PIPELINE,
                azure_devops.url,
                "ml",
                5,
                {"templateParameters": {"n": "010", "modelTriggerKey": KEY}},
            )
            shown = f'{{"n": "10", "MODELTRIGGERKEY": "{KEY}"}}'
            azure_devops.answer_oddly(
                "GET", "/builds", f'{{"value": [{{"id": 1, "templateParameters": {shown}}}]}}'
            )
            page = f"{azure_devops.url}/ml/_build/results?buildId=1"

            assert Found(Release(1, page)) == found(adapter(), asked_for)
