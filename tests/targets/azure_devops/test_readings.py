"""One reading serves all concurrent callers, under certain conditions."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Event
from weakref import WeakSet

import pytest

from model_trigger.deadline import Deadline
from model_trigger.targets.azure_devops.answers import PauseError
from model_trigger.targets.azure_devops.readings import Documents, Readings, Wish
from model_trigger.targets.request import AzureDevOpsError, TargetError
from tests.support.build import NOON, deadline
from tests.support.organization import Clock, within

LIST = "list"


class Slow:
    """Readings that end, in this order, when they may: with a value, or with an error."""

    def __init__(self, *ends):
        self.began, self.ends, self.since = [Event() for _ in ends], list(ends), []
        self.may_end = [Event() for _ in ends]

    def __call__(self, since):
        number = len(self.since)
        self.since.append(since)
        self.began[number].set()
        assert self.may_end[number].wait(10)
        end = self.ends[number]
        if isinstance(end, Exception):
            raise end
        return end


class Value:
    """Something that was read, and that is in `alive` as long as it is cached."""

    def __init__(self, alive):
        alive.add(self)


class Waiter:
    """A wish whose deadline notices that its thread holds the lock and is about to wait.

    A thread reads the time that is left just before it waits, and waiting releases the lock.
    """

    def __init__(self, seconds=25.0, since=NOON, began_after=0.0):
        self.waits = Event()
        self.at = time.monotonic() + seconds
        self.wish = Wish(since, began_after, Deadline(self.at, self._clock, time.sleep))

    def _clock(self):
        self.waits.set()
        return time.monotonic()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def leader(seconds=25.0, since=NOON):
    return Wish(since, 0.0, deadline(seconds))


class TestSharing:
    """Which caller gets which reading."""

    def test_concurrent_callers_share_a_reading(self, pool):
        readings, read, waiters = Readings(), Slow("list"), [Waiter() for _ in range(5)]
        results = [pool.submit(readings.get, LIST, leader(), read)]
        read.began[0].wait(10)
        for waiter in waiters:
            results.append(pool.submit(readings.get, LIST, waiter.wish, read))
            assert waiter.waits.wait(10)
        read.may_end[0].set()

        assert ["list"] * 6 == [each.result(10) for each in results]
        assert 1 == len(read.since)

    def test_callers_that_need_a_later_reading_wait_and_share_it(self, pool):
        readings, read = Readings(), Slow("old", "new")
        first = pool.submit(readings.get, LIST, leader(), read)
        read.began[0].wait(10)
        later = time.monotonic()
        waiters = [
            Waiter(since=NOON - timedelta(minutes=minutes), began_after=later)
            for minutes in (0, 7, 3)
        ]
        results = []
        for waiter in waiters:
            results.append(pool.submit(readings.get, LIST, waiter.wish, read))
            assert waiter.waits.wait(10)
        for may_end in read.may_end:
            may_end.set()

        assert "old" == first.result(10)
        assert ["new"] * 3 == [each.result(10) for each in results]
        assert [NOON, NOON - timedelta(minutes=10)] == read.since

    @pytest.mark.parametrize(
        ("began_after", "since", "reads"),
        [
            pytest.param(-2.0, NOON, 1, id="read moments ago"),
            pytest.param(0.0, NOON, 1, id="at the same moment"),
            pytest.param(-2.0, NOON + timedelta(minutes=1), 1, id="more than is needed"),
            pytest.param(-2.0, NOON - timedelta(minutes=9), 1, id="of the same ten minutes"),
            pytest.param(-2.0, NOON - timedelta(minutes=11), 2, id="less than is needed"),
            pytest.param(0.1, NOON, 2, id="before it may have begun"),
        ],
    )
    def test_a_finished_reading_is_used_by_callers_that_it_satisfies(
        self, began_after, since, reads
    ):
        clock, counted = Clock(), []
        readings = Readings()
        began = clock.now
        first = NOON - timedelta(seconds=1)
        readings.get(LIST, Wish(first, 0.0, within(clock)), counted.append)
        clock.now += 1
        readings.get(LIST, Wish(since, began + began_after, within(clock)), counted.append)

        assert reads == len(counted)

    def test_another_list_is_read_at_the_same_time(self, pool):
        readings, slow = Readings(), Slow("one")
        one = pool.submit(readings.get, "one", leader(), slow)
        slow.began[0].wait(10)
        other = readings.get("other", leader(), lambda _: "other")
        slow.may_end[0].set()

        assert ("one", "other") == (one.result(10), other)

    def test_expired_readings_are_forgotten(self):
        clock, readings, alive = Clock(), Readings(), WeakSet()
        for number in range(100):
            readings.get(number, Wish(NOON, 0.0, within(clock)), lambda _: Value(alive))
            clock.now += 10

        assert len(alive) < 10


class TestErrors:
    """Which caller gets which error."""

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(AzureDevOpsError("down", answered=False), id="temporary"),
            pytest.param(TargetError("no rights"), id="for a person"),
        ],
    )
    def test_an_error_of_the_service_is_raised_for_all_waiting_callers_but_no_later_one(
        self, pool, error
    ):
        readings, read, waiters = Readings(), Slow(error), [Waiter() for _ in range(3)]
        results = [pool.submit(readings.get, LIST, leader(), read)]
        read.began[0].wait(10)
        for waiter in waiters:
            results.append(pool.submit(readings.get, LIST, waiter.wish, read))
            assert waiter.waits.wait(10)
        read.may_end[0].set()

        raised = [each.exception(10) for each in results]
        assert [(type(error), str(error))] * 4 == [(type(each), str(each)) for each in raised]
        assert [getattr(error, "answered", None)] * 4 == [
            getattr(each, "answered", None) for each in raised
        ]
        assert "list" == readings.get(LIST, leader(), lambda _: "list")

    @pytest.mark.parametrize(
        ("seconds", "error", "cause"),
        [
            pytest.param(0.0, AzureDevOpsError("timed out"), None, id="no time was left"),
            pytest.param(
                25.0, AzureDevOpsError("paused"), PauseError(3), id="too little time for a pause"
            ),
            pytest.param(25.0, RuntimeError("a bug"), None, id="anything else"),
        ],
    )
    def test_an_error_of_the_reading_caller_lets_another_continue(
        self, pool, seconds, error, cause
    ):
        error.__cause__ = cause
        readings, read, waiter = Readings(), Slow(error, "list"), Waiter()
        first = pool.submit(readings.get, LIST, leader(seconds), read)
        read.began[0].wait(10)
        second = pool.submit(readings.get, LIST, waiter.wish, read)
        assert waiter.waits.wait(10)
        for may_end in read.may_end:
            may_end.set()

        assert error is first.exception(10)
        assert "list" == second.result(10)

    def test_an_error_of_a_reading_that_began_too_early_is_not_raised_for_a_later_one(self, pool):
        readings, read = Readings(), Slow(AzureDevOpsError("down"), "list")
        first = pool.submit(readings.get, LIST, leader(), read)
        read.began[0].wait(10)
        waiter = Waiter(began_after=time.monotonic())
        second = pool.submit(readings.get, LIST, waiter.wish, read)
        assert waiter.waits.wait(10)
        for may_end in read.may_end:
            may_end.set()

        assert (AzureDevOpsError, "list") == (type(first.exception(10)), second.result(10))

    def test_no_caller_waits_beyond_its_deadline(self, pool):
        readings, read = Readings(), Slow("list")
        with ExitStack() as at_the_end:
            at_the_end.callback(read.may_end[0].set)
            first = pool.submit(readings.get, LIST, leader(), read)
            read.began[0].wait(10)
            with pytest.raises(AzureDevOpsError, match="ran out of time while waiting") as raised:
                readings.get(LIST, leader(0.01), read)

        assert (False, "list") == (raised.value.answered, first.result(10))


class TestDocuments:
    """Documents that are read separately."""

    def test_a_complete_document_is_read_once_and_an_incomplete_one_again_after_a_while(self):
        clock = Clock()
        documents, counts = Documents(bool), []
        for said in ("", "key"):
            reads = []
            for seconds in (0, 30, 60):
                clock.now += seconds
                documents.get(said, within(clock), lambda: reads.append(1) or said)  # noqa: B023
            counts.append(len(reads))

        assert [2, 1] == counts

    def test_the_number_of_cached_documents_is_limited(self):
        clock, documents, alive = Clock(), Documents(bool), WeakSet()
        for number in range(4100):
            documents.get(number, within(clock), lambda: Value(alive))
            clock.now += 10

        assert 4000 == len(alive)
