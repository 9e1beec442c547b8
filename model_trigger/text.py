"""Word values for sentences and log lines: short, on one line, with the nearest valid spelling."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

# Application Insights cuts a message after 32,768 characters, as .NET counts them:
# https://learn.microsoft.com/azure/azure-monitor/app/data-model-complete
LONGEST_LINE = 30_000

_LONGEST = 200
_SECRET = re.compile(r"(?<=://)[^/\s]+@")


def one_line(text: str) -> str:
    """Escape what is not printable, so that the text stays on one line of a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def json_line(fields: Mapping[str, object]) -> str:
    """Write fields as JSON on one line; what is not printable is escaped as JSON does."""
    text = json.dumps(fields, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def well_formed(text: str) -> str:
    """Replace unpaired surrogates, which neither UTF-8 nor a strict reader of JSON accepts."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf16_units(text: str) -> int:
    """Return the length of a text as .NET and Azure Table Storage count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, longest: int, size: Callable[[str], int] = utf16_units) -> str:
    """Return a text, or as much of its beginning as fits into `longest` together with an ellipsis.

    `size` is the sum of the sizes of a text's characters, each of which is at least 1.
    """
    if len(text) <= longest and size(text) <= longest:
        return text
    room = longest - size("…")
    kept = sum(total <= room for total in accumulate(map(size, text[:longest])))
    return f"{text[:kept]}…"


class OneLine(logging.Filter):
    """Keeps each message of a logger on one line, and within what Application Insights keeps."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Escape and cut the message, and indent a traceback, so that neither forges a line."""
        record.msg, record.args = cut(one_line(record.getMessage()), LONGEST_LINE), ()
        if record.exc_info and not record.exc_text:
            lines = logging.Formatter().formatException(record.exc_info).split("\n")
            record.exc_text = "\n".join(f"  {one_line(line)}" for line in lines)
        return True


# Here, because every module that logs imports this one.
logging.getLogger("model_trigger").addFilter(OneLine())


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
    """Return the ending `; did you mean …?` when one of the allowed words is near, otherwise ""."""
    by_folded = {candidate.lower(): candidate for candidate in allowed}
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    found = get_close_matches(word.lower(), by_folded, cutoff=0.6)
    # Letters that were only swapped are nearer than difflib takes them to be.
    found.sort(key=lambda near: sorted(near) != sorted(word.lower()))
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""
