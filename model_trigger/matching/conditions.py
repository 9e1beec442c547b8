"""Globs on names, and conditions on the values of tags and properties."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import translate
from functools import cache
from operator import ge, gt, le, lt

_WILDCARD = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
_COMPARISON = re.compile(r"(?P<operator>>=|<=|>|<)\s*(?P<bound>.*)", re.DOTALL)
_OPERATORS: dict[str, Callable[[Decimal, Decimal], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}


def literal_prefix(glob: str) -> str:
    """Cut a glob before its first wildcard; a glob without one is its own prefix."""
    return _WILDCARD.split(glob, maxsplit=1)[0]


def has_wildcard(glob: str) -> bool:
    """Tell whether the text is a glob rather than a plain name."""
    return _WILDCARD.search(glob) is not None


def fits(glob: str, name: str) -> bool:
    """Tell whether the glob fits the whole name; case counts."""
    pattern = _pattern(glob)
    return glob == name if pattern is None else pattern.match(name) is not None


@cache  # fnmatch's own cache is too small for a thousand globs before Python 3.13
def _pattern(glob: str) -> re.Pattern[str] | None:
    return re.compile(translate(glob)) if has_wildcard(glob) else None


@dataclass(frozen=True, slots=True)
class Globs:
    """Globs of which one must fit the whole name, and globs of which none may; case counts.

    Exclusions alone stand for every name but those.
    """

    included: tuple[str, ...]
    excluded: tuple[str, ...]

    @classmethod
    def parse(cls, globs: Sequence[str]) -> "Globs":
        """Read a list of globs, where a leading `!` excludes.

        Raises ValueError when the list is empty or holds an empty glob; its message continues a
        sentence that begins with the list.
        """
        if not globs or any(not glob.removeprefix("!") for glob in globs):
            what = "an empty glob" if globs else "no glob"
            msg = f"has {what}; expected a glob such as churn or churn-*, or a list of globs"
            raise ValueError(msg)
        included = tuple(glob for glob in globs if not glob.startswith("!"))
        excluded = tuple(glob[1:] for glob in globs if glob.startswith("!"))
        return cls(included or ("*",), excluded)

    def fit(self, name: str) -> bool:
        """Tell whether the name is included and not excluded."""
        # A plain loop, since a registration may be held against a thousand globs.
        for glob in self.included:
            if fits(glob, name):
                return self.excluding(name) is None
        return False

    def excluding(self, name: str) -> str | None:
        """Give the first glob that excludes the name, None when none does."""
        return next((glob for glob in self.excluded if fits(glob, name)), None)

    def __str__(self) -> str:
        return ", ".join([*self.included, *(f"!{glob}" for glob in self.excluded)])


@dataclass(frozen=True, slots=True)
class Condition:
    """What the value of one tag or property must be: any of some tests.

    A test is a text (equal), a glob, `>=0.9` (`>` `>=` `<` `<=`, numbers), `*` (present), or one of
    these behind one `!` (not). An absent value meets only what is behind `!`.
    """

    tests: tuple[str, ...]

    @classmethod
    def parse(cls, tests: Sequence[str]) -> "Condition":
        """Read the tests.

        Raises ValueError when there is none, or a comparison lacks its number; its message
        continues a sentence that begins with the tests.
        """
        if not tests:
            msg = "has no condition; expected one such as prod, prod-*, >=0.9, !dev or *"
            raise ValueError(msg)
        for comparison in filter(None, map(_comparison, tests)):
            if _number(comparison["bound"]) is None:
                msg = f"has no number after {comparison['operator']}; expected one, as in >=0.9"
                raise ValueError(msg)
        return cls(tuple(tests))

    def holds(self, value: str | None) -> bool:
        """Tell whether the value, None when absent, meets one of the tests."""
        return any(
            _meets(test.removeprefix("!"), value) != test.startswith("!") for test in self.tests
        )

    def wants_number(self, value: str | None) -> bool:
        """Tell whether there are only comparisons, and the value is no number to compare."""
        compares = all(_comparison(test) for test in self.tests)
        return compares and value is not None and _number(value) is None

    def __str__(self) -> str:
        return " or ".join(test or '""' for test in self.tests)


def _meets(test: str, value: str | None) -> bool:
    """Tell whether the value meets a test that has no `!` before it."""
    if value is None:
        return False
    comparison = _COMPARISON.fullmatch(test)
    return _compares(comparison, value) if comparison else fits(test, value)


def _comparison(test: str) -> re.Match[str] | None:
    return _COMPARISON.fullmatch(test.removeprefix("!"))


def _compares(comparison: re.Match[str], value: str) -> bool:
    number, bound = _number(value), _number(comparison["bound"])
    if number is None or bound is None:
        return False
    return _OPERATORS[comparison["operator"]](number, bound)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text.strip()) else None
