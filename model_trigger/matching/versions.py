"""Parse and order versions, integer or semantic, without guessing."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import total_ordering
from operator import lt
from typing import TYPE_CHECKING, TypeAlias

from model_trigger.text import excerpt

if TYPE_CHECKING:
    import semver

Precedence: TypeAlias = "tuple[int, str] | semver.Version"


class Scheme(StrEnum):
    """How versions are parsed and ordered."""

    INTEGER = "integer"
    SEMVER = "semver"


class VersionError(ValueError):
    """The text is not a version; the message is one sentence: why not, and what is expected."""


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A parsed version; made by `parse_version`.

    Versions of one scheme are ordered, and equal, by precedence: `1.2.3+a` equals `1.2.3+b`, though
    their texts differ (https://semver.org, items 10 and 11). Versions of different schemes are
    never equal, and ordering them is a TypeError.
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
        """Whether this version has the higher precedence; equal is not newer."""
        return self > other

    @property
    def pre_release_of(self) -> tuple[int, int, int] | None:
        """The major, minor and patch that this is a pre-release of; None for a release."""
        order = self.precedence
        if isinstance(order, tuple) or not order.prerelease:
            return None
        return order.major, order.minor, order.patch

    @property
    def neighbours(self) -> Iterator["Version"]:
        """The version itself, the next one, and the first and last version of its patch.

        The text of one that has more than 4300 digits is empty.
        """
        yield self
        order = self.precedence
        if isinstance(order, tuple):
            yield version_of(successor(order[1]), self.scheme)
            return
        near = [order.replace(prerelease="0"), order.finalize_version(), order.bump_patch()]
        if order.prerelease:
            near.append(order.replace(prerelease=f"{order.prerelease}.0"))
        for precedence in near:
            text = ""
            with suppress(ValueError):
                text = str(precedence)
            yield Version(text, self.scheme, precedence)


def parse_version(text: str, scheme: Scheme) -> Version:
    """Parse a version.

    An integer is `0`, or ASCII digits without a leading zero, of any length. A semantic version is
    what SemVer 2.0 allows, with numbers of up to 4300 digits, optionally preceded by one `v`. npm
    also accepts `=` and white space around it: here they are errors.

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
    """Parse a version. Raises ValueError, without a message for users."""
    if scheme is Scheme.SEMVER:
        import semver  # noqa: PLC0415 - most rules compare integers, and do without

        return Version(text, scheme, semver.Version.parse(text.removeprefix("v")))
    if not re.fullmatch(NUMBER, text):
        raise ValueError(text)
    # Not int(): it accepts " 3 ", "1_000" and digits of other scripts, and 4300 of them at most.
    return Version(text, scheme, (len(text), text))


def successor(digits: str) -> str:
    """Return the next integer, as text: int() reads at most 4300 digits."""
    head = digits.rstrip("9")
    zeros = "0" * (len(digits) - len(head))
    return f"{head[:-1]}{int(head[-1]) + 1}{zeros}" if head else f"1{zeros}"


def backticked(text: str) -> str:
    """Quote a text in backticks, cut if it is long."""
    return f"`{excerpt(text)}`" if text else "an empty text"


NUMBER = r"(?:0|[1-9][0-9]*)"

_VERSION = {
    Scheme.INTEGER: "an integer such as 7",
    Scheme.SEMVER: "MAJOR.MINOR.PATCH such as 1.4.0 or 1.4.0-rc.1",
}

# Shapes of invalid versions, and what is wrong with each; the first that matches is reported.
_NOT_A_VERSION = {
    Scheme.INTEGER: (
        (r"", "it is empty"),
        (r"(?s:\s.*|.*\s)", "it has white space around it"),
        (r"0[0-9]+", "it has a leading zero"),
        (r"[-+][0-9]+", "it has a sign"),
        (r"v?[0-9]+\.[0-9].*", "more than one number needs scheme: semver"),
        (r"(?s:.*)", "only the digits 0 to 9 are allowed"),
    ),
    Scheme.SEMVER: (
        (r"", "it is empty"),
        (r"(?s:\s.*|.*\s)", "it has white space around it"),
        (r"v?[0-9]+(?:\.[0-9]+)?(?:[-+].*)?", "it has fewer than three numbers"),
        (r"v?[0-9]+(?:\.[0-9]+){3,}(?:[-+].*)?", "it has more than three numbers"),
        (r"(?:v?|[^+]*[.-])0[0-9]+(?:[.+-].*)?", "a number in it has a leading zero"),
        (r"(?s:[=V].*|v[v=\s].*)", "only a single `v` may precede the numbers"),
        (rf"v?{NUMBER}(?:\.{NUMBER}){{2}}", "a number in it has more than 4300 digits"),
        (r"(?s:.*)", "SemVer 2.0 does not allow it"),
    ),
}
