"""Start the sandbox's programs as child processes, collect their output, and stop them.

A child gets the given settings, and from this process's environment only what programs need to run
at all: the shell that runs the tests may have the settings of a real organization.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

ROOT = Path(__file__).parents[2]
PASSED_ON = ("HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "TZ")


class ChildError(Exception):
    """A child ended, or a timeout expired, before it printed the expected output."""


class Child:
    """A running program; `lines` is its output so far, standard output and error."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], folder: Path) -> None:
        self.lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 (the sandbox's own commands)
            command,
            cwd=folder,
            env=inherited | dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def find(self, pattern: str) -> list[re.Match[str]]:
        """Return a match for each line so far that contains the pattern."""
        return [found for line in list(self.lines) if (found := re.search(pattern, line))]

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 90) -> list[re.Match[str]]:
        """Return the matches as soon as `count` lines match.

        Raises ChildError with all output if the program ends or the timeout expires first.
        """
        with self._news:
            self._news.wait_for(lambda: self._ended or len(self.find(pattern)) >= count, seconds)
        found = self.find(pattern)
        if len(found) < count:
            state = "ended" if self._ended else f"ran for {seconds} s"
            printed = "\n".join(self.lines)
            msg = f"{self._process.args} {state} without {count} x {pattern!r}:\n{printed}"
            raise ChildError(msg)
        return found

    def stop(self, seconds: float = 60, number: signal.Signals = signal.SIGTERM) -> int:
        """Terminate the program, kill it after `seconds`, and return its exit code."""
        self._process.send_signal(number)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._close()

    def kill(self) -> int:
        """Kill the program, as a crash does (SIGKILL), and return its exit code."""
        self._process.kill()
        return self._close()

    @property
    def has_ended(self) -> bool:
        """Whether the program has ended."""
        return self._process.poll() is not None

    @property
    def is_frozen(self) -> bool:
        """Whether the kernel reports the program as stopped (SIGSTOP)."""
        state = Path(f"/proc/{self._process.pid}/stat").read_text("utf-8").rpartition(") ")[2][0]
        return state == "T"

    def freeze(self) -> None:
        """Stop the program where it is (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume a stopped program."""
        self._process.send_signal(signal.SIGCONT)

    def wait(self, seconds: float = 60) -> int:
        """Wait for the program to exit, and return its exit code."""
        self._process.wait(seconds)
        return self._close()

    def _close(self) -> int:
        code = self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        return code


@dataclass(frozen=True)
class Answer:
    """An HTTP response; `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: str


def _read(response: HTTPResponse | urllib.error.HTTPError) -> Answer:
    with response:
        received = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, received, response.read().decode())


class HostProcess(Child):
    """A running Functions host (tests.sandbox.host) on a free port; `url` is its address."""

    module = "tests.sandbox.host"
    python = sys.executable

    def __init__(self, settings: Mapping[str, str], app: Path = ROOT, *options: str) -> None:
        command = [self.python, "-m", self.module, "--port", "0", "--app", str(app)]
        super().__init__([*command, *options], settings, ROOT)
        try:
            self.url = self.wait_for(r"^Host ready on (http://\S+)")[0][1]
        except ChildError:
            self.stop()
            raise

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 300,
    ) -> Answer:
        """Send a request and return the response, whatever its status.

        Raises OSError if there is no response within `seconds`.
        """
        request = urllib.request.Request(  # noqa: S310 (always the loopback address above)
            self.url + path, data=body, headers=dict(headers or {}), method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return _read(opener.open(request, timeout=seconds))
        except urllib.error.HTTPError as error:
            return _read(error)
        except HTTPException as error:  # the host died while it responded
            raise ConnectionError(str(error)) from error

    def deliver(
        self, events: object, function: str = "on_model_registered", *, seconds: float = 300
    ) -> Answer:
        """Deliver events like Event Grid: an array of events, or a single CloudEvent."""
        path = f"/runtime/webhooks/EventGrid?functionName={function}"
        headers = {"aeg-event-type": "Notification", "Content-Type": "application/json"}
        return self.request("POST", path, json.dumps(events).encode(), headers, seconds=seconds)

    def fire(self, timer: str) -> Answer:
        """Fire a timer, and wait for it to finish."""
        return self.request("POST", f"/admin/functions/{timer}", b"{}")

    def decisions(self, count: int = 0) -> list[dict]:
        """Return the app's decision lines, parsed, as soon as there are `count` of them."""
        found = (
            self.wait_for(r"\bdecision (\{.*\})$", count)
            if count
            else self.find(r"\bdecision (\{.*\})$")
        )
        return [json.loads(match[1]) for match in found]


class MortalHost(HostProcess):
    """A host that dies or freezes at a line of the app: see mortal.py for the settings."""

    module = "tests.sandbox.host.mortal"
