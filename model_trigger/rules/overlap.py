"""Tell whether two rules can want the same registration, from what they say alone.

Where that cannot be told, the answer is that they can.
"""

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise, product

from model_trigger.matching.conditions import Condition, Globs, fits, has_wildcard
from model_trigger.matching.ranges import Range
from model_trigger.rules.rule import Rule

# A bracket that is never closed stands for itself, as in fnmatch.
_TOKEN = re.compile(r"\*+|\?|\[!?+\]?+[^\]]*\]|.", re.DOTALL)
_COMPARISON = re.compile(r"[<>]=?(.*)", re.DOTALL)

_Steps = Iterator[tuple[int, int]]
_range = cache(Range.parse)


def common_globs(one: Rule, other: Rule) -> tuple[str, str] | None:
    """Give a glob of each rule that some model fits under which both can want a registration.

    None when no registration can match both rules.
    """
    globs = _common_globs(one.fields.model, other.fields.model)
    first, second = one.fields, other.fields
    if (
        globs
        and _workspaces_meet(first.workspace, second.workspace)
        and _all_meet(first.tags, second.tags)
        and _all_meet(first.properties, second.properties)
        and _versions_meet(one, other)
    ):
        return globs
    return None


def meet(one: str, other: str) -> bool:
    """Tell whether some name fits both globs."""
    return one == other or _reaches(_tokens(one), _tokens(other), _meeting)


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every name that fits the narrow glob surely fits the wide one."""
    return _reaches(_tokens(wide), _tokens(narrow), _covering)


def _common_globs(one: Globs, other: Globs) -> tuple[str, str] | None:
    excluded = (*one.excluded, *other.excluded)
    return next(
        (
            (first, second)
            for first, second in product(one.included, other.included)
            if meet(first, second)
            and not any(covers(glob, first) or covers(glob, second) for glob in excluded)
        ),
        None,
    )


@cache
def _tokens(glob: str) -> tuple[str, ...]:
    return tuple("*" if token.startswith("*") else token for token in _TOKEN.findall(glob))


def _reaches(one: Sequence[str], other: Sequence[str], steps: Callable[[str, str], _Steps]) -> bool:
    """Walk through both at once, token by token; tell whether the ends of both are reached."""
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        place = i, j = todo.pop()
        if place == (len(one), len(other)):
            return True
        if place not in seen:
            seen.add(place)
            ahead = "".join(one[i : i + 1]), "".join(other[j : j + 1])
            todo += [(i + di, j + dj) for di, dj in steps(*ahead)]
    return False


def _meeting(one: str, other: str) -> _Steps:
    if "*" in (one, other):
        if one:
            yield 1, 0
        if other:
            yield 0, 1
    elif one and other and _share_a_character(one, other):
        yield 1, 1


def _covering(wide: str, narrow: str) -> _Steps:
    if wide == "*":
        yield 1, 0
        if narrow:
            yield 0, 1
    elif wide and narrow and narrow != "*" and _includes(wide, narrow):
        yield 1, 1


def _share_a_character(one: str, other: str) -> bool:
    if "?" in (one, other):
        return True
    literal = next((token for token in (one, other) if len(token) == 1), None)
    characters = literal or string.printable + one + other
    return any(fits(one, character) and fits(other, character) for character in characters)


def _includes(wide: str, narrow: str) -> bool:
    return wide in ("?", narrow) or (len(narrow) == 1 and narrow != "?" and fits(wide, narrow))


def _workspaces_meet(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return True
    patterns = [pattern.rstrip("/").lower() for pattern in (one, other)]
    if len({pattern.startswith("/") for pattern in patterns}) > 1:
        patterns = [pattern.rpartition("/")[2] for pattern in patterns]
    return meet(*patterns)


def _versions_meet(one: Rule, other: Rule) -> bool:
    first, second = one.fields, other.fields
    if str(first.version_from).lower() != str(second.version_from).lower():
        return True
    if first.scheme is not second.scheme:
        return False
    bounds = product(
        _range(first.version, first.scheme).alternatives,
        _range(second.version, second.scheme).alternatives,
    )
    both = Range("both", first.scheme, tuple((*these, *those) for these, those in bounds))
    return both.never is None


def _all_meet(one: Mapping[str, Condition], other: Mapping[str, Condition]) -> bool:
    others = {key.lower(): condition for key, condition in other.items()}
    return all(
        _conditions_meet(condition, others[key.lower()])
        for key, condition in one.items()
        if key.lower() in others
    )


def _conditions_meet(one: Condition, other: Condition) -> bool:
    """Try some values of which one meets both if any does; not so where patterns meet patterns."""
    plain = any(all(map(_is_plain, condition.tests)) for condition in (one, other))
    tests = (*one.tests, *other.tests)
    if not plain and any(not _is_plain(test) and not _is_comparison(test) for test in tests):
        return True
    return any(one.holds(value) and other.holds(value) for value in _values(tests))


def _values(tests: Sequence[str]) -> Iterator[str]:
    """Yield the plain texts, and numbers at, between and beyond the bounds of comparisons."""
    yield from filter(_is_plain, tests)
    matches = filter(None, map(_COMPARISON.fullmatch, tests))
    bounds = sorted({Decimal(match[1]) for match in matches})
    yield from map(str, bounds)
    yield from (str((low + high) / 2) for low, high in pairwise(bounds))
    yield from (str(end) for bound in bounds[:1] + bounds[-1:] for end in (bound - 1, bound + 1))


def _is_comparison(test: str) -> bool:
    return _COMPARISON.fullmatch(test) is not None


def _is_plain(test: str) -> bool:
    return not (test.startswith("!") or _is_comparison(test) or has_wildcard(test))
