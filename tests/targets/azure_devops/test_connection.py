"""Connections to Azure DevOps that were kept alive, and were dropped meanwhile."""

import time
from contextlib import contextmanager

import pytest

from model_trigger.targets.request import AzureDevOpsError, Started, Unknown
from tests.sandbox.azure_devops.organization import CHURN, DEPLOY_CHURN
from tests.sandbox.azure_devops.stand_in import AzureDevOps
from tests.sandbox.forwarder import Forwarder
from tests.support.build import deadline
from tests.support.organization import (
    STARTS,
    Clock,
    adapter,
    address,
    found,
    organisation,
    patience,
    posts,
    request,
    stand_in,
    within,
)


class Behind:
    """What is asked of a stand-in is asked of a load balancer before it."""

    def __init__(self, azure_devops, load_balancer):
        self.url = azure_devops.url.replace(str(azure_devops.port), str(load_balancer.port))


@contextmanager
def balanced():
    """Make a stand-in, a load balancer before it, and an adapter that has a request for it."""
    with (
        stand_in(CHURN, DEPLOY_CHURN) as azure_devops,
        Forwarder(("127.0.0.1", azure_devops.port)) as load_balancer,
    ):
        yield azure_devops, load_balancer, Behind(azure_devops, load_balancer)


@pytest.mark.parametrize("how", ["reset", "close"])
class TestDroppedConnections:
    """A load balancer has forgotten the connection, and says so to the next byte."""

    def test_what_is_read_over_it_is_read_again_over_a_new_one(self, how):
        with balanced() as (azure_devops, load_balancer, service):
            using = adapter()
            asked_for = request(service, using)
            using.start(asked_for, deadline())
            for _ in range(2):
                load_balancer.forget(how)
                assert 1 == found(using, asked_for).release.id

            assert 3 == load_balancer.connections
            assert 2 == len(
                [each for each in azure_devops.requests if "minCreatedTime" in each.query]
            )

    @pytest.mark.parametrize("make", STARTS)
    def test_a_start_never_goes_over_one_that_was_idle(self, make, how):
        clock = Clock(time.monotonic())
        with balanced() as (azure_devops, load_balancer, service):
            using = adapter(clock=clock)
            asked_for = make(service, using)
            using.start(asked_for, within(clock))
            load_balancer.forget(how)
            clock.now += 5
            became = using.start(asked_for, within(clock))

            assert (Started, 2) == (type(became), len(posts(azure_devops)))

    @pytest.mark.parametrize("make", STARTS)
    def test_a_start_over_one_that_was_in_use_is_not_sent_again(self, make, how):
        clock = Clock(time.monotonic())
        with balanced() as (azure_devops, load_balancer, service):
            using = adapter(clock=clock)
            asked_for = make(service, using)
            using.start(asked_for, within(clock))
            load_balancer.forget(how)
            clock.now += 3
            became = using.start(asked_for, within(clock))

            assert (Unknown, False) == (type(became), became.answered)
            assert 1 == len(posts(azure_devops))


class TestConnections:
    """How many connections are made, and what is asked twice."""

    def test_starts_in_quick_succession_share_one(self):
        clock = Clock(time.monotonic())
        with balanced() as (_, load_balancer, service):
            using = adapter(clock=clock)
            asked_for = request(service, using)
            counts = []
            for seconds in (0, 3, 3, 14):
                clock.now += seconds
                using.start(asked_for, within(clock))
                counts.append(load_balancer.connections)

        assert [counts[0]] * 3 + [counts[0] + 1] == counts

    @pytest.mark.parametrize(
        ("fault", "asked"),
        [
            pytest.param({"kind": "close"}, 2, id="closed"),
            pytest.param({"kind": "reset"}, 2, id="reset"),
            pytest.param({"kind": "truncated"}, 1, id="half an answer"),
            pytest.param({"kind": "hang", "seconds": 60}, 1, id="silence"),
            pytest.param({"kind": "error", "status": 503}, 1, id="server error"),
        ],
    )
    def test_what_is_read_is_asked_again_once_and_only_without_any_answer(self, fault, asked):
        with stand_in(CHURN) as azure_devops:
            azure_devops.fault(verb="GET", times=None, **fault)
            with pytest.raises(AzureDevOpsError):
                adapter().definition(address(azure_devops, 1), patience(fault))

            methods = [each.method for each in azure_devops.requests]
            assert ["OPTIONS", *["GET"] * asked] == methods


class Late(AzureDevOps):
    """A stand-in with which all but a blink of the time passes until an answer begins."""

    clock_to_move = None

    def _respond(self, request):
        if self.clock_to_move:
            self.clock_to_move.now += 24.7
        return super()._respond(request)


@pytest.mark.parametrize("make", STARTS)
class TestDeadline:
    """An answer that comes late, and then stalls."""

    def test_a_start_ends_with_its_time_and_not_with_the_answer(self, make):
        clock = Clock(time.monotonic())
        with Late((organisation(CHURN, DEPLOY_CHURN),)) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.clock_to_move = clock
            azure_devops.fault("stall", seconds=20)
            became = using.start(asked_for, within(clock))

        assert (Unknown, False) == (type(became), became.answered)

    def test_an_answer_that_goes_on_in_time_is_read_to_its_end(self, make):
        with stand_in(CHURN, DEPLOY_CHURN) as azure_devops:
            using = adapter()
            asked_for = make(azure_devops, using)
            azure_devops.fault("stall", seconds=0.1)

            assert isinstance(using.start(asked_for, deadline()), Started)
