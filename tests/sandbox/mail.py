"""Events that are delivered until they are received, as by Event Grid."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from threading import Condition
from typing import Any


@dataclass(frozen=True)
class Answer:
    """The result of a delivery: when it was sent, how long it took, and its status or 0."""

    sent: float
    seconds: float
    status: int

    @property
    def is_received(self) -> bool:
        """Whether Event Grid considers the event delivered, and does not send it again."""
        return 200 <= self.status <= 204


class Mail:
    """The events that are not yet received, each with the time of its next delivery."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self._waiting = [(0.0, number, 0, each) for number, each in enumerate(events)]
        heapify(self._waiting)
        self.open = len(self._waiting)
        self._news = Condition()

    def take(self) -> tuple[int, int, Mapping[str, Any]] | None:
        """Wait for the next delivery, and return its number, its earlier attempts and its event.

        Return None once every event is received.
        """
        with self._news:
            while self.open:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    return heappop(self._waiting)[1:]
                self._news.wait(wait)
        return None

    def close(self) -> None:
        """Mark an event as received."""
        with self._news:
            self.open -= 1
            self._news.notify_all()

    def give_back(self, number: int, attempts: int, event: Mapping[str, Any], pause: float) -> None:
        """Schedule another delivery of an event after a pause."""
        with self._news:
            heappush(self._waiting, (time.monotonic() + pause, number, attempts, event))
            self._news.notify_all()

    def abandon(self) -> None:
        """Stop all deliveries."""
        with self._news:
            self.open = 0
            self._news.notify_all()
