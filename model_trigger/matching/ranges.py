"""Read ranges of versions, without guessing.

Ranges are npm's: https://github.com/npm/node-semver, section "Ranges", in strict mode and without
includePrerelease; a comma may stand for "and" too. A range is read in three steps: into parts such
as `^1.4`, into the bounds that a part stands for, into alternatives that are lists of bounds.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from operator import eq, ge, gt, le, lt
from typing import Self

from model_trigger.matching.versions import (
    NUMBER,
    Precedence,
    Scheme,
    Version,
    backticked,
    version_of,
)
from model_trigger.text import excerpt


class RangeError(ValueError):
    """A text is not a range; the message is one sentence: which part, why not, what is allowed."""


@dataclass(frozen=True)
class Bound:
    """One comparison that a version has to pass, such as `>=1.4.0`."""

    symbol: str
    version: Version

    def __str__(self) -> str:
        return self.symbol + self.version.text

    def passes(self, version: Version) -> bool:
        """Tell whether a version is on the right side of this bound, by precedence alone."""
        return _COMPARISONS[self.symbol](version, self.version)


@dataclass(frozen=True)
class Range:
    """A set of versions; made by `Range.parse`.

    A version is in it when it passes every bound of one of the alternatives.
    """

    text: str
    scheme: Scheme
    alternatives: tuple[tuple[Bound, ...], ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str, scheme: Scheme) -> Self:
        """Read a range; the empty text is any version.

        What npm lets through by accident, such as `1.2.3*` and `+b`, is an error here.

        Raises:
            RangeError: the text is not in npm's grammar, or needs the other scheme.

        """
        alternatives = tuple(_alternative(each.strip(), scheme) for each in text.split("||"))
        # npm does the same, so that `* || 1.2.3-rc.1` admits no pre-release either.
        return cls(text, scheme, ((),) if () in alternatives else alternatives)

    def admits(self, version: Version) -> bool:
        """Tell whether a version is in this range.

        Raises:
            TypeError: the version was read under another scheme.

        """
        if version.scheme is not self.scheme:
            message = f"a range of scheme {self.scheme} cannot judge {version!r}"
            raise TypeError(message)
        return any(_admits(bounds, version) for bounds in self.alternatives)

    def explain(self, version: Version) -> str | None:
        """Say why a pre-release between the bounds is not admitted; None in every other case."""
        if self.admits(version) or not self._encloses(version):
            return None
        release = ".".join(map(str, version.pre_release_of or ()))
        return (
            f"{backticked(version.text)} is a pre-release, and pre-releases of {release} match "
            f"only beside a bound that names one, such as `>={release}-0`"
        )

    @property
    def never(self) -> str | None:
        """A sentence when no version at all is in this range, otherwise None."""
        lowest = list(self._lowest())
        if any(self.admits(version) for version in lowest):
            return None
        kind = "integer" if self.scheme is Scheme.INTEGER else "version"
        wanted = ", or ".join(" and ".join(map(str, bounds)) for bounds in self.alternatives)
        enclosed = any(self._encloses(version) for version in lowest)
        but = " except pre-releases, which need a bound that names one" if enclosed else ""
        return f"{backticked(self.text)} matches no version: no {kind} is {excerpt(wanted)}{but}"

    def _encloses(self, version: Version) -> bool:
        return any(_encloses(bounds, version) for bounds in self.alternatives)

    def _lowest(self) -> Iterator[Version]:
        """Yield some versions, among them the lowest of this range if there is one."""
        bounds = {bound.version for bounds in self.alternatives for bound in bounds}
        for version in {version_of(_LOWEST[self.scheme], self.scheme), *bounds}:
            for precedence in _near(version.precedence):
                yield Version("", self.scheme, precedence)


def _encloses(bounds: Iterable[Bound], version: Version) -> bool:
    return all(bound.passes(version) for bound in bounds)


def _admits(bounds: Iterable[Bound], version: Version) -> bool:
    """Tell whether bounds admit a version; a pre-release, only if one names its three numbers."""
    release = version.pre_release_of
    named = release is None or any(release == bound.version.pre_release_of for bound in bounds)
    return named and _encloses(bounds, version)


def _near(precedence: Precedence) -> Iterator[Precedence]:
    """Yield a bound, what comes right after it, and the first and last version of its patch."""
    yield precedence
    if isinstance(precedence, tuple):
        successor = _successor(precedence[1])
        yield len(successor), successor
        return
    yield precedence.replace(prerelease="0")
    yield precedence.finalize_version()
    yield precedence.bump_patch()
    if precedence.prerelease:
        yield precedence.replace(prerelease=f"{precedence.prerelease}.0")


def _successor(digits: str) -> str:
    """Return the next integer, as text: int() reads at most 4300 digits."""
    head = digits.rstrip("9")
    zeros = "0" * (len(digits) - len(head))
    return f"{head[:-1]}{int(head[-1]) + 1}{zeros}" if head else f"1{zeros}"


def _alternative(text: str, scheme: Scheme) -> tuple[Bound, ...]:
    """Read what stands between two `||`; no bounds at all is any version."""
    pieces = [piece.strip() for piece in text.split(",")]
    if len(pieces) > 1 and not all(pieces):
        raise _range_error(text, scheme, "a comma stands between two parts")
    found: list[Bound] = []
    for piece in pieces:
        for part, bounds in _parts(piece, scheme):
            if bounds is None:
                raise _fault(part, piece, scheme)
            found += bounds
    return tuple(dict.fromkeys(found))


def _parts(piece: str, scheme: Scheme) -> list[tuple[str, list[Bound] | None]]:
    """Read `A - B`, or parts with white space between them; None stands for an unreadable one."""
    piece = re.sub(_GAP, r"\1", piece)
    ends = re.split(r"\s+-\s+", piece)
    match [re.fullmatch(_OPERAND, end) for end in ends]:
        case [re.Match() as low, re.Match() as high]:
            bounds = _bounds(">=", low, scheme), _bounds("<=", high, scheme)
            return list(zip(ends, bounds, strict=True))
        case _:
            return [(part, _part(part, scheme)) for part in piece.split()]


def _part(text: str, scheme: Scheme) -> list[Bound] | None:
    """Read one part, such as `>=1.4`, `^1.4` or `1.x`; return None if it cannot be read."""
    match = re.fullmatch(_PART, text)
    if not match or (match["symbol"] not in _LENIENT and re.match(_NUMBER_AFTER_WILDCARD, text)):
        return None
    return _bounds(match["symbol"], match, scheme)


def _bounds(symbol: str, match: re.Match[str], scheme: Scheme) -> list[Bound] | None:
    """Return the bounds that a symbol and a version stand for; None if they do not go together."""
    if scheme is Scheme.INTEGER and (symbol in _LENIENT or match["minor"] or match["build"]):
        return None
    numbers = list(takewhile(str.isdigit, filter(None, match.group("major", "minor", "patch"))))
    whole = len(numbers) == _WIDTH[scheme]
    # npm skips any `v` and `=` before a version, but not between a comparison and a whole one.
    if whole and symbol not in _LENIENT and match["prefix"] not in ("", "v"):
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
    """Fill numbers up with zeros, having raised the one at a place and dropped those behind it."""
    if after is not None:
        numbers = [*numbers[:after], _successor(numbers[after])]
    return ".".join([*numbers, "0", "0"][: _WIDTH[scheme]])


def _fault(part: str, piece: str, scheme: Scheme) -> RangeError:
    """Say what is wrong with a part, in its piece, that cannot be read."""
    match = re.fullmatch(_PART, part)
    if scheme is Scheme.INTEGER and match and (match["symbol"] in _LENIENT or "." in part):
        return _needs_semver(part, match["symbol"], match["major"])
    for shape, why, nearest in _FAULTS:
        match = re.fullmatch(shape, piece) or re.fullmatch(shape, part)
        if match and (not nearest or _readable(match.expand(nearest), scheme)):
            return _range_error(match[0], scheme, match.expand(why), match.expand(nearest))
    return _range_error(part, scheme, f"`{part.lstrip('<>=~^')}` is not a version")


def _needs_semver(part: str, symbol: str, major: str) -> RangeError:
    nearest = symbol + major
    if symbol in _LENIENT:
        nearest = f">={major} <{_successor(major)}" if major.isdigit() else "*"
    what = symbol if symbol in _LENIENT else part.removeprefix(symbol)
    return _range_error(part, Scheme.INTEGER, f"`{what}` needs scheme: semver", nearest)


def _readable(text: str, scheme: Scheme) -> bool:
    return None not in (bounds for each in text.split("||") for _, bounds in _parts(each, scheme))


def _range_error(part: str, scheme: Scheme, why: str, nearest: str = "") -> RangeError:
    hint = f"the nearest valid spelling is {backticked(nearest)}; " if nearest else ""
    return RangeError(
        f"{backticked(part)} cannot be read as a range of scheme {scheme}: {excerpt(why)}; "
        f"{hint}allowed are {_RANGES[scheme]}"
    )


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
_NUMBER_AFTER_WILDCARD = r"[^-+]*[xX*]\.[0-9]"
_RANGES = {
    Scheme.INTEGER: "`7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`",
    Scheme.SEMVER: "`1.4.0`, `>=1.4 <3`, `1.4 - 2.0`, `1.x`, `~1.4`, `^1.4`, `1 || 3`, `*`",
}
# What may be wrong with a part of a range, why, and a spelling to offer if it can be read.
_FAULTS = (
    (r"(\S+?)\s*[-\u2013\u2014]\s*(\S+)", r"a hyphen needs white space around it", r"\1 - \2"),
    (r"(?:.*\s)?-(?:\s.*)?", r"a hyphen stands between two plain versions and nothing else", ""),
    (r"[<>=~^v]+", r"no version follows", ""),
    (r"&+|and|AND", r'white space is enough for "and"', ""),
    (r"\S*\|\S*|or|OR", r'`||` stands for "or"', ""),
    (r"!=?(\S+)", r"there is no operator `!=`", r"<\1 || >\1"),
    (r"=([<>])(\S+)", r"`=\1` is not an operator", r"\1=\2"),
    (r"(([<>=~^])\2+)(\S+)", r"`\1` is not an operator", r"\2\3"),
    (r"(?!(?:[<>]=|~>)\w)([<>=~^]{2,})\w\S*", r"`\1` is not an operator", ""),
    (r"(\S*[^<>=~^])([<>=~^]\S+)", r"white space is missing before `\2`", r"\1 \2"),
    (r"([<>=~^]*)[v=]+(\S+)", r"only a single `v` may stand before a version", r"\1\2"),
    (r"([<>=~^]*v?)0+([0-9]\S*)", r"a number begins with 0", r"\1\2"),
    (r"[<>=~^v]*(?:[0-9]+\.)*0[0-9]\S*", r"a number begins with 0", ""),
    (r"[<>=~^v]*[0-9]+(?:\.[0-9]+){3,}\S*", r"a version has three numbers at most", ""),
    (r"([<>=]*v?(?:[0-9]+\.)?[xX*])\.\S*", r"a number follows a wildcard", r"\1"),
    (r"([<>=~^]*v?[0-9]+\.[0-9]+)(-\S+)", r"a pre-release follows three numbers", r"\1.0\2"),
    (r"([<>=~^]*v?[0-9]+)(-\S+)", r"a pre-release follows three numbers", r"\1.0.0\2"),
    (r"-[0-9]\S*", r"a version has no sign", ""),
    (r"[<>=~^v]*[0-9.]{4300,}", r"a number has more than 4300 digits", ""),
)
