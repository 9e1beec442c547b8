"""What a new instance costs before and with its first event, beside a function that imports all."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.benchmarks.rows import Row
from tests.sandbox.processes import ROOT

_RUNS = 7
# The high-water mark of this process alone: getrusage's is at least that of the parent.
_MEASURED = """
import re, time
began = time.perf_counter()
{code}
seconds = time.perf_counter() - began
with open("/proc/self/status") as status:
    print(seconds, int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) / 1024)
"""
# A plain function app imports what it is named for at its top.
_PLAIN = (
    "import azure.functions, azure.eventgrid, azure.ai.ml, azure.identity, azure.devops.connection"
)
_EMPTY = "import azure.functions"
# The app, its settings and rules, and an event that no rule wants, up to the ledger.
_OURS = """
import function_app
from model_trigger.registrations.event_grid import parse_event
from model_trigger.services import services
registration = parse_event(open("tests/payloads/event_grid.json").read())
assert not services().rules().evaluate(registration)
"""
_SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "RULES": '{"churn": {"model": "churn", "release": {"definition": 1}}}',
}


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as cache:
        plain, empty, ours = (_median(code, cache) for code in (_PLAIN, _EMPTY, _OURS))
    yield Row("cold start of an event that no rule wants", ours[0], "s")
    yield Row("memory of it", ours[1], "MB")
    yield Row.ratio("cold start / a plain function with its SDKs", ours[0] / plain[0], limit=0.35)
    yield Row.ratio("memory / a plain function with its SDKs", ours[1] / plain[1], limit=0.5)
    yield Row.ratio("cold start / an empty function", ours[0] / empty[0])


def _median(code: str, cache: str) -> tuple[float, float]:
    """Measure seconds and megabytes, with bytecode, after a run that writes it."""
    runs = [_once(code, cache) for _ in range(_RUNS + 1)][1:]
    seconds, megabytes = zip(*runs, strict=True)
    return statistics.median(seconds), statistics.median(megabytes)


def _once(code: str, cache: str) -> tuple[float, float]:
    environment = {**_SETTINGS, "PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": cache}
    command = [sys.executable, "-c", _MEASURED.format(code=code)]
    printed = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)  # noqa: S603
    seconds, megabytes = map(float, printed.split())
    return seconds, megabytes
