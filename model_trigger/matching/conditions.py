"""Globs on names, and conditions on the values of tags and properties."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import translate
from functools import cache
from operator import ge, gt, le, lt

_WILDCARD = re.compile(r"[*?\[]")
_STAND_IN = re.compile(r"[*?]|\[([^]!])[^]]*\]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
_COMPARISON = re.compile(r"(?P<operator>>=|<=|>|<)\s*(?P<bound>.*)", re.DOTALL)
_OPERATORS: dict[str, Callable[[Decimal, Decimal], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}


def literal_prefix(glob: str) -> str:
    """Cut a glob before its first wildcard; a glob without one is its own prefix."""
    return _WILDCARD.split(glob, maxsplit=1)[0]


def has_wildcard(glob: str) -> bool:
    """Whether the text is a glob rather than a plain name."""
    return _WILDCARD.search(glob) is not None


def fits(glob: str, name: str) -> bool:
    """Whether the glob matches the whole name, case-sensitively."""
    pattern = _pattern(glob)
    return glob == name if pattern is None else pattern.match(name) is not None


@cache  # fnmatch's own cache is too small for a thousand globs before Python 3.13
def _pattern(glob: str) -> re.Pattern[str] | None:
    return re.compile(translate(glob)) if has_wildcard(glob) else None


def example(glob: str) -> str:
    """Return a name that the glob usually matches: churn-x for churn-*, churn-a for churn-[ab]."""
    return _STAND_IN.sub(lambda wildcard: wildcard[1] or "x", glob)


def covers(wide: str, narrow: str) -> bool:
    """Whether the wide glob certainly matches every name that the narrow one matches.

    Decided for equal globs, for a plain name, and for globs whose only wildcard is `*`.
    """
    # A `*` in the narrow glob, read as a name, can only be matched by a `*` in the wide one.
    decided = not has_wildcard(narrow) or not set("?[") & set(wide + narrow)
    return wide == narrow or (decided and fits(wide, narrow))


def read_number(text: str) -> Decimal | None:
    """Return the number that the text is; None when it is not a plain decimal number."""
    return Decimal(text) if _NUMBER.fullmatch(text.strip()) else None


@dataclass(frozen=True, slots=True)
class Globs:
    """Globs of which one must match the whole name, and globs of which none may, case-sensitively.

    Exclusions alone match every other name.
    """

    included: tuple[str, ...]
    excluded: tuple[str, ...]

    @classmethod
    def parse(cls, globs: Sequence[str]) -> "Globs":
        """Read a list of globs, where a leading `!` excludes.

        Raises ValueError when the list is empty or contains an empty glob; its message continues a
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
        """Whether the name is included and not excluded."""
        # A plain loop, because a registration may be compared with a thousand globs.
        for glob in self.included:
            if fits(glob, name):
                return self.excluding(name) is None
        return False

    def excluding(self, name: str) -> str | None:
        """Return the first glob that excludes the name; None when none does."""
        return next((glob for glob in self.excluded if fits(glob, name)), None)

    @property
    def examples(self) -> Iterator[str]:
        """A name for each included glob, which an exclusion may still rule out."""
        return map(example, self.included)

    @property
    def canonical(self) -> list[list[str]]:
        """The globs as JSON values, the same for globs in any order."""
        return [sorted(self.included), sorted(self.excluded)]

    def __str__(self) -> str:
        return ", ".join([*self.included, *(f"!{glob}" for glob in self.excluded)])


@dataclass(frozen=True, slots=True)
class Condition:
    """Tests for the value of a tag or property, of which one must hold.

    A test is a text (equal), a glob, `>=0.9` (`>` `>=` `<` `<=`, numbers), `*` (present), or one of
    these after one `!` (not). An absent value meets only tests with a `!`.
    """

    tests: tuple[str, ...]

    @classmethod
    def parse(cls, tests: Sequence[str]) -> "Condition":
        """Read the tests.

        Raises ValueError when there are none, or a comparison lacks its number; its message
        continues a sentence that begins with the tests.
        """
        if not tests:
            msg = "has no condition; expected one such as prod, prod-*, >=0.9, !dev or *"
            raise ValueError(msg)
        for test in tests:
            comparison = comparison_in(test)
            if comparison and read_number(comparison["bound"]) is None:
                msg = f"has no number after {comparison['operator']}; expected one, as in >=0.9"
                raise ValueError(msg)
        return cls(tuple(tests))

    def holds(self, value: str | None) -> bool:
        """Whether the value, None when absent, meets one of the tests."""
        return any(
            meets(test.removeprefix("!"), value) != test.startswith("!") for test in self.tests
        )

    def wants_number(self, value: str | None) -> bool:
        """Whether all tests are comparisons and the value is present but not a number."""
        compares = all(map(comparison_in, self.tests))
        return compares and value is not None and read_number(value) is None

    @property
    def examples(self) -> Iterator[str | None]:
        """Values that usually meet a test: a text, a number at or beside a bound, or absence."""
        for test in self.tests:
            comparison = comparison_in(test)
            bound = read_number(comparison["bound"]) if comparison else None
            if bound is not None:
                yield from (str(number) for number in (bound, bound + 1, bound - 1))
            else:
                yield None if test.startswith("!") else example(test)

    @property
    def canonical(self) -> list[str]:
        """The condition as JSON values, the same for tests in any order."""
        return sorted(self.tests)

    def __str__(self) -> str:
        return " or ".join(test or '""' for test in self.tests)


def meets(test: str, value: str | None) -> bool:
    """Whether the value meets a test that has no `!` before it."""
    if value is None:
        return False
    comparison = _COMPARISON.fullmatch(test)
    if comparison is None:
        return fits(test, value)
    number, bound = read_number(value), read_number(comparison["bound"])
    if number is None or bound is None:
        return False
    return _OPERATORS[comparison["operator"]](number, bound)


def comparison_in(test: str) -> re.Match[str] | None:
    """Return the operator and the bound of a comparison, with or without `!` before it."""
    return _COMPARISON.fullmatch(test.removeprefix("!"))
