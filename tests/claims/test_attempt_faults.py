"""A start at an Azure DevOps that fails, loses its answer, or lags behind."""

import time
from datetime import timedelta

import pytest

from model_trigger.claims.claim import State
from model_trigger.deadline import Deadline
from model_trigger.decisions.decision import Outcome
from tests.support.trial import LEASE


@pytest.mark.parametrize(
    ("fault", "state", "outcome", "reason"),
    [
        pytest.param(
            {"kind": "error", "status": 400},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps refused (HTTP 400): Something went wrong.",
            id="refused",
        ),
        pytest.param(
            {"kind": "error", "status": 403},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps refused (HTTP 403): Access denied.",
            id="forbidden",
        ),
        pytest.param(
            {"kind": "error", "status": 401},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps rejected the credentials (HTTP 401: TF400813: The user '' is not "
            "authorized.): renew AZURE_DEVOPS_PAT, or add the app's managed identity to the "
            "organization",
            id="unauthorized",
        ),
        pytest.param(
            {"kind": "sign-in page"},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps returned its sign-in page (HTTP 203): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organization",
            id="sign-in page as 203",
        ),
        pytest.param(
            {"kind": "sign-in page", "status": 200},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps returned its sign-in page (HTTP 200): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organization",
            id="sign-in page as 200",
        ),
        pytest.param(
            {"kind": "redirect"},
            State.FAILED,
            Outcome.FAILED,
            "Azure DevOps returned its sign-in page (HTTP 302): renew AZURE_DEVOPS_PAT, or add the "
            "app's managed identity to the organization",
            id="redirect",
        ),
        pytest.param(
            {"kind": "error", "status": 429, "retry_after": 60},
            State.WAITING,
            Outcome.PENDING,
            "Azure DevOps is throttling: TF400733: The request has been canceled.",
            id="throttled",
        ),
        pytest.param(
            {"kind": "error", "status": 500},
            State.UNKNOWN,
            Outcome.PENDING,
            "no usable response from Azure DevOps: HTTP 500: Something went wrong.",
            id="server error",
        ),
        pytest.param(
            {"kind": "error", "status": 503, "retry_after": 1},
            State.UNKNOWN,
            Outcome.PENDING,
            "no usable response from Azure DevOps: HTTP 503: The service is unavailable.",
            id="unavailable",
        ),
        pytest.param(
            {"kind": "error", "status": 408},
            State.UNKNOWN,
            Outcome.PENDING,
            "no usable response from Azure DevOps: HTTP 408: Something went wrong.",
            id="request timeout",
        ),
        pytest.param(
            {"kind": "empty"},
            State.UNKNOWN,
            Outcome.PENDING,
            None,
            id="empty response",
        ),
        pytest.param({"kind": "garbage"}, State.UNKNOWN, Outcome.PENDING, None, id="garbage"),
        pytest.param({"kind": "close"}, State.UNKNOWN, Outcome.PENDING, None, id="closed"),
        pytest.param({"kind": "reset"}, State.UNKNOWN, Outcome.PENDING, None, id="reset"),
    ],
)
def test_each_fault_before_the_start_is_reported_for_what_it_is(
    churn, fault, state, outcome, reason
):
    churn.azure_devops.fault(**fault)
    decision = churn.start()

    assert (outcome, state, 0, 1) == (
        decision.outcome,
        churn.state(),
        len(churn.azure_devops.releases),
        len(churn.posts),
    )
    if reason:
        assert reason == decision.reason


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "error", "status": 500}, id="then 500"),
        pytest.param({"kind": "error", "status": 503}, id="then 503"),
        pytest.param({"kind": "empty"}, id="then an empty response"),
        pytest.param({"kind": "garbage"}, id="then garbage"),
        pytest.param({"kind": "truncated"}, id="then half a response"),
        pytest.param({"kind": "close"}, id="then closed"),
        pytest.param({"kind": "reset"}, id="then reset"),
    ],
)
def test_a_release_whose_response_was_lost_is_found_and_not_started_again(churn, fault):
    churn.azure_devops.fault(commit=True, **fault)
    found, again = churn.start(), churn.start()

    (release,) = churn.azure_devops.releases
    assert (Outcome.STARTED, release["id"]) == (found.outcome, found.release.id)
    assert (Outcome.DUPLICATE, found.release) == (again.outcome, again.release)


