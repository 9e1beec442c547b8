"""The sandbox's host, except that it dies or freezes at a line of the app.

    MORTAL_LINES=50000 python -m tests.sandbox.host.mortal [the host's options]
    MORTAL_FREEZE=handlers.py:reconcile MORTAL_CALL=2 python -m tests.sandbox.host.mortal [...]

With MORTAL_LINES, it dies (SIGKILL) after executing that many lines of model_trigger. With
MORTAL_FREEZE, it stops (SIGSTOP) at a call of that function, by default the first, until SIGCONT.
Both count from when the host is ready: otherwise it could die before it is up.

It prints `stalled 1.2 s` if the machine did not let it run for that long.
"""

import os
import signal
import sys
import threading
from functools import partial
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.sandbox.host import server
from tests.sandbox.stalls import watch_stalls

APP = str(Path(__file__).parents[3] / "model_trigger")


def survive(file: str, function: str, *, called: bool) -> None:
    """Handle a line of the app: freeze at the named function, or die."""
    if called and f"{Path(file).name}:{function}" == freeze_at:
        freeze()
    if next(lines) == last_line:
        os.kill(os.getpid(), signal.SIGKILL)


def trace(frame: FrameType, event: str, _argument: object) -> Any:
    """Trace the app's own functions line by line, and no others."""
    code = frame.f_code
    if not code.co_filename.startswith(APP):
        return None
    survive(code.co_filename, code.co_name, called=event == "call")
    return trace


def monitor() -> None:
    """Do the same as `trace`, but run all other code at full speed (Python 3.12 and newer)."""
    monitoring = sys.monitoring
    events = monitoring.events

    def come_to(code: CodeType, _line: int, *, called: bool) -> Any:
        if not code.co_filename.startswith(APP):
            return monitoring.DISABLE
        survive(code.co_filename, code.co_name, called=called)
        return None

    monitoring.use_tool_id(monitoring.DEBUGGER_ID, "mortal")
    monitoring.set_events(monitoring.DEBUGGER_ID, events.LINE | events.PY_START)
    for event, called in ((events.LINE, False), (events.PY_START, True)):
        callback = partial(come_to, called=called)
        monitoring.register_callback(monitoring.DEBUGGER_ID, event, callback)


def freeze() -> None:
    """Stop this process at the chosen call."""
    if next(calls) == freeze_call:
        # To this thread: a signal to the process could stop another thread first.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def become_mortal() -> None:
    """Start to count lines and calls, if the settings ask for it."""
    endless = threading.Event()
    threading.Thread(target=watch_stalls, args=(server.say, endless), daemon=True).start()
    if not last_line and not freeze_at:
        return
    if hasattr(sys, "monitoring"):
        monitor()
    else:
        # for threads that start later: functions run in those
        threading.settrace(trace)


last_line = int(os.environ.get("MORTAL_LINES", "0"))
freeze_at = os.environ.get("MORTAL_FREEZE", "")
freeze_call = int(os.environ.get("MORTAL_CALL", "1"))
lines = count(1)
calls = count(1)

if __name__ == "__main__":
    sys.exit(server.main(ready=become_mortal))
