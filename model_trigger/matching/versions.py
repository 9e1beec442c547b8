"""Read versions, as integers or as semantic versions, and order them, without guessing."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import total_ordering
from operator import lt

import semver

from model_trigger.text import excerpt

Precedence = tuple[int, str] | semver.Version


class Scheme(StrEnum):
    """How the text of a version is read and ordered."""

    INTEGER = "integer"
    SEMVER = "semver"


class VersionError(ValueError):
    """A text is not a version; the message is one sentence: why not, and what is expected."""


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version that has been read; made by `parse_version`.

    Versions of one scheme are ordered, and equal, by precedence: `1.2.3+a` equals `1.2.3+b`, though
    their texts differ (https://semver.org, items 10 and 11). Versions of two schemes are not equal,
    and ordering them is a TypeError.
    """

    text: str
    scheme: Scheme
    precedence: Precedence = field(repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version) or other.scheme is not self.scheme:
            return NotImplemented
        return self.precedence == other.precedence

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version) or other.scheme is not self.scheme:
            return NotImplemented
        return lt(self.precedence, other.precedence)

    def __hash__(self) -> int:
        return hash(self.precedence)

    def newer_than(self, other: "Version") -> bool:
        """Tell whether this version has the higher precedence; equal is not newer."""
        return self > other

    @property
    def pre_release_of(self) -> tuple[int, int, int] | None:
        """The major, minor and patch that this is a pre-release of; None for a release."""
        order = self.precedence
        if isinstance(order, tuple) or not order.prerelease:
            return None
        return order.major, order.minor, order.patch


def parse_version(text: str, scheme: Scheme) -> Version:
    """Read a version.

    An integer is `0`, or ASCII digits that do not begin with 0, of any length. A semantic version
    is what SemVer 2.0 allows, with numbers of up to 4300 digits; one `v` may stand before it. npm
    also takes `=` and white space around it: here they are errors.

    Raises:
        VersionError: the text is not a version under this scheme.

    """
    try:
        return version_of(text, scheme)
    except ValueError:
        why = next(why for shape, why in _NOT_A_VERSION[scheme] if re.fullmatch(shape, text))
        what = f"{backticked(text)} is not a version under scheme {scheme}"
        message = f"{what}: {why}; expected {_VERSION[scheme]}"
        raise VersionError(message) from None


def version_of(text: str, scheme: Scheme) -> Version:
    """Read a version. Raises ValueError, without a sentence, when the text is none."""
    if scheme is Scheme.SEMVER:
        return Version(text, scheme, semver.Version.parse(text.removeprefix("v")))
    if not re.fullmatch(NUMBER, text):
        raise ValueError(text)
    # Not int(): it takes " 3 ", "1_000" and digits of other scripts, and 4300 of them at most.
    return Version(text, scheme, (len(text), text))


def backticked(text: str) -> str:
    """Return a text between backticks, cut if it is long."""
    return f"`{excerpt(text)}`" if text else "an empty text"


NUMBER = r"(?:0|[1-9][0-9]*)"

_VERSION = {
    Scheme.INTEGER: "an integer such as 7",
    Scheme.SEMVER: "MAJOR.MINOR.PATCH such as 1.4.0 or 1.4.0-rc.1",
}

# What may be wrong with a text, and why; the first row that fits is told.
_NOT_A_VERSION = {
    Scheme.INTEGER: (
        (r"", "nothing is there"),
        (r"(?s:\s.*|.*\s)", "white space stands beside it"),
        (r"0[0-9]+", "it begins with 0"),
        (r"[-+][0-9]+", "it has a sign"),
        (r"v?[0-9]+\.[0-9].*", "more than one number needs scheme: semver"),
        (r"(?s:.*)", "only the digits 0 to 9 may stand in it"),
    ),
    Scheme.SEMVER: (
        (r"", "nothing is there"),
        (r"(?s:\s.*|.*\s)", "white space stands beside it"),
        (r"v?[0-9]+(?:\.[0-9]+)?(?:[-+].*)?", "it has fewer than three numbers"),
        (r"v?[0-9]+(?:\.[0-9]+){3,}(?:[-+].*)?", "it has more than three numbers"),
        (r"(?:v?|[^+]*[.-])0[0-9]+(?:[.+-].*)?", "a number in it begins with 0"),
        (r"(?s:[=V].*|v[v=\s].*)", "only a single `v` may stand before the numbers"),
        (rf"v?{NUMBER}(?:\.{NUMBER}){{2}}", "a number in it has more than 4300 digits"),
        (r"(?s:.*)", "SemVer 2.0 does not allow it"),
    ),
}
