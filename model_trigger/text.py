"""Format values for messages and log lines: escaped, shortened, with spelling suggestions."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

# Application Insights cuts messages after 32,768 characters, as .NET counts them:
# https://learn.microsoft.com/azure/azure-monitor/app/data-model-complete
LONGEST_LINE = 30_000

_LONGEST = 200
_SECRET = re.compile(r"(?<=://)[^/\s]+@")


def one_line(text: str) -> str:
    """Escape unprintable characters, so that the text stays on one line of a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def json_line(fields: Mapping[str, object]) -> str:
    """Return fields as JSON on one line, with unprintable characters escaped as in JSON."""
    text = json.dumps(fields, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def well_formed(text: str) -> str:
    """Replace unpaired surrogates, which neither UTF-8 nor a strict JSON parser accepts."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf16_units(text: str) -> int:
    """Return the length of a text as .NET and Azure Table Storage count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, longest: int, size: Callable[[str], int] = utf16_units) -> str:
    """Return the text, or as much of its beginning as fits into `longest` with an ellipsis.

    `size` must be the sum of the sizes of the characters, each at least 1.
    """
    if len(text) <= longest and size(text) <= longest:
        return text
    room = longest - size("…")
    kept = sum(total <= room for total in accumulate(map(size, text[:longest])))
    return f"{text[:kept]}…"


class OneLine(logging.Filter):
    """Keeps each message of a logger on one line, within the limit of Application Insights."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Escape and cut the message and indent the traceback, so that neither can forge a line."""
        record.msg, record.args = cut(one_line(record.getMessage()), LONGEST_LINE), ()
        if record.exc_info and not record.exc_text:
            lines = logging.Formatter().formatException(record.exc_info).split("\n")
            record.exc_text = "\n".join(f"  {one_line(line)}" for line in lines)
        return True


# Added here, because every module that logs imports this one.
logging.getLogger("model_trigger").addFilter(OneLine())


def excerpt(text: str) -> str:
    """Return a text on one line, shortened if it is long."""
    return one_line(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def quoted(text: str) -> str:
    """Return a text in quotes, shortened if it is long."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def shown(value: object) -> str:
    """Return a value as JSON, shortened if it is long, with credentials in URLs masked."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        text = "a value nested too deeply"
    return excerpt(_SECRET.sub("***@", text))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return the suffix `; did you mean …?` if one of the allowed words is similar, else ""."""
    by_folded = {candidate.lower(): candidate for candidate in allowed}
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    found = get_close_matches(word.lower(), by_folded, cutoff=0.6)
    # difflib underrates words that differ only in the order of letters.
    found.sort(key=lambda near: sorted(near) != sorted(word.lower()))
    return f"; did you mean {by_folded[found[0]]!r}?" if found else ""
