"""Faults that the stand-in for Azure DevOps plays: what a service does on a bad day."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from threading import Lock

from tests.sandbox.azure_devops.messages import HTML, Answer, Json, ServiceError

SIGN_IN = b"<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>"
ERRORS = {
    401: ("UnauthorizedRequestException", "TF400813: The user '' is not authorized."),
    403: ("AccessDeniedException", "Access denied."),
    429: ("RequestBlockedException", "TF400733: The request has been canceled."),
    503: ("ServiceUnavailableException", "The service is unavailable."),
}


@dataclass(frozen=True)
class Fault:
    """One fault: which requests it meets, how often, and what it does to them.

    kind        what happens:
                error         `status` (500) with an error in JSON
                sign-in page  `status` (203) with HTML instead of JSON
                redirect      `status` (302) and the sign-in page's address
                text          `status` (502) with plain text: a proxy speaks, not the service
                retry-after   the real answer, with Retry-After: a success
                empty         200 without a body
                garbage       200 that says it is JSON, and is not
                stall         the real answer, with `seconds` of silence in its middle
                truncated     the first half of the real answer, then the end of the connection
                close         the connection is closed without an answer
                reset         the connection is reset without an answer
                hang          `seconds` of silence before the real answer
    commit      the request is handled although the answer fails; with "hang", it is handled before
                the silence and not after it. "retry-after", "stall" and "truncated" always commit
    verb, path  the HTTP method, "" for any; a part of the path, without case
    times       how often, None for ever
    probability how likely each time, by a `random.Random(seed)` of its own
    retry_after the header Retry-After, in seconds
    """

    kind: str
    verb: str = "POST"
    path: str = ""
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    commit: bool = False
    status: int | None = None
    retry_after: int | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            near = get_close_matches(self.kind, KINDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            message = f"kind: {self.kind!r} is not one of {', '.join(KINDS)}{hint}"
            raise ValueError(message)

    @property
    def name(self) -> str:
        """The kind with its status, and whether the request was handled all the same."""
        status = f" {self.status or 500}" if self.kind == "error" else ""
        return f"{self.kind}{status}{' after commit' if self.commit else ''}"

    def meets(self, method: str, path: str) -> bool:
        """Whether a request is one that this fault is for."""
        return self.verb in {"", method} and self.path.lower() in path.lower()

    def play(self, handle: Callable[[], Answer], wait: Callable[[float], object]) -> Answer:
        """Answer a request that `handle` would answer; `wait` is silent for some seconds."""
        if self.kind == "hang":
            return self._hang(handle, wait)
        commits = self.commit or self.kind in {"retry-after", "stall", "truncated"}
        real = handle() if commits else Answer()
        played = KINDS[self.kind](self, real)
        if self.retry_after is None:
            return played
        return replace(played, headers={**played.headers, "Retry-After": str(self.retry_after)})

    def _hang(self, handle: Callable[[], Answer], wait: Callable[[float], object]) -> Answer:
        if self.commit:
            real = handle()
            wait(self.seconds)
            return real
        wait(self.seconds)
        return handle()


def _error(fault: Fault, _real: Answer) -> Answer:
    status = fault.status or 500
    type_key, message = ERRORS.get(status, ("VssServiceException", "Something went wrong."))
    return ServiceError(status, type_key, message).answer()


def _redirect(fault: Fault, _real: Answer) -> Answer:
    where = {"Location": "https://spsprodcus1.vssps.visualstudio.com/_signin"}
    return Answer(fault.status or 302, SIGN_IN, HTML, where)


KINDS: dict[str, Callable[[Fault, Answer], Answer]] = {
    "error": _error,
    "sign-in page": lambda fault, _: Answer(fault.status or 203, SIGN_IN, HTML),
    "redirect": _redirect,
    "text": lambda fault, _: Answer(fault.status or 502, b"Bad Gateway", "text/plain"),
    "retry-after": lambda _, real: real,
    "empty": lambda _fault, _real: Answer(),
    "garbage": lambda _fault, _real: Answer(body=b'{"id": 1, "name": '),
    "stall": lambda fault, real: replace(real, ending="stalled", silence=fault.seconds),
    "truncated": lambda _, real: replace(real, ending="truncated"),
    "close": lambda _fault, _real: Answer(ending="closed"),
    "reset": lambda _fault, _real: Answer(ending="reset"),
    "hang": lambda _, real: real,
}


@dataclass
class Faults:
    """The faults that are to come, in the order in which they were asked for.

    `played` counts those that were, by a name like `error 500 after commit`.
    """

    played: Counter[str] = field(default_factory=Counter)
    _armed: list["_Armed"] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, fault: Fault) -> None:
        """Play this fault from now on."""
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Play none any more."""
        with self._lock:
            self._armed.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault that this request runs into, and count it; None: it runs well."""
        with self._lock:
            fault = next((a.fault for a in self._armed if a.strikes(method, path)), None)
            if fault:
                self.played[fault.name] += 1
            return fault

    def documents(self) -> list[Json]:
        """Return the faults that are to come, each with the `times` that are left."""
        with self._lock:
            return [{**asdict(armed.fault), "times": armed.left} for armed in self._armed]


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self._random = random.Random(fault.seed)  # noqa: S311 (chance that repeats, not a secret)

    def strikes(self, method: str, path: str) -> bool:
        if self.left == 0 or not self.fault.meets(method, path):
            return False
        if self._random.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True
