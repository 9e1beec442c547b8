"""Detect when the machine does not let a process run.

The app's guarantees hold only if no process pauses for longer than its settings allow for. On an
overloaded machine that can happen, and the result of a test then says nothing.
"""

import time
from collections.abc import Callable
from threading import Event

PAUSE = 0.1
# The tests' settings allow for more; shorter stalls are common on a busy machine.
WORTH_NOTING = 1.0


def watch_stalls(report: Callable[[str], object], done: Event) -> None:
    """Report each stall as `stalled 1.2 s` until `done` is set."""
    began = time.monotonic()
    while not done.wait(PAUSE):
        late = time.monotonic() - began - PAUSE
        if late > WORTH_NOTING:
            report(f"stalled {late:.1f} s")
        began = time.monotonic()
