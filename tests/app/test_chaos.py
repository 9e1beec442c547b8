"""Exactly once, nothing lost, never back: while everything fails."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from secrets import randbelow

import pytest

from tests.sandbox import black_box, burst
from tests.sandbox.chaos import Plan, run
from tests.sandbox.processes import HostProcess, MortalHost
from tests.sandbox.verdicts import trustworthy
from tests.support.build import event


@pytest.mark.timeout(600)
def test_everything_fails_and_still_each_release_starts_once(record_property):
    seeds = count(int(os.environ.get("CHAOS_SEED") or randbelow(10**6)))

    def attempt():
        plan = Plan(next(seeds))
        result = run(plan)
        record_property("chaos", f"CHAOS_SEED={plan.seed}: {result}")
        assert result.deaths
        return result.wrong, result.stalls

    trustworthy(attempt)


@pytest.mark.timeout(600)
def test_no_registration_is_started_twice_though_answers_are_lost_all_the_time(record_property):
    seeds = count(int(os.environ.get("BLACKBOX_SEED") or randbelow(10**6)))

    def attempt():
        result = black_box.run(next(seeds))
        record_property("black box", str(result))
        return result.wrong, result.stalls

    trustworthy(attempt)


@pytest.mark.timeout(600)
def test_a_burst_of_faults_leaves_nothing_undone(record_property):
    seeds = count(int(os.environ.get("BURST_SEED") or randbelow(10**6)))
    small = {"models": 3, "versions": 5, "at_once": 45, "kills": 2, "faults_seconds": 10}
    times = {"CLAIM_LEASE": "PT6S", "LIST_LAG": "PT2S"}

    def attempt():
        plan = burst.Plan(next(seeds), **small, pauses=(1.0, 2.0), settings=times)
        result = burst.run(plan)
        record_property("burst", str(result))
        return result.wrong, result.stalls

    trustworthy(attempt)


def test_a_second_release_of_a_process_that_was_frozen_is_recorded_and_told(
    azure_devops, ledger, settings_for
):
    rules = {"churn": {"model": "churn", "release": {"definition": 1}}}
    settings = settings_for(rules, CLAIM_LEASE="PT4S", LIST_LAG="PT1S")
    # Between its last check and the socket: after discovery and the definition, the third request
    # is the POST.
    last = {"MORTAL_FREEZE": "connection.py:signed_session", "MORTAL_CALL": "3"}
    freezing = {**settings, **last}
    with (
        MortalHost(freezing) as frozen,
        HostProcess(settings) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        delivery = pool.submit(frozen.deliver, [event(17)])
        wait_until(lambda: frozen.is_frozen)
        wait_until(lambda: other.fire("reconcile") and azure_devops.releases)
        frozen.thaw()
        delivery.result()
        (told,) = frozen.wait_for("duplicate_release")

    first, second = azure_devops.releases
    (claim,) = ledger.claims.table.client.query_entities("state eq 'started'")
    assert (str(first["id"]), str(second["id"])) == (
        claim["release_id"],
        claim["second_release_id"],
    )
    assert told.string.startswith('ERROR duplicate_release {"rule": "churn", ')


def wait_until(condition):
    """Wait until the condition holds, at most until pytest ends the test."""
    while not condition():
        time.sleep(0.2)
