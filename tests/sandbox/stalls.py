"""Notices when the machine does not let a process run.

The app promises something as long as no process stands still for longer than its settings allow
for. A machine that is overloaded can break that, and what a test then sees says nothing.
"""

import time
from collections.abc import Callable
from threading import Event

PAUSE = 0.1
# Settings of the tests allow for more; shorter ones are common on a busy machine.
WORTH_NOTING = 1.0


def watch_stalls(tell: Callable[[str], object], done: Event) -> None:
    """Report each stall as `stalled 1.2 s` until `done` is set."""
    began = time.monotonic()
    while not done.wait(PAUSE):
        late = time.monotonic() - began - PAUSE
        if late > WORTH_NOTING:
            tell(f"stalled {late:.1f} s")
        began = time.monotonic()