def test_a_success_with_retry_after_is_a_success(churn):
    churn.azure_devops.fault("retry-after", retry_after=30)

    assert Outcome.STARTED == churn.start().outcome
    assert 1 == len(churn.posts)


def test_a_response_that_takes_too_long_is_unknown_and_found_later(churn):
    churn.azure_devops.fault("hang", commit=True, seconds=600)
    # The response does not arrive within the 1.5 s of the POST, and then it is too late.
    began = time.monotonic()
    limit = Deadline(
        began + 4.5, lambda: began + 1.5 * bool(churn.azure_devops.releases), time.sleep
    )
    first = churn.start(limit=limit)
    second = churn.start()

    assert (Outcome.PENDING, Outcome.STARTED) == (first.outcome, second.outcome)
    assert 1 == len(churn.azure_devops.releases)


def test_an_unknown_start_is_retried_only_well_after_its_lease(churn):
    churn.azure_devops.fault("error", status=500)
    churn.start()
    early = churn.start()
    churn.let_pass(LEASE * 2 - timedelta(minutes=1))
    still_early = churn.start()
    churn.let_pass(timedelta(minutes=2))
    late = churn.start()

    assert ["pending", "pending", "started"] == [
        each.outcome for each in (early, still_early, late)
    ]
    assert ["17"] == churn.versions


def test_a_lagging_list_does_not_start_a_release_twice(churn):
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("close", commit=True)
    first, second = churn.start(), churn.start()
    churn.azure_devops.list_lag = 0
    third = churn.start()

    assert ["pending", "pending", "started"] == [each.outcome for each in (first, second, third)]
    assert 1 == len(churn.posts)


def test_a_lookup_reads_every_page(churn):
    for number in range(110):
        churn.start(str(number), start="every", release={"definition": 1})
    churn.azure_devops.list_lag = 3600
    churn.azure_devops.fault("close", commit=True)
    churn.start("200", start="every")
    churn.azure_devops.list_lag = 0

    assert Outcome.STARTED == churn.start("200", start="every").outcome


def test_a_refused_lookup_is_reported_and_repeats_nothing(churn):
    churn.azure_devops.fault("error", status=500)
    churn.azure_devops.fault("error", verb="GET", path="/releases", status=500)
    churn.start()
    churn.azure_devops.fault("error", verb="GET", path="/releases", status=403)
    churn.let_pass(LEASE * 3)
    decision = churn.start()

    reported = "Azure DevOps refused (HTTP 403): Access denied."
    assert Outcome.FAILED == decision.outcome
    assert f"it is unknown whether an earlier delivery started it: {reported}" == decision.reason
    assert State.UNKNOWN == churn.state()


def test_a_throttled_start_waits_for_retry_after_and_needs_no_lookup(churn):
    churn.azure_devops.fault("error", status=429, retry_after=60)
    churn.start()
    early = churn.start()
    churn.let_pass(timedelta(seconds=61))
    late = churn.start()

    assert (Outcome.PENDING, Outcome.STARTED) == (early.outcome, late.outcome)
    assert not [each for each in churn.azure_devops.requests if "minCreatedTime" in each.query]


def test_after_a_failed_connection_the_next_delivery_starts(churn):
    churn.start("16")
    churn.azure_devops.stop()
    first = churn.start()
    churn.azure_devops.start()
    second = churn.start()

    assert (Outcome.PENDING, Outcome.STARTED) == (first.outcome, second.outcome)


def test_a_refused_start_keeps_its_mark_and_frees_the_slot(churn):
    churn.azure_devops.fault("error", status=400)

    assert ["failed", "superseded", "failed", "started"] == [
        churn.start(version).outcome for version in ("17", "16", "17", "18")
    ]


def test_a_refused_start_is_retried_by_reconcile_only(churn):
    churn.azure_devops.fault("error", status=400)
    churn.start()
    within_pause = churn.start(retry=True)
    churn.let_pass(timedelta(minutes=6))
    by_event = churn.start()
    by_reconcile = churn.start(retry=True)

    assert ["failed", "failed", "started"] == [
        each.outcome for each in (within_pause, by_event, by_reconcile)
    ]


def test_a_definition_that_is_temporarily_unavailable_is_in_the_ledger_and_moves_the_mark(churn):
    churn.azure_devops.fault("error", verb="GET", path="/definitions/", status=503)
    first = churn.start()

    assert (Outcome.PENDING, State.WAITING) == (first.outcome, churn.state())
    assert ["superseded", "started"] == [churn.start(each).outcome for each in ("16", "17")]
