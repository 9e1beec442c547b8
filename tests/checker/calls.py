"""The calls of a process to the outside, and the replies."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from greenlet import GreenletExit, getcurrent


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the outside; `seconds` is how long it may take."""

    service: str
    verb: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return the call as text for the log."""
        shown = self.arguments.get("shown", "")
        return f"{self.service} {self.verb} {shown}".rstrip()


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: `make` returns or raises it, `key` identifies it."""

    key: Hashable
    make: Callable[[], Any]


def returned(value: Any, key: Hashable = None) -> Reply:
    """Return a reply with a value that nobody changes."""
    return Reply(("returned", value if key is None else key), lambda: value)


def raised(error: type[Exception], *arguments: Any, **options: Any) -> Reply:
    """Return a reply that raises an error."""
    key = ("raised", error.__name__, arguments, tuple(options.items()))

    def make() -> Any:
        raise error(*arguments, **options)

    return Reply(key, make)


def ask(call: Call) -> Any:
    """Pause the current process at a call until a reply arrives."""
    process = getcurrent()
    if process.is_ending:
        raise GreenletExit
    reply, process.now = process.parent.switch(call)
    return reply.make()
