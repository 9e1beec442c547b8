"""Hosts that die and deliveries that continue: tests of the test harnesses themselves."""

import signal
import time
from itertools import count, repeat

import pytest

from tests.sandbox.fleet import FAILED_STARTS, HostDoesNotStartError, Phoenix, delivered
from tests.sandbox.mail import Answer, Mail
from tests.sandbox.processes import MortalHost
from tests.sandbox.stalls import WORTH_NOTING
from tests.sandbox.verdicts import trustworthy, wrong_with_every, wrong_with_newer
from tests.support.build import event

WANTED = [("a", 1), ("a", 2), ("b", 1)]


def test_a_host_that_dies_at_its_first_line_is_ready_before():
    with MortalHost({"MORTAL_LINES": "1"}) as host:
        with pytest.raises(OSError, match=r"\w"):
            host.deliver([event(17)])

        assert -signal.SIGKILL == host.wait()


def test_a_host_that_has_died_is_started_again():
    lives = count(1)
    phoenix = Phoenix({}, lives)
    try:
        while phoenix.deaths < 2:
            assert 0 == delivered(phoenix, event(17)).status
    finally:
        phoenix.stop()

    assert 4 == next(lives)


def test_a_host_that_does_not_start_is_retried_a_few_times_and_reported():
    lives = iter(range(FAILED_STARTS + 1))
    phoenix = Phoenix({"RECONCILE_SCHEDULE": "rubbish"}, lives)

    with pytest.raises(HostDoesNotStartError, match="rubbish"):
        phoenix.alive()
    assert FAILED_STARTS == next(lives)


def test_a_host_that_was_killed_counts_as_dead():
    phoenix = Phoenix({}, repeat(0))
    phoenix.alive()
    phoenix.kill()

    assert 1 == phoenix.deaths


def test_mail_is_delivered_until_it_is_received():
    mail = Mail(["first", "second"])
    taken = [mail.take()]
    mail.give_back(*taken[0][:1], 1, taken[0][2], pause=0.01)
    mail.close()
    taken += [mail.take(), mail.take()]
    mail.close()

    assert [(0, 0, "first"), (1, 0, "second"), (0, 1, "first")] == taken
    assert mail.take() is None


def test_abandoned_mail_is_not_delivered():
    mail = Mail(["first"])
    mail.abandon()

    assert mail.take() is None


@pytest.mark.parametrize(("status", "received"), [(202, True), (500, False), (0, False)])
def test_an_event_counts_as_received_when_event_grid_counts_it(status, received):
    assert received is Answer(0, 0, status).is_received


@pytest.mark.parametrize(
    ("started", "wrong"),
    [
        pytest.param(WANTED, [], id="all"),
        pytest.param(WANTED[1:], ["('a', 1) was started 0 times"], id="one is missing"),
        pytest.param([*WANTED, ("a", 2)], ["('a', 2) was started 2 times"], id="one twice"),
        pytest.param([*WANTED, ("c", 1)], ["('c', 1) was never registered"], id="an unknown one"),
    ],
)
def test_every_version_must_be_started_once(started, wrong):
    assert wrong == wrong_with_every(started, WANTED)


@pytest.mark.parametrize(
    ("started", "wrong"),
    [
        pytest.param(WANTED, [], id="all"),
        pytest.param(WANTED[1:], [], id="only the newest"),
        pytest.param(
            WANTED[::2], ["a: the newest version, 2, was never started"], id="not the newest"
        ),
        pytest.param([*WANTED, ("a", 2)], ["a: 2 was started after 2"], id="twice"),
        pytest.param([("a", 2), *WANTED[::2]], ["a: 1 was started after 2"], id="a step back"),
    ],
)
def test_newer_versions_must_be_started_in_order(started, wrong):
    assert wrong == wrong_with_newer(started, WANTED)


@pytest.mark.parametrize(
    ("attempts", "passes", "tried"),
    [
        pytest.param([([], [])], True, 1, id="all is well"),
        pytest.param([([], ["stalled 2 s"])], True, 1, id="well despite a stall"),
        pytest.param([(["lost"], [])], False, 1, id="a fault of the app"),
        pytest.param([(["lost"], ["stalled 2 s"]), ([], [])], True, 2, id="a fault of the machine"),
        pytest.param([(["lost"], ["stalled 2 s"])] * 3, False, 3, id="every time"),
    ],
)
def test_a_failure_after_a_stall_is_retried(attempts, passes, tried):
    left = iter(attempts)
    if passes:
        trustworthy(lambda: next(left))
    else:
        with pytest.raises(AssertionError, match="lost"):
            trustworthy(lambda: next(left))

    assert len(attempts) - tried == len(list(left))


def test_a_process_that_was_stopped_reports_it():
    with MortalHost({}) as host:
        host.freeze()
        while not host.is_frozen:
            time.sleep(0.01)
        time.sleep(WORTH_NOTING + 0.5)
        host.thaw()

        assert float(host.wait_for(r"^stalled (\S+) s$")[0][1]) > WORTH_NOTING
