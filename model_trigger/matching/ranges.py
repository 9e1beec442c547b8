"""Parse ranges of versions, without guessing.

Ranges are npm's: https://github.com/npm/node-semver, section "Ranges", in strict mode and without
includePrerelease; a comma may also stand for "and". A range is parsed in three steps: into parts
such as `^1.4`, each part into bounds, and the bounds into alternatives.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from operator import eq, ge, gt, le, lt
from typing import Self

from model_trigger.matching.versions import (
    NUMBER,
    Scheme,
    Version,
    backticked,
    successor,
    version_of,
)
from model_trigger.text import excerpt


class RangeError(ValueError):
    """The text is not a range; the message names the part, what is wrong and what is allowed."""

    @classmethod
    def about(cls, part: str, scheme: Scheme, why: str, nearest: str = "") -> Self:
        """Describe what is wrong with a part, with the nearest valid spelling if there is one."""
        hint = f"the nearest valid spelling is {backticked(nearest)}; " if nearest else ""
        return cls(
            f"{backticked(part)} cannot be read as a range of scheme {scheme}: {excerpt(why)}; "
            f"{hint}allowed are {_RANGES[scheme]}"
        )


@dataclass(frozen=True)
class Bound:
    """One comparison that a version has to pass, such as `>=1.4.0`."""

    symbol: str
    version: Version

    def __str__(self) -> str:
        return self.symbol + self.version.text

    def passes(self, version: Version) -> bool:
        """Whether a version is on the right side of this bound, by precedence alone."""
        return _COMPARISONS[self.symbol](version, self.version)


@dataclass(frozen=True)
class Alternative:
    """The bounds between two `||`; without any, every version is between them."""

    bounds: tuple[Bound, ...]

    @classmethod
    def parse(cls, text: str, scheme: Scheme) -> Self:
        """Parse the text between two `||`. Raises RangeError."""
        pieces = [piece.strip() for piece in text.split(",")]
        if len(pieces) > 1 and not all(pieces):
            raise RangeError.about(text, scheme, "a comma must separate two parts")
        found: list[Bound] = []
        for piece in pieces:
            for part, bounds in _parts(piece, scheme):
                if bounds is None:
                    raise _fault(part, piece, scheme)
                found += bounds
        return cls(tuple(dict.fromkeys(found)))

    def encloses(self, version: Version) -> bool:
        """Whether a version passes every bound, by precedence alone."""
        return all(bound.passes(version) for bound in self.bounds)

    def admits(self, version: Version) -> bool:
        """Whether a version matches; a pre-release does only if a bound names its three numbers."""
        release = version.pre_release_of
        named = release is None or any(
            release == bound.version.pre_release_of for bound in self.bounds
        )
        return named and self.encloses(version)

    def __str__(self) -> str:
        return " and ".join(map(str, self.bounds))


@dataclass(frozen=True)
class Range:
    """A set of versions: those that match one of the alternatives; made by `Range.parse`."""

    text: str
    scheme: Scheme
    alternatives: tuple[Alternative, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str, scheme: Scheme) -> Self:
        """Parse a range; the empty text is any version.

        What npm accepts by accident, such as `1.2.3*` and `+b`, is an error here.

        Raises:
            RangeError: the text is not in npm's grammar, or needs the other scheme.

        """
        alternatives = tuple(Alternative.parse(one.strip(), scheme) for one in text.split("||"))
        # npm does the same, so that `* || 1.2.3-rc.1` admits no pre-release either.
        anything = Alternative(())
        return cls(text, scheme, (anything,) if anything in alternatives else alternatives)

    def admits(self, version: Version) -> bool:
        """Whether a version is in this range.

        Raises:
            TypeError: the version was parsed under another scheme.

        """
        if version.scheme is not self.scheme:
            message = f"a range of scheme {self.scheme} cannot be compared with {version!r}"
            raise TypeError(message)
        return any(one.admits(version) for one in self.alternatives)

    def contains(self, text: str | None) -> bool:
        """Whether a text is a version in this range; None, an absent text, is not."""
        try:
            return text is not None and self.admits(version_of(text, self.scheme))
        except ValueError:
            return False

    def encloses(self, version: Version) -> bool:
        """Whether a version is between the bounds, even if it is a pre-release they do not name."""
        return any(one.encloses(version) for one in self.alternatives)

    def explain(self, version: Version) -> str | None:
        """Explain why a pre-release between the bounds does not match; None in every other case."""
        if self.admits(version) or not self.encloses(version):
            return None
        release = ".".join(map(str, version.pre_release_of or ()))
        return (
            f"{backticked(version.text)} is a pre-release, and pre-releases of {release} match "
            f"only if a bound names one, such as `>={release}-0`"
        )

    @property
    def examples(self) -> Iterator[Version]:
        """Versions at the bounds, among them the lowest in this range if there is one."""
        bounds = [bound.version for one in self.alternatives for bound in one.bounds]
        for version in dict.fromkeys([*bounds, version_of(_LOWEST[self.scheme], self.scheme)]):
            yield from version.neighbours

    @property
    def never(self) -> str | None:
        """A sentence when no version at all is in this range, otherwise None."""
        if any(self.admits(version) for version in self.examples):
            return None
        kind = "integer" if self.scheme is Scheme.INTEGER else "version"
        wanted = ", or ".join(map(str, self.alternatives))
        enclosed = any(self.encloses(version) for version in self.examples)
        exception = " except pre-releases, which need a bound that names one" if enclosed else ""
        return (
            f"{backticked(self.text)} matches no version: no {kind} is {excerpt(wanted)}{exception}"
        )


def _parts(piece: str, scheme: Scheme) -> list[tuple[str, list[Bound] | None]]:
    """Parse `A - B`, or parts separated by white space; the bounds of an invalid part are None."""
    piece = re.sub(_GAP, r"\1", piece)
    ends = re.split(r"\s+-\s+", piece)
    match [re.fullmatch(_OPERAND, end) for end in ends]:
        case [re.Match() as low, re.Match() as high]:
            bounds = _bounds(">=", low, scheme), _bounds("<=", high, scheme)
            return list(zip(ends, bounds, strict=True))
        case _:
            parts = piece.split()
            matches = [
                None if re.match(_NUMBER_AFTER_WILDCARD, part) else re.fullmatch(_PART, part)
                for part in parts
            ]
            bounds = [match and _bounds(match["symbol"], match, scheme) for match in matches]
            return list(zip(parts, bounds, strict=True))


def _bounds(symbol: str, match: re.Match[str], scheme: Scheme) -> list[Bound] | None:
    """Return the bounds that a symbol and a version stand for; None if they do not go together."""
    lenient = symbol in _LENIENT
    if scheme is Scheme.INTEGER and (lenient or match["minor"] or match["build"]):
        return None
    numbers = list(takewhile(str.isdigit, filter(None, match.group("major", "minor", "patch"))))
    whole = len(numbers) == _WIDTH[scheme]
    # npm skips any `v` and `=` before a version, but not between a comparison and a whole one.
    if whole and not lenient and match["prefix"] not in ("", "v"):
        return None
    plain = _desugar(symbol, numbers, (match["pre_release"] or "") if whole else "", scheme)
    # For npm `>=0.0.0` is no bound, though `>=v0.0.0` is: it matters beside `|| 1.2.3-rc.1`.
    if (">=", "0.0.0") in plain and not (whole and match["prefix"]):
        plain.remove((">=", "0.0.0"))
    try:
        return [Bound(sign, version_of(text, scheme)) for sign, text in plain]
    except ValueError:
        return None


def _desugar(
    symbol: str, numbers: list[str], pre_release: str, scheme: Scheme
) -> list[tuple[str, str]]:
    """Return the comparisons that a symbol stands for before these numbers, up to a wildcard.

    `-0` is the lowest pre-release, so that no pre-release of an upper bound is below it.
    """
    if not numbers:
        return [("<", _LOWEST[scheme])] if symbol in ("<", ">") else []
    last = len(numbers) - 1
    low = _release(numbers, scheme) + pre_release
    if symbol in _LENIENT:
        first = next((place for place, number in enumerate(numbers) if number != "0"), last)
        end = _release(numbers, scheme, after=first if symbol == "^" else min(1, last))
        return [(">=", low), ("<", f"{end}-0")]
    if symbol == ">=" or len(numbers) == _WIDTH[scheme]:
        return [(symbol or "=", low)]
    end = _release(numbers, scheme, after=last)
    within = [(">=", low), ("<", f"{end}-0")]
    return {">": [(">=", end)], "<": [("<", f"{low}-0")], "<=": within[1:]}.get(symbol, within)


def _release(numbers: list[str], scheme: Scheme, *, after: int | None = None) -> str:
    """Pad numbers with zeros, after raising the one at a place and dropping those after it."""
    if after is not None:
        numbers = [*numbers[:after], successor(numbers[after])]
    return ".".join([*numbers, "0", "0"][: _WIDTH[scheme]])


def _fault(part: str, piece: str, scheme: Scheme) -> RangeError:
    """Return what is wrong with an invalid part of a piece."""
    match = re.fullmatch(_PART, part)
    if scheme is Scheme.INTEGER and match and (match["symbol"] in _LENIENT or "." in part):
        return _needs_semver(part, match["symbol"], match["major"])
    for shape, why, nearest in _FAULTS:
        match = re.fullmatch(shape, piece) or re.fullmatch(shape, part)
        if match is None:
            continue
        spelling = match.expand(nearest)
        read = [bounds for one in spelling.split("||") for _, bounds in _parts(one, scheme)]
        if None not in read:
            return RangeError.about(match[0], scheme, match.expand(why), spelling)
    return RangeError.about(part, scheme, f"`{part.lstrip('<>=~^')}` is not a version")


def _needs_semver(part: str, symbol: str, major: str) -> RangeError:
    """Describe a part that only semantic versions allow, with the nearest range of integers."""
    what, nearest = part.removeprefix(symbol), symbol + major
    if symbol in _LENIENT:
        what = symbol
        nearest = f">={major} <{successor(major)}" if major.isdigit() else "*"
    return RangeError.about(part, Scheme.INTEGER, f"`{what}` needs scheme: semver", nearest)


_COMPARISONS = {"=": eq, ">": gt, ">=": ge, "<": lt, "<=": le}
_WIDTH = {Scheme.INTEGER: 1, Scheme.SEMVER: 3}
_LOWEST = {Scheme.INTEGER: "0", Scheme.SEMVER: "0.0.0-0"}
_LENIENT = ("^", "~", "~>")
_PLACE = rf"(?:{NUMBER}|[xX*])"
_IDENTIFIER = rf"(?:{NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_OPERAND = (
    rf"(?P<prefix>[v=]*)(?P<major>{_PLACE})(?:\.(?P<minor>{_PLACE})(?:\.(?P<patch>{_PLACE})"
    rf"(?P<pre_release>-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?)?)?"
    r"(?P<build>\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_PART = r"(?P<symbol>\^|~>?|[<>]?=?)" + _OPERAND
_GAP = r"(?<!\S)(\^|~>?|[<>]=?|=)\s+(?=[^<>=~^\s]|=\S)"
# npm allows this after `^` and `~`.
_NUMBER_AFTER_WILDCARD = r"(?![~^])[^-+]*[xX*]\.[0-9]"
_RANGES = {
    Scheme.INTEGER: "`7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`",
    Scheme.SEMVER: "`1.4.0`, `>=1.4 <3`, `1.4 - 2.0`, `1.x`, `~1.4`, `^1.4`, `1 || 3`, `*`",
}
# Shapes of invalid parts, what is wrong with each, and a spelling to suggest if it is valid.
_FAULTS = (
    (r"(\S+?)\s*[-\u2013\u2014]\s*(\S+)", r"a hyphen needs white space on both sides", r"\1 - \2"),
    (r"(?:.*\s)?-(?:\s.*)?", r"a hyphen may only separate two plain versions", ""),
    (r"[<>=~^v]+", r"a version is missing after it", ""),
    (r"&+|and|AND", r'white space already means "and"', ""),
    (r"\S*\|\S*|or|OR", r'`||` means "or"', ""),
    (r"!=?(\S+)", r"there is no operator `!=`", r"<\1 || >\1"),
    (r"=([<>])(\S+)", r"`=\1` is not an operator", r"\1=\2"),
    (r"(([<>=~^])\2+)(\S+)", r"`\1` is not an operator", r"\2\3"),
    (r"(?!(?:[<>]=|~>)\w)([<>=~^]{2,})\w\S*", r"`\1` is not an operator", ""),
    (r"(\S*[^<>=~^])([<>=~^]\S+)", r"white space is missing before `\2`", r"\1 \2"),
    (r"([<>=~^]*)[v=]+(\S+)", r"only a single `v` may precede a version", r"\1\2"),
    (r"([<>=~^]*v?)0+([0-9]\S*)", r"a number has a leading zero", r"\1\2"),
    (r"[<>=~^v]*(?:[0-9]+\.)*0[0-9]\S*", r"a number has a leading zero", ""),
    (r"[<>=~^v]*[0-9]+(?:\.[0-9]+){3,}\S*", r"a version has at most three numbers", ""),
    (r"([<>=]*v?(?:[0-9]+\.)?[xX*])\.\S*", r"a number follows a wildcard", r"\1"),
    (
        r"([<>=~^]*v?[0-9]+\.[0-9]+)(-\S+)",
        r"a pre-release needs three numbers before it",
        r"\1.0\2",
    ),
    (r"([<>=~^]*v?[0-9]+)(-\S+)", r"a pre-release needs three numbers before it", r"\1.0.0\2"),
    (r"-[0-9]\S*", r"a version cannot have a sign", ""),
    (r"[<>=~^v]*[0-9.]{4300,}", r"a number has more than 4300 digits", ""),
)
