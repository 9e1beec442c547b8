"""Word values for sentences: short, on one line, and with the nearest valid spelling."""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 200
_SECRET = re.compile(r"(?<=://)[^/\s]+@")


def one_line(text: str) -> str:
    """Escape what is not printable, so that the text stays on one line of a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def excerpt(text: str) -> str:
    """Cut a text that is long, and put it on one line."""
    return one_line(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def quoted(text: str) -> str:
    """Put a text in quotes, cut if it is long."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def shown(value: object) -> str:
    """Write a value as JSON, cut if it is long; a password in an address is left out."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        text = "what is nested too deeply"
    return excerpt(_SECRET.sub("***@", text))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Give the ending `; did you mean …?` when one of the allowed words is near, otherwise ""."""
    by_folded = {candidate.lower(): candidate for candidate in allowed}
    found = get_close_matches(word.lower(), by_folded, cutoff=0.6)
    # Letters that were only swapped are nearer than difflib takes them to be.
    found.sort(key=lambda near: sorted(near) != sorted(word.lower()))
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""
