"""The deadline of a delivery, passed to everything that waits or makes a call."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time in seconds of the monotonic `clock`; `sleep` waits on the same clock.

    `reserve` is how many seconds a call gets even after the deadline; it allows nothing more.
    """

    at: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    reserve: float = 0.0

    @property
    def remaining(self) -> float:
        """Seconds left; the reserve if the deadline has passed."""
        return max(self.reserve, self.at - self.clock())

    def allows(self, seconds: float) -> bool:
        """Whether at least this many seconds are left until the deadline itself."""
        return max(0.0, self.at - self.clock()) >= seconds

    def pause(self, seconds: float) -> None:
        """Sleep for some seconds, at most until the deadline."""
        self.sleep(min(seconds, self.remaining))

    def within(self, seconds: float) -> "Deadline":
        """Return the earlier of this deadline and one `seconds` from now."""
        return replace(self, at=min(self.at, self.clock() + seconds))
