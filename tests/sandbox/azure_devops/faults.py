"""Faults that the stand-in for Azure DevOps injects."""

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
    """A fault: which requests it affects, how often, and how.

    kind        what happens:
                error         `status` (500) with a JSON error
                sign-in page  `status` (203) with HTML instead of JSON
                redirect      `status` (302) to the sign-in page
                text          `status` (502) with plain text, as from a proxy
                retry-after   the real response with Retry-After: a success
                empty         200 without a body
                garbage       200 labelled JSON that is not JSON
                stall         the real response, with `seconds` of silence half-way
                truncated     the first half of the real response, then the connection closes
                close         the connection is closed without a response
                reset         the connection is reset without a response
                hang          `seconds` of silence before the real response
    commit      handle the request although the response fails; with "hang", handle it before the
                silence instead of after it. "retry-after", "stall" and "truncated" always commit
    verb, path  the HTTP method, "" for any; a part of the path, case-insensitive
    times       how often, None for no limit
    probability the chance per request, from a separate `random.Random(seed)`
    retry_after the Retry-After header, in seconds
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
        """The kind with its status, and whether the request is handled anyway."""
        status = f" {self.status or 500}" if self.kind == "error" else ""
        return f"{self.kind}{status}{' after commit' if self.commit else ''}"

    def meets(self, method: str, path: str) -> bool:
        """Whether this fault affects a request."""
        return self.verb in {"", method} and self.path.lower() in path.lower()

    def play(self, handle: Callable[[], Answer], wait: Callable[[float], object]) -> Answer:
        """Return the faulty response, calling `handle` for the real one and `wait` to sleep."""
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
    """The pending faults, in the order in which they were added.

    `played` counts the faults injected so far, by a name such as `error 500 after commit`.
    """

    played: Counter[str] = field(default_factory=Counter)
    _armed: list["_Armed"] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, fault: Fault) -> None:
        """Inject this fault from now on."""
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault that affects this request and count it, or None."""
        with self._lock:
            fault = next((a.fault for a in self._armed if a.strikes(method, path)), None)
            if fault:
                self.played[fault.name] += 1
            return fault

    def documents(self) -> list[Json]:
        """Return the pending faults, each with the `times` that are left."""
        with self._lock:
            return [{**asdict(armed.fault), "times": armed.left} for armed in self._armed]


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self._random = random.Random(fault.seed)  # noqa: S311 (reproducible randomness, not a secret)

    def strikes(self, method: str, path: str) -> bool:
        if self.left == 0 or not self.fault.meets(method, path):
            return False
        if self._random.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True
