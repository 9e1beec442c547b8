"""Parse the filters of Table Storage, as far as the app uses them."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from azure.data.tables._serialize import _parameter_filter_substitution

Row = Mapping[str, Any]
Condition = Callable[[Row], bool]

_COMPARISONS = {"eq": eq, "ne": ne, "gt": gt, "ge": ge, "lt": lt, "le": le}
_WORD = re.compile(r"\s*(datetime'[^']*'|'(?:[^']|'')*'|[()]|[^\s()']+)")


class FilterError(ValueError):
    """The simulation does not support the filter."""


def substituted(text: str, parameters: Mapping[str, Any] | None) -> str:
    """Substitute the parameters exactly like the SDK, which has its own notion of a word."""
    return _parameter_filter_substitution(dict(parameters or {}), text)


@cache
def condition(text: str) -> Condition:
    """Parse a filter; the empty one matches every row."""
    words = _words(text)
    if not words:
        return lambda _: True
    read = _either(words)
    if words:
        msg = f"{words} is left over from {text}"
        raise FilterError(msg)
    return read


def _words(text: str) -> list[str]:
    words, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _WORD.match(text, at)
        if not found:
            msg = f"{text!r} cannot be read from {at} on"
            raise FilterError(msg)
        words.append(found[1])
        at = found.end()
    return words[::-1]


def _either(words: list[str]) -> Condition:
    parts = list(_separated(words, "or", _both))
    return lambda row: any(part(row) for part in parts)


def _both(words: list[str]) -> Condition:
    parts = list(_separated(words, "and", _one))
    return lambda row: all(part(row) for part in parts)


def _separated(
    words: list[str], separator: str, read: Callable[[list[str]], Condition]
) -> Iterator[Condition]:
    yield read(words)
    while words and words[-1] == separator:
        words.pop()
        yield read(words)


def _one(words: list[str]) -> Condition:
    first = words.pop()
    if first == "(":
        inner = _either(words)
        words.pop()
        return inner
    if first == "not":
        negated = _one(words)
        return lambda row: not negated(row)
    compare, value = _COMPARISONS[words.pop()], _value(words.pop())
    return lambda row: _holds(compare, row.get(first), value)


def _holds(compare: Callable[[Any, Any], bool], found: Any, value: Any) -> bool:
    """Compare values of one type; a row without the property does not match."""
    return found is not None and isinstance(found, type(value)) and compare(found, value)


def _value(word: str) -> Any:
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    if word.startswith("datetime'"):
        return datetime.fromisoformat(word[9:-1]).astimezone(UTC)
    if word in {"true", "false"}:
        return word == "true"
    return int(word.removesuffix("L"))
