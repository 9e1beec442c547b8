"""How much time a delivery has left: one deadline, passed to everything that waits or calls."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock, in seconds; `sleep` is that clock's."""

    at: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    @property
    def remaining(self) -> float:
        """Seconds left; 0 when the deadline has passed."""
        return max(0.0, self.at - self.clock())

    def allows(self, seconds: float) -> bool:
        """Whether this much time is left."""
        return self.remaining >= seconds

    def pause(self, seconds: float) -> None:
        """Sleep, at most until the deadline."""
        self.sleep(min(seconds, self.remaining))

    def within(self, seconds: float) -> "Deadline":
        """Return the nearer of this deadline and one in so many seconds."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock, self.sleep)

    def at_least(self, seconds: float) -> "Deadline":
        """Return the later of this deadline and one in so many seconds."""
        return Deadline(max(self.at, self.clock() + seconds), self.clock, self.sleep)
