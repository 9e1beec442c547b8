"""Azure DevOps when it throttles: how long, and who has to wait."""

import time
from dataclasses import replace

import pytest

from model_trigger.targets.azure_devops.answers import AnswerError
from model_trigger.targets.request import AzureDevOpsError, NotStarted, Started
from tests.sandbox.azure_devops.organization import CHURN
from tests.support.build import deadline
from tests.support.organization import Clock, adapter, address, posts, request, stand_in, within


def test_a_success_that_asks_for_a_long_pause_delays_the_next_start():
    clock = Clock(time.monotonic())
    with stand_in(CHURN) as azure_devops:
        using = adapter()
        asked_for = request(azure_devops, using)
        azure_devops.fault("retry-after", retry_after=60)
        first, second = (using.start(asked_for, within(clock)) for _ in range(2))

        assert (Started, NotStarted, 1) == (type(first), type(second), len(posts(azure_devops)))
    assert pytest.approx(60) == second.retry_after
    assert second.reason.startswith("Azure DevOps asked for a pause, with ")


@pytest.mark.parametrize(
    ("fault", "first"),
    [
        pytest.param({"kind": "error", "status": 429}, NotStarted, id="throttled"),
        pytest.param({"kind": "retry-after"}, Started, id="slowed down"),
    ],
)
@pytest.mark.parametrize(
    "asked_for_pause", [999_999_999_999, 10**400], ids=["beyond the calendar", "far beyond an hour"]
)
def test_no_pause_is_longer_than_an_hour(fault, first, asked_for_pause):
    clock = Clock(time.monotonic())
    with stand_in(CHURN) as azure_devops:
        using = adapter()
        asked_for = request(azure_devops, using)
        azure_devops.fault(**fault, retry_after=asked_for_pause)
        became = [using.start(asked_for, within(clock))]
        became.append(became[0] if first is NotStarted else using.start(asked_for, within(clock)))
        clock.now += 3600
        later = using.start(asked_for, within(clock))

    assert [first, NotStarted, Started] == [type(each) for each in (*became, later)]
    assert pytest.approx(3600) == became[1].retry_after <= 3600


def test_a_read_waits_no_longer_than_an_event_may():
    with stand_in(CHURN) as azure_devops:
        using = adapter()
        azure_devops.fault("retry-after", verb="OPTIONS", retry_after=60)
        with pytest.raises(AzureDevOpsError, match="asked for a pause"):
            using.definition(address(azure_devops, 1), deadline())


def test_a_short_pause_is_waited_for():
    paused = []
    limit = replace(within(Clock(time.monotonic())), sleep=paused.append)
    with stand_in(CHURN) as azure_devops:
        using = adapter()
        asked_for = request(azure_devops, using)
        azure_devops.fault("retry-after", retry_after=2)
        results = [type(using.start(asked_for, limit)) for _ in range(2)]

    assert [Started, Started] == results
    assert pytest.approx([2]) == paused


def test_another_organization_does_not_wait():
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
        pytest.param({"Retry-After": "inf"}, 0, id="not digits"),
        pytest.param({"Retry-After": "3601"}, 3600, id="an hour at most"),
        pytest.param({"Retry-After": "9" * 400}, 3600, id="a number out of range"),
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
            id="some quota is left",
        ),
        pytest.param(
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "1895348830",
                "Date": "Sun, 22 Nov 2026 12:00:00 GMT",
            },
            300,
            id="no longer than the counted window",
        ),
        pytest.param(
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "9" * 400,
                "Date": "Sun, 22 Nov 2026 12:00:00 GMT",
            },
            300,
            id="X-RateLimit-Reset beyond all time",
        ),
        pytest.param(
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "1795348830",
                "Date": "yesterday",
            },
            0,
            id="X-RateLimit-Reset with an invalid clock",
        ),
    ],
)
def test_a_refusal_says_how_long_to_wait(headers, seconds):
    assert seconds == AnswerError(429, headers, "").retry_after
