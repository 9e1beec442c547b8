"""Share readings among threads: one request serves all threads that ask at about the same time."""

from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Condition, Lock
from typing import Generic, TypeVar

from model_trigger.deadline import Deadline
from model_trigger.targets.azure_devops.answers import PauseError
from model_trigger.targets.request import AzureDevOpsError, TargetError

Value = TypeVar("Value")

# Seconds after which a reading is forgotten: no thread accepts one that began so long ago.
_KEPT = 60.0
# Lists start at a multiple of this many seconds, so that claims of one burst share a reading.
_STEP = 600.0
_MOST_DOCUMENTS = 4000
_ANY_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a thread needs from a reading.

    `since` is the creation time of the oldest item that it must cover; it must have begun no
    earlier than `began_after`, on the deadline's clock.
    """

    since: datetime
    began_after: float
    deadline: Deadline


@dataclass(eq=False, slots=True)
class _Reading(Generic[Value]):
    """A reading that one thread performs."""

    since: datetime
    began: float
    is_over: bool = False
    # What was read, in a tuple of one; empty until then.
    result: tuple[Value, ...] = ()
    # The error for all waiting threads.
    error: Exception | None = None

    def serves(self, wish: Wish) -> bool:
        return self.began >= wish.began_after and self.since <= wish.since


@dataclass(eq=False)
class Readings(Generic[Value]):
    """The latest reading of each list, finished or in progress."""

    _changed: Condition = field(default_factory=Condition)
    _readings: dict[Hashable, _Reading[Value]] = field(
        default_factory=dict[Hashable, _Reading[Value]]
    )
    # What threads wait for: a list, and from when on.
    _waiting: list[tuple[Hashable, datetime]] = field(
        default_factory=list[tuple[Hashable, datetime]]
    )

    def get(self, key: Hashable, wish: Wish, read: Callable[[datetime], Value]) -> Value:
        """Return a list as read moments ago, as being read by another thread, or as read now.

        A thread that needs a later reading than the one in progress waits for its end; the first
        one to wake up performs the next reading for all that wait. `read` is called with the time
        to read from, and raises TargetError or AzureDevOpsError. All waiting threads raise the same
        error, unless only the reading thread ran out of time: then another one reads.
        """
        with self._changed:
            reading = self._wait(key, wish)
        return reading.result[0] if reading.is_over else self._perform(key, reading, wish, read)

    def _wait(self, key: Hashable, wish: Wish) -> _Reading[Value]:
        """Return a finished reading that serves, or a new one to perform."""
        while True:
            reading = self._readings.get(key)
            if reading is None or (reading.is_over and not reading.serves(wish)):
                return self._new(key, wish)
            if reading.is_over:
                return reading
            self._wait_for(reading, key, wish)
            if reading.serves(wish) and reading.error:
                raise copy(reading.error)
            if reading.serves(wish) and reading.result:
                return reading

    def _wait_for(self, reading: _Reading[Value], key: Hashable, wish: Wish) -> None:
        entry = key, wish.since
        self._waiting.append(entry)
        try:
            is_over = self._changed.wait_for(lambda: reading.is_over, wish.deadline.remaining)
        finally:
            self._waiting.remove(entry)
        if not is_over:
            msg = (
                "the request to Azure DevOps failed: ran out of time while waiting for its response"
            )
            raise AzureDevOpsError(msg, answered=False)

    def _new(self, key: Hashable, wish: Wish) -> _Reading[Value]:
        """Return a new reading that covers what all waiting threads need; forget old ones."""
        now = wish.deadline.clock()
        for other, old in list(self._readings.items()):
            if old.is_over and old.began < now - _KEPT:
                del self._readings[other]
        since = min([wish.since, *(since for waiting, since in self._waiting if waiting == key)])
        since -= timedelta(seconds=since.timestamp() % _STEP)
        reading = self._readings[key] = _Reading[Value](since, now)
        return reading

    def _perform(
        self,
        key: Hashable,
        reading: _Reading[Value],
        wish: Wish,
        read: Callable[[datetime], Value],
    ) -> Value:
        try:
            reading.result = (read(reading.since),)
        except (TargetError, AzureDevOpsError) as error:
            # Not if a thread with more time might succeed.
            if wish.deadline.remaining > 0 and not isinstance(error.__cause__, PauseError):
                reading.error = error
            raise
        finally:
            with self._changed:
                reading.is_over = True
                if not reading.result:
                    del self._readings[key]
                self._changed.notify_all()
        return reading.result[0]


@dataclass(eq=False)
class Documents(Generic[Value]):
    """Documents that are read one by one; they never change, so each is read once.

    `is_complete` is whether a document contains what is needed; otherwise it is read again later.
    """

    is_complete: Callable[[Value], bool]
    _read: dict[Hashable, Value] = field(default_factory=dict[Hashable, Value])
    _lock: Lock = field(default_factory=Lock)
    _readings: Readings[Value] = field(default_factory=Readings[Value])

    def get(self, key: Hashable, deadline: Deadline, read: Callable[[], Value]) -> Value:
        """Return a document; the errors are those of `Readings.get`."""
        with self._lock:
            if key in self._read:
                return self._read[key]
        wish = Wish(_ANY_TIME, deadline.clock() - _KEPT, deadline)
        value = self._readings.get(key, wish, lambda _: read())
        if self.is_complete(value):
            with self._lock:
                self._read[key] = value
                if len(self._read) > _MOST_DOCUMENTS:
                    del self._read[next(iter(self._read))]
        return value
