"""The sandbox's host, but it dies or freezes at a line of the app.

    MORTAL_SEED=1 MORTAL_CHANCE=0.0001 python -m tests.sandbox.mortal [the host's options]
    MORTAL_FREEZE=azure_devops_client.py:start python -m tests.sandbox.mortal [the host's options]

With a chance, each line of model_trigger that runs may be the last (SIGKILL). With a function to
freeze at, the process stops when that is first called (SIGSTOP), and goes on with SIGCONT.
"""

import os
import random
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from tests.sandbox import host

APP = str(Path(__file__).parents[2] / "model_trigger")


def trace(frame: FrameType, event: str, _argument: object) -> Any:
    """Follow the app's own functions line by line, and no others."""
    if not frame.f_code.co_filename.startswith(APP):
        return None
    if (
        event == "call"
        and f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}" == freeze_at
    ):
        freeze()
    if chances.random() < chance:
        os.kill(os.getpid(), signal.SIGKILL)
    return trace


def freeze() -> None:
    """Stop this process, once."""
    global freeze_at  # noqa: PLW0603 - one process, one freeze
    freeze_at = ""
    os.kill(os.getpid(), signal.SIGSTOP)


chances = random.Random(os.environ.get("MORTAL_SEED"))  # noqa: S311 - chance that repeats
chance = float(os.environ.get("MORTAL_CHANCE", "0"))
freeze_at = os.environ.get("MORTAL_FREEZE", "")

if __name__ == "__main__":
    threading.settrace(trace)
    sys.exit(host.main())
