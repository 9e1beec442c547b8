"""Versions and ranges: npm's own cases, general properties, and every message."""

import operator
import re
from itertools import pairwise, product, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_trigger.matching.ranges import Range, RangeError
from model_trigger.matching.versions import Scheme, Version, VersionError, parse_version

INTEGER, SEMVER = Scheme.INTEGER, Scheme.SEMVER

# Cases from github.com/npm/node-semver (7.8.5, commit 6e05b76): test/fixtures/range-include.js,
# range-exclude.js, range-parse.js, comparisons.js, equality.js, comparator-intersection.js and
# valid-versions.js, and README.md. Left out are cases with the option `loose` or
# `includePrerelease`, which this grammar does not have, ranges that stand for themselves, numbers
# that are too large for JavaScript only, and a version surrounded by white space, which is an
# error here.

# Range: versions in it, versions outside it.
NPM_RANGES = {
    "1.0.0 - 2.0.0": ("1.2.3", "2.2.3"),
    "^1.2.3+build": ("1.2.3 1.3.0", "2.0.0 1.2.0"),
    "1.2.3-pre+asdf - 2.4.3-pre+asdf": ("1.2.3 1.2.3-pre.2 2.4.3-alpha", ""),
    "1.2.3+asdf - 2.4.3+asdf": ("1.2.3", "1.2.3-pre.2 2.4.3-alpha"),
    "1.0.0": ("1.0.0", "1.0.1"),
    ">=*": ("0.2.4", ""),
    "": ("1.0.0", ""),
    "*": ("1.2.3", ""),
    ">=1.0.0": ("1.0.0 1.0.1 1.1.0", "0.0.0 0.0.1 0.1.0"),
    ">1.0.0": ("1.0.1 1.1.0", "0.0.1 0.1.0"),
    "<=2.0.0": ("2.0.0 1.9999.9999 0.2.9", "3.0.0 2.9999.9999 2.2.9"),
    "<2.0.0": ("1.9999.9999 0.2.9", "2.9999.9999 2.2.9"),
    ">= 1.0.0": ("1.0.0", ""),
    ">=  1.0.0": ("1.0.1", ""),
    ">=   1.0.0": ("1.1.0", ""),
    "> 1.0.0": ("1.0.1", ""),
    ">  1.0.0": ("1.1.0", ""),
    "<=   2.0.0": ("2.0.0", ""),
    "<= 2.0.0": ("1.9999.9999", ""),
    "<=  2.0.0": ("0.2.9", ""),
    "<    2.0.0": ("1.9999.9999", ""),
    "<\t2.0.0": ("0.2.9", ""),
    ">=0.1.97": ("0.1.97", "0.1.93"),
    "0.1.20 || 1.2.4": ("1.2.4", "1.2.3"),
    ">=0.2.3 || <0.0.1": ("0.0.0 0.2.3 0.2.4", "0.0.3 0.2.2"),
    "||": ("1.3.4", ""),
    "2.x.x": ("2.1.3", "1.1.3 3.1.3"),
    "1.2.x": ("1.2.3", "1.3.3"),
    "1.2.x || 2.x": ("2.1.3 1.2.3", "3.1.3 1.1.3"),
    "x": ("1.2.3", ""),
    "2.*.*": ("2.1.3", "1.1.3 3.1.3"),
    "1.2.*": ("1.2.3", "1.3.3"),
    "1.2.* || 2.*": ("2.1.3 1.2.3", "3.1.3 1.1.3"),
    "2": ("2.1.2", "1.1.2"),
    "2.3": ("2.3.1", "2.4.1"),
    "~0.0.1": ("0.0.1 0.0.2", "0.1.0-alpha 0.1.0"),
    "~x": ("0.0.9", ""),
    "~2": ("2.0.9", ""),
    "~2.4": ("2.4.0 2.4.5", "2.5.0 2.3.9"),
    "~>3.2.1": ("3.2.2", "3.3.2 3.2.0"),
    "~1": ("1.2.3", "0.2.3"),
    "~>1": ("1.2.3", "2.2.3"),
    "~> 1": ("1.2.3", ""),
    "~1.0": ("1.0.2", "1.1.0"),
    "~ 1.0": ("1.0.2", ""),
    "~ 1.0.3": ("1.0.12", ""),
    ">=1": ("1.0.0", ""),
    ">= 1": ("1.0.0", ""),
    "<1.2": ("1.1.1", ""),
    "< 1.2": ("1.1.1", ""),
    "~v0.5.4-pre": ("0.5.5 0.5.4", ""),
    "=0.7.x": ("0.7.2", "0.7.0-asdf 0.8.2"),
    "<=0.7.x": ("0.7.2 0.6.2", "0.7.0-asdf"),
    ">=0.7.x": ("0.7.2", "0.7.0-asdf 0.6.2"),
    "~1.2.1 >=1.2.3": ("1.2.3", ""),
    "~1.2.1 =1.2.3": ("1.2.3", ""),
    "~1.2.1 1.2.3": ("1.2.3", ""),
    "~1.2.1 >=1.2.3 1.2.3": ("1.2.3", ""),
    "~1.2.1 1.2.3 >=1.2.3": ("1.2.3", ""),
    ">=1.2.1 1.2.3": ("1.2.3", ""),
    "1.2.3 >=1.2.1": ("1.2.3", ""),
    ">=1.2.3 >=1.2.1": ("1.2.3", ""),
    ">=1.2.1 >=1.2.3": ("1.2.3", ""),
    ">=1.2": ("1.2.8", "1.1.1"),
    "^1.2.3": ("1.8.1", "1.2.3-pre 1.2.3-beta 2.0.0-alpha 1.2.2"),
    "^0.1.2": ("0.1.2", ""),
    "^0.1": ("0.1.2", ""),
    "^0.0.1": ("0.0.1", "0.0.2-alpha 0.0.2"),
    "^1.2": ("1.4.2", "1.2.0-pre 1.1.9"),
    "^1.2 ^1": ("1.4.2", ""),
    "^1.2.3-alpha": ("1.2.3-pre", ""),
    "^1.2.0-alpha": ("1.2.0-pre", ""),
    "^0.0.1-alpha": ("0.0.1-beta 0.0.1", ""),
    "^0.1.1-alpha": ("0.1.1-beta", ""),
    "^x": ("1.2.3", ""),
    "x - 1.0.0": ("0.9.7", ""),
    "x - 1.x": ("0.9.7", ""),
    "1.0.0 - x": ("1.9.7", ""),
    "1.x - x": ("1.9.7", ""),
    "<=7.x": ("7.9.9", ""),
    ">1.2": ("", "1.3.0-beta 1.2.8"),
    "<=1.2.3": ("", "1.2.3-beta"),
    "<1": ("", "1.0.0"),
    "~v0.5.4-beta": ("", "0.5.4-alpha"),
    "<0.7.x": ("", "0.7.2"),
    "<1.2.3": ("", "1.2.3-beta"),
    "=1.2.3": ("", "1.2.3-beta"),
    "^1.0.0": ("", "2.0.0-rc1"),
    "1 - 2": ("", "2.0.0-pre 1.0.0-pre"),
    "1.0 - 2": ("", "1.0.0-pre"),
    "1.1.x": ("", "1.0.0-a 1.1.0-a 1.2.0-a"),
    "1.x": ("", "1.0.0-a 1.1.0-a 1.2.0-a"),
    ">=1.0.0 <1.1.0": ("", "1.1.0 1.1.0-pre"),
    ">=1.0.0 <1.1.0-pre": ("", "1.1.0-pre"),
}

# Range: the same in plain bounds.
NPM_BOUNDS = {
    "1.0.0 - 2.0.0": ">=1.0.0 <=2.0.0",
    "1 - 2": ">=1.0.0 <3.0.0-0",
    "1.0 - 2.0": ">=1.0.0 <2.1.0-0",
    ">=*": "*",
    "": "*",
    "1": ">=1.0.0 <2.0.0-0",
    ">= 1.0.0": ">=1.0.0",
    ">=  1.0.0": ">=1.0.0",
    ">=   1.0.0": ">=1.0.0",
    "> 1.0.0": ">1.0.0",
    ">  1.0.0": ">1.0.0",
    "<=   2.0.0": "<=2.0.0",
    "<= 2.0.0": "<=2.0.0",
    "<=  2.0.0": "<=2.0.0",
    "<    2.0.0": "<2.0.0",
    "<\t2.0.0": "<2.0.0",
    "0.1.20 || 1.2.4": "0.1.20||1.2.4",
    ">=0.2.3 || <0.0.1": ">=0.2.3||<0.0.1",
    "||": "*",
    "2.x.x": ">=2.0.0 <3.0.0-0",
    "1.2.x": ">=1.2.0 <1.3.0-0",
    "1.2.x || 2.x": ">=1.2.0 <1.3.0-0||>=2.0.0 <3.0.0-0",
    "x": "*",
    "2.*.*": ">=2.0.0 <3.0.0-0",
    "1.2.*": ">=1.2.0 <1.3.0-0",
    "1.2.* || 2.*": ">=1.2.0 <1.3.0-0||>=2.0.0 <3.0.0-0",
    "2": ">=2.0.0 <3.0.0-0",
    "2.3": ">=2.3.0 <2.4.0-0",
    "~2.4": ">=2.4.0 <2.5.0-0",
    "~>3.2.1": ">=3.2.1 <3.3.0-0",
    "~1": ">=1.0.0 <2.0.0-0",
    "~>1": ">=1.0.0 <2.0.0-0",
    "~> 1": ">=1.0.0 <2.0.0-0",
    "~1.0": ">=1.0.0 <1.1.0-0",
    "~ 1.0": ">=1.0.0 <1.1.0-0",
    "^0": "<1.0.0-0",
    "^ 1": ">=1.0.0 <2.0.0-0",
    "^0.1": ">=0.1.0 <0.2.0-0",
    "^1.0": ">=1.0.0 <2.0.0-0",
    "^1.2": ">=1.2.0 <2.0.0-0",
    "^0.0.1": ">=0.0.1 <0.0.2-0",
    "^0.0.1-beta": ">=0.0.1-beta <0.0.2-0",
    "^0.1.2": ">=0.1.2 <0.2.0-0",
    "^1.2.3": ">=1.2.3 <2.0.0-0",
    "^1.2.3-beta.4": ">=1.2.3-beta.4 <2.0.0-0",
    "<1": "<1.0.0-0",
    "< 1": "<1.0.0-0",
    ">=1": ">=1.0.0",
    ">= 1": ">=1.0.0",
    "<1.2": "<1.2.0-0",
    "< 1.2": "<1.2.0-0",
    "^ 1.2 ^ 1": ">=1.2.0 <2.0.0-0 >=1.0.0",
    "1.2 - 3.4.5": ">=1.2.0 <=3.4.5",
    "1.2.3 - 3.4": ">=1.2.3 <3.5.0-0",
    "1.2 - 3.4": ">=1.2.0 <3.5.0-0",
    ">1": ">=2.0.0",
    ">1.2": ">=1.3.0",
    ">X": "<0.0.0-0",
    "<X": "<0.0.0-0",
    ">x 2.x || * || <x": "*",
    "=9007199254740991.0.0": "9007199254740991.0.0",
    "^9007199254740990.0.0": ">=9007199254740990.0.0 <9007199254740991.0.0-0",
    "1.x.x+build >2.x+build": ">=1.0.0 <2.0.0-0 >=3.0.0",
    ">=1.x+build <2.x.x+build": ">=1.0.0 <2.0.0-0",
    "1.x.x+build || 2.x.x+build": ">=1.0.0 <2.0.0-0||>=2.0.0 <3.0.0-0",
    "1.x+build.123": ">=1.0.0 <2.0.0-0",
    "1.x.x+meta-data": ">=1.0.0 <2.0.0-0",
    "1.x.x+build.123 >2.x.x+meta-data": ">=1.0.0 <2.0.0-0 >=3.0.0",
    "1.x.x+build <2.x.x+meta": ">=1.0.0 <2.0.0-0",
    ">1.x+build <=2.x.x+meta": ">=2.0.0 <3.0.0-0",
    " 1.x.x+build   >2.x.x+build  ": ">=1.0.0 <2.0.0-0 >=3.0.0",
    "^1.x+build": ">=1.0.0 <2.0.0-0",
    "^1.x.x+build": ">=1.0.0 <2.0.0-0",
    "^1.2.x+build": ">=1.2.0 <2.0.0-0",
    "^1.x+meta-data": ">=1.0.0 <2.0.0-0",
    "^1.x.x+build.123": ">=1.0.0 <2.0.0-0",
    "~1.x+build": ">=1.0.0 <2.0.0-0",
    "~1.x.x+build": ">=1.0.0 <2.0.0-0",
    "~1.2.x+build": ">=1.2.0 <1.3.0-0",
    "~1.x+meta-data": ">=1.0.0 <2.0.0-0",
    "~1.x.x+build.123": ">=1.0.0 <2.0.0-0",
    "^1.x.x+build || ~2.x.x+meta": ">=1.0.0 <2.0.0-0||>=2.0.0 <3.0.0-0",
    "~1.x.x+build >2.x+meta": ">=1.0.0 <2.0.0-0 >=3.0.0",
    "^1.x+build.123 <2.x.x+meta-data": ">=1.0.0 <2.0.0-0",
    "1.x.x-alpha+build": ">=1.0.0 <2.0.0-0",
    ">1.x.x-alpha+build": ">=2.0.0",
    ">=1.x.x-alpha+build <2.x.x+build": ">=1.0.0 <2.0.0-0",
    "1.x.x-alpha+build || 2.x.x+build": ">=1.0.0 <2.0.0-0||>=2.0.0 <3.0.0-0",
    f"v1.0+{'a' * 249}x6": ">=1.0.0 <1.1.0-0",
    f"1.2.3+{'a' * 251} - 2.0.0": ">=1.2.3 <=2.0.0",
    f"> 1.2.3+{'a' * 251}": ">1.2.3",
    f"~1.2.3+{'a' * 251}": ">=1.2.3 <1.3.0-0",
    f"^1.2.3+{'a' * 251}": ">=1.2.3 <2.0.0-0",
}

# The same, as in README.md, for ranges that the files above do not contain.
README_BOUNDS = {
    "1.2.3 - 2.3.4": ">=1.2.3 <=2.3.4",
    "1.2 - 2.3.4": ">=1.2.0 <=2.3.4",
    "1.2.3 - 2.3": ">=1.2.3 <2.4.0-0",
    "1.2.3 - 2": ">=1.2.3 <3.0.0-0",
    "1.x": ">=1.0.0 <2.0.0-0",
    "1.2": ">=1.2.0 <1.3.0-0",
    "~1.2.3": ">=1.2.3 <1.3.0-0",
    "~1.2": ">=1.2.0 <1.3.0-0",
    "~0.2.3": ">=0.2.3 <0.3.0-0",
    "~0.2": ">=0.2.0 <0.3.0-0",
    "~0": "<1.0.0-0",
    "~1.2.3-beta.2": ">=1.2.3-beta.2 <1.3.0-0",
    "^0.2.3": ">=0.2.3 <0.3.0-0",
    "^0.0.3": ">=0.0.3 <0.0.4-0",
    "^1.2.3-beta.2": ">=1.2.3-beta.2 <2.0.0-0",
    "^0.0.3-beta": ">=0.0.3-beta <0.0.4-0",
    "^1.2.x": ">=1.2.0 <2.0.0-0",
    "^0.0.x": "<0.1.0-0",
    "^0.0": "<0.1.0-0",
    "^1.x": ">=1.0.0 <2.0.0-0",
    "^0.x": "<1.0.0-0",
}

NPM_INVALID_RANGES = [
    "1.x.5",
    "1.*.5",
    "1.x.5 || 2.x",
    "x.1",
    "x.1.2",
    "x.x.1",
    ">01.02.03",
    "~1.2.3beta",
    ">=09090",
]

# The first is newer.
NPM_NEWER = [
    ("0.0.0", "0.0.0-foo"),
    ("0.0.1", "0.0.0"),
    ("1.0.0", "0.9.9"),
    ("0.10.0", "0.9.0"),
    ("0.99.0", "0.10.0"),
    ("2.0.0", "1.2.3"),
    ("1.2.3", "1.2.3-asdf"),
    ("1.2.3", "1.2.3-4"),
    ("1.2.3", "1.2.3-4-foo"),
    ("1.2.3-5-foo", "1.2.3-5"),
    ("1.2.3-5", "1.2.3-4"),
    ("1.2.3-5-foo", "1.2.3-5-Foo"),
    ("3.0.0", "2.7.2+asdf"),
    ("1.2.3-a.10", "1.2.3-a.5"),
    ("1.2.3-a.b", "1.2.3-a.5"),
    ("1.2.3-a.b", "1.2.3-a"),
    ("1.2.3-a.b.c.10.d.5", "1.2.3-a.b.c.5.d.100"),
    ("1.2.3-r2", "1.2.3-r100"),
    ("1.2.3-r100", "1.2.3-R2"),
]

NPM_EQUAL = [
    ("1.2.3-beta+build", "1.2.3-beta+otherbuild"),
    ("1.2.3+build", "1.2.3+otherbuild"),
]

# Two comparators: whether a version passes both.
NPM_INTERSECTIONS = {
    "1.3.0 >=1.3.0": True,
    "1.3.0 >1.3.0": False,
    ">=1.3.0 1.3.0": True,
    ">1.3.0 1.3.0": False,
    ">1.3.0 >1.2.0": True,
    ">1.2.0 >1.3.0": True,
    ">=1.2.0 >1.3.0": True,
    ">1.2.0 >=1.3.0": True,
    "<1.3.0 <1.2.0": True,
    "<1.2.0 <1.3.0": True,
    "<=1.2.0 <1.3.0": True,
    "<1.2.0 <=1.3.0": True,
    ">=1.3.0 <=1.3.0": True,
    ">=v1.3.0 <=1.3.0": True,
    ">=1.3.0 >=1.3.0": True,
    "<=1.3.0 <=1.3.0": True,
    "<=1.3.0 <=v1.3.0": True,
    ">1.3.0 <=1.3.0": False,
    ">=1.3.0 <1.3.0": False,
    ">1.0.0 <2.0.0": True,
    ">=1.0.0 <2.0.0": True,
    ">=1.0.0 <=2.0.0": True,
    ">1.0.0 <=2.0.0": True,
    "<=2.0.0 >1.0.0": True,
    "<=1.0.0 >=2.0.0": False,
    " ": True,
    " >1.0.0": True,
    "<=2.0.0 ": True,
    "<0.0.0 <0.1.0": False,
    "<0.1.0 <0.0.0": False,
    "<0.0.0-0 <0.1.0": False,
    "<0.1.0 <0.0.0-0": False,
}

NPM_VERSIONS = [
    "1.0.0",
    "2.1.0",
    "3.2.1",
    "v1.2.3",
    "1.2.3-0",
    "1.2.3-123",
    "1.2.3-1.2.3",
    "1.2.3-1a",
    "1.2.3-a1",
    "1.2.3-alpha",
    "1.2.3-alpha.1",
    "1.2.3-alpha-1",
    "1.2.3-alpha-.-beta",
    "1.2.3+456",
    "1.2.3+build",
    "1.2.3+new-build",
    "1.2.3+build.1",
    "1.2.3+build.1a",
    "1.2.3+build.a1",
    "1.2.3+build.alpha",
    "1.2.3+build.alpha.beta",
    "1.2.3-alpha+build",
]

# Also invalid in npm, or accepted there only by accident (the last seven), so that no typing error
# becomes a range.
INVALID_RANGES = [
    ">",
    ">=",
    "<= >",
    "~",
    "^",
    "v",
    "V1",
    "1.2.3.4",
    "1.2-alpha",
    "1.x-alpha",
    "*-alpha",
    "1.2.3-01",
    "1.x.x-01",
    "1.2.3-",
    "1.2.3+",
    "1.2.3-a..b",
    "==1.2.3",
    "v=1.2.3",
    ">=>1",
    "=>1",
    "> = 1",
    "^^1",
    ">=^1",
    ">=1<2",
    "1 | 2",
    "1 ||| 2",
    "1 && 2",
    "-",
    "1 -",
    "1 -2",
    "1- 2",
    "1 - 2 - 3",
    "1.2.3 - 2.3.4 <5",
    "^1.2.3 - 2",
    ">=1 - 2",
    "=1.2.3 - 2",
    "latest",
    "xX",
    "1,",
    ",1",
    "1,,2",
    "\ufeff",
    "\uff11",
    "1\u0663",
    "1.2.3*",
    "2*.1.0",
    "+abc",
    "1.2.3+a+b",
    "~ >1",
    "~= 1",
    "1 - =2.0.0-rc",
]


def semver(text: str) -> Version:
    return parse_version(text, SEMVER)


def integer(text: str) -> Version:
    return parse_version(text, INTEGER)


def as_npm_prints(range_: Range) -> str:
    """Return the bounds of a range like npm, which prints no `>=0.0.0`."""
    return "||".join(
        " ".join(str(bound).removeprefix("=") for bound in bounds) or "*"
        for bounds in range_.alternatives
    )


def pairs(table: dict[str, tuple[str, str]], side: int) -> list:
    return [
        pytest.param(range_, version, id=f"{range_!r} and {version}")
        for range_, versions in table.items()
        for version in versions[side].split()
    ]


def each(texts) -> list:
    return [pytest.param(text, id=repr(text[:40])) for text in texts]


@pytest.mark.parametrize(("range_", "version"), pairs(NPM_RANGES, 0))
def test_a_range_admits_what_npm_admits(range_, version):
    assert Range.parse(range_, SEMVER).admits(semver(version))


@pytest.mark.parametrize(("range_", "version"), pairs(NPM_RANGES, 1))
def test_a_range_excludes_what_npm_excludes(range_, version):
    assert not Range.parse(range_, SEMVER).admits(semver(version))


@pytest.mark.parametrize(
    ("range_", "bounds"),
    [pytest.param(*row, id=repr(row[0][:40])) for row in (NPM_BOUNDS | README_BOUNDS).items()],
)
def test_a_range_has_the_bounds_that_npm_computes(range_, bounds):
    assert bounds == as_npm_prints(Range.parse(range_, SEMVER))


@pytest.mark.parametrize(
    ("range_", "bounds"),
    [
        pytest.param("==1.2", ">=1.2.0 <1.3.0-0", id="equals signs before a partial version"),
        pytest.param("vv1.2", ">=1.2.0 <1.3.0-0", id="several v before a partial version"),
        pytest.param("=v1.2.3", "1.2.3", id="a v between an operator and a version"),
        pytest.param("~=1.2.3", ">=1.2.3 <1.3.0-0", id="an equals sign after a tilde"),
        pytest.param("> =1", ">=1.0.0", id="an operator split in two"),
        pytest.param("^1.x.5", ">=1.0.0 <2.0.0-0", id="a number after a wildcard, after a caret"),
        pytest.param("^x.1", "*", id="a number after a wildcard that comes first"),
        pytest.param("1.x.5 - 2", ">=1.0.0 <3.0.0-0", id="a number after a wildcard, in a hyphen"),
        pytest.param("=1.2 - v2", ">=1.2.0 <3.0.0-0", id="v and = before the ends of a hyphen"),
        pytest.param("* || 1.2.3-rc", "*", id="any version or a pre-release"),
        pytest.param(">=0.0.0 || 1.2.3-rc", "*", id="every release or a pre-release"),
        pytest.param("||1.2.3-rc", "*", id="nothing or a pre-release"),
        pytest.param(">=v0.0.0 || 1.2.3-rc", ">=0.0.0||1.2.3-rc", id="every release, with a v"),
    ],
)
def test_an_oddity_of_npm_is_preserved(range_, bounds):
    assert bounds == as_npm_prints(Range.parse(range_, SEMVER))


@pytest.mark.parametrize("text", each(NPM_INVALID_RANGES + INVALID_RANGES))
def test_a_text_that_is_not_a_range_is_an_error_and_never_a_guess(text):
    with pytest.raises(RangeError):
        Range.parse(text, SEMVER)


@pytest.mark.parametrize(("newer", "older"), NPM_NEWER)
def test_a_version_is_newer_when_npm_says_so(newer, older):
    newer, older = semver(newer), semver(older)
    assert newer.newer_than(older)
    assert newer > older
    assert not older.newer_than(newer)
    assert older <= newer


@pytest.mark.parametrize(("one", "other"), NPM_EQUAL)
def test_versions_that_differ_in_build_metadata_are_equal_and_neither_is_newer(one, other):
    one, other = semver(one), semver(other)
    assert one == other
    assert 1 == len({one, other})
    assert not one.newer_than(other)
    assert not other.newer_than(one)


@pytest.mark.parametrize(("bounds", "together"), NPM_INTERSECTIONS.items())
def test_a_range_never_matches_when_npm_says_that_its_bounds_do_not_meet(bounds, together):
    assert together is (Range.parse(bounds, SEMVER).never is None)


@pytest.mark.parametrize("text", NPM_VERSIONS)
def test_a_semantic_version_is_what_semver_2_allows_with_one_v_before_it(text):
    assert text == semver(text).text
    assert semver(text) == semver(text.removeprefix("v"))


# Range: integers in it, integers outside it.
INTEGER_RANGES = {
    "7": ("7", "0 6 8 70 77"),
    "=7": ("7", "6 8"),
    "v7": ("7", "6 8"),
    "= v7": ("7", "6 8"),
    ">=10": ("10 11 100", "0 2 9"),
    ">= 10": ("10 11 100", "0 2 9"),
    ">10": ("11 100", "0 9 10"),
    "<=10": ("0 9 10", "11 100"),
    "<10": ("0 9", "10 11 100"),
    ">=10 <20": ("10 19", "9 20 1 2 100"),
    ">=10, <20": ("10 19", "9 20 1 2 100"),
    ">=10,<20": ("10 19", "9 20 1 2 100"),
    "10 - 20": ("10 15 20", "9 21 1 2 100"),
    "v10 - v20": ("10 15 20", "9 21"),
    "10 - 20, >12": ("13 20", "9 10 12 21"),
    "5 - *": ("5 6 50", "0 4"),
    "* - 5": ("0 5", "6 50"),
    ">=2 <3 || >=5": ("2 5 6", "0 1 3 4"),
    ">=2 <3||>=5": ("2 5 6", "0 1 3 4"),
    "": ("0 1 99999999999999999999", ""),
    " ": ("0 1", ""),
    "*": ("0 1", ""),
    "x": ("0 1", ""),
    "X": ("0 1", ""),
    ">=*": ("0 1", ""),
    "||": ("0 1", ""),
    ">*": ("", "0 1 99999999999999999999"),
    "<x": ("", "0 1"),
}


@pytest.mark.parametrize(("range_", "version"), pairs(INTEGER_RANGES, 0))
def test_an_integer_is_in_a_range(range_, version):
    assert Range.parse(range_, INTEGER).admits(integer(version))


@pytest.mark.parametrize(("range_", "version"), pairs(INTEGER_RANGES, 1))
def test_an_integer_is_outside_a_range(range_, version):
    assert not Range.parse(range_, INTEGER).admits(integer(version))


def test_integers_are_ordered_as_numbers_and_not_as_text():
    assert integer("10").newer_than(integer("9"))
    assert not integer("9").newer_than(integer("10"))
    assert not integer("10").newer_than(integer("10"))


def test_versions_of_two_schemes_are_neither_equal_nor_ordered():
    assert integer("1") != semver("1.1.0")
    with pytest.raises(TypeError):
        integer("1").newer_than(semver("1.0.0"))
    with pytest.raises(TypeError):
        assert semver("1.0.0") < integer("1")


@pytest.mark.parametrize("range_", ["*", "7", ">=2"])
def test_a_range_refuses_a_version_of_another_scheme(range_):
    with pytest.raises(TypeError, match=r"a range of scheme integer cannot judge .*7\.0\.0"):
        Range.parse(range_, INTEGER).admits(semver("7.0.0"))


INTEGER_EXPECTED = "; expected an integer such as 7"
SEMVER_EXPECTED = "; expected MAJOR.MINOR.PATCH such as 1.4.0 or 1.4.0-rc.1"
ONLY_DIGITS = "only the digits 0 to 9 may stand in it"
ONE_V = "only a single `v` may stand before the numbers"

NOT_INTEGERS = {
    "": "an empty text is not a version under scheme integer: nothing is there",
    " 3 ": "` 3 ` is not a version under scheme integer: white space stands beside it",
    "3\n": r"`3\n` is not a version under scheme integer: white space stands beside it",
    "007": "`007` is not a version under scheme integer: it begins with 0",
    "-1": "`-1` is not a version under scheme integer: it has a sign",
    "+1": "`+1` is not a version under scheme integer: it has a sign",
    "1.0": (
        "`1.0` is not a version under scheme integer: more than one number needs scheme: semver"
    ),
    "1.4.0-rc.1": (
        "`1.4.0-rc.1` is not a version under scheme integer: "
        "more than one number needs scheme: semver"
    ),
    "1_000": f"`1_000` is not a version under scheme integer: {ONLY_DIGITS}",
    "1e5": f"`1e5` is not a version under scheme integer: {ONLY_DIGITS}",
    "٣": f"`٣` is not a version under scheme integer: {ONLY_DIGITS}",
    "1٣": f"`1٣` is not a version under scheme integer: {ONLY_DIGITS}",
    "²": f"`²` is not a version under scheme integer: {ONLY_DIGITS}",
    "v7": f"`v7` is not a version under scheme integer: {ONLY_DIGITS}",
    "0x7": f"`0x7` is not a version under scheme integer: {ONLY_DIGITS}",
    "latest": f"`latest` is not a version under scheme integer: {ONLY_DIGITS}",
    "7\x007": rf"`7\x007` is not a version under scheme integer: {ONLY_DIGITS}",
    "\ud800": rf"`\ud800` is not a version under scheme integer: {ONLY_DIGITS}",
    "a" * 101: f"`{'a' * 100}...` is not a version under scheme integer: {ONLY_DIGITS}",
}

NOT_SEMANTIC = {
    "": "an empty text is not a version under scheme semver: nothing is there",
    " 1.2.3": "` 1.2.3` is not a version under scheme semver: white space stands beside it",
    "v 1.2.3": f"`v 1.2.3` is not a version under scheme semver: {ONE_V}",
    "7": "`7` is not a version under scheme semver: it has fewer than three numbers",
    "1.2": "`1.2` is not a version under scheme semver: it has fewer than three numbers",
    "v1.2-rc": "`v1.2-rc` is not a version under scheme semver: it has fewer than three numbers",
    "1.2.3.4": "`1.2.3.4` is not a version under scheme semver: it has more than three numbers",
    "01.2.3": "`01.2.3` is not a version under scheme semver: a number in it begins with 0",
    "1.2.3-01": "`1.2.3-01` is not a version under scheme semver: a number in it begins with 0",
    "1.2.3-a.00+b": (
        "`1.2.3-a.00+b` is not a version under scheme semver: a number in it begins with 0"
    ),
    "=1.2.3": f"`=1.2.3` is not a version under scheme semver: {ONE_V}",
    "vv1.2.3": f"`vv1.2.3` is not a version under scheme semver: {ONE_V}",
    "V1.2.3": f"`V1.2.3` is not a version under scheme semver: {ONE_V}",
    "v1.2.3-": "`v1.2.3-` is not a version under scheme semver: SemVer 2.0 does not allow it",
    "1.2.3-": "`1.2.3-` is not a version under scheme semver: SemVer 2.0 does not allow it",
    "1.2.3-a..b": "`1.2.3-a..b` is not a version under scheme semver: SemVer 2.0 does not allow it",
    "1.2.3-é": "`1.2.3-é` is not a version under scheme semver: SemVer 2.0 does not allow it",
    "hello, world": (
        "`hello, world` is not a version under scheme semver: SemVer 2.0 does not allow it"
    ),
    f"v1.2.{'3' * 4301}": (
        f"`v1.2.{'3' * 95}...` is not a version under scheme semver: "
        "a number in it has more than 4300 digits"
    ),
}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [pytest.param(*row, id=ascii(row[0][:40])) for row in NOT_INTEGERS.items()],
)
def test_an_invalid_integer_is_reported_with_the_reason(text, sentence):
    with pytest.raises(VersionError) as caught:
        integer(text)
    assert sentence + INTEGER_EXPECTED == str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [pytest.param(*row, id=ascii(row[0][:40])) for row in NOT_SEMANTIC.items()],
)
def test_an_invalid_semantic_version_is_reported_with_the_reason(text, sentence):
    with pytest.raises(VersionError) as caught:
        semver(text)
    assert sentence + SEMVER_EXPECTED == str(caught.value)


INTEGER_ALLOWED = "; allowed are `7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`"
SEMVER_ALLOWED = (
    "; allowed are `1.4.0`, `>=1.4 <3`, `1.4 - 2.0`, `1.x`, `~1.4`, `^1.4`, `1 || 3`, `*`"
)
NO_INTEGERS = "cannot be read as a range of scheme integer"
NO_SEMVER = "cannot be read as a range of scheme semver"
NEAREST = "; the nearest valid spelling is"
LONE_HYPHEN = "a hyphen stands between two plain versions and nothing else"

NOT_INTEGER_RANGES = {
    ">>5": f"`>>5` {NO_INTEGERS}: `>>` is not an operator{NEAREST} `>5`",
    "==5": f"`==5` {NO_INTEGERS}: `==` is not an operator{NEAREST} `=5`",
    "=>5": f"`=>5` {NO_INTEGERS}: `=>` is not an operator{NEAREST} `>=5`",
    ">=1 =<5": f"`=<5` {NO_INTEGERS}: `=<` is not an operator{NEAREST} `<=5`",
    ">=>5": f"`>=>5` {NO_INTEGERS}: `>=>` is not an operator",
    "!=5": f"`!=5` {NO_INTEGERS}: there is no operator `!=`{NEAREST} `<5 || >5`",
    ">= ": f"`>=` {NO_INTEGERS}: no version follows",
    "5 >": f"`>` {NO_INTEGERS}: no version follows",
    ">=1<2": f"`>=1<2` {NO_INTEGERS}: white space is missing before `<2`{NEAREST} `>=1 <2`",
    "5 -7": f"`5 -7` {NO_INTEGERS}: a hyphen needs white space around it{NEAREST} `5 - 7`",
    "10-20": f"`10-20` {NO_INTEGERS}: a hyphen needs white space around it{NEAREST} `10 - 20`",
    "10 \u2013 20": (
        f"`10 \u2013 20` {NO_INTEGERS}: a hyphen needs white space around it{NEAREST} `10 - 20`"
    ),
    "10 - 20 <15": f"`10 - 20 <15` {NO_INTEGERS}: {LONE_HYPHEN}",
    "10 - >20": f"`10 - >20` {NO_INTEGERS}: {LONE_HYPHEN}",
    "7 -": f"`7 -` {NO_INTEGERS}: {LONE_HYPHEN}",
    "-1": f"`-1` {NO_INTEGERS}: a version has no sign",
    "007": f"`007` {NO_INTEGERS}: a number begins with 0{NEAREST} `7`",
    ">=vv7": f"`>=vv7` {NO_INTEGERS}: only a single `v` may stand before a version{NEAREST} `>=7`",
    ">=a": f"`>=a` {NO_INTEGERS}: `a` is not a version",
    "latest": f"`latest` {NO_INTEGERS}: `latest` is not a version",
    "5+b": f"`5+b` {NO_INTEGERS}: `5+b` is not a version",
    "\x1b[0m": rf"`\x1b[0m` {NO_INTEGERS}: `\x1b[0m` is not a version",
    "5 && 7": f'`&&` {NO_INTEGERS}: white space is enough for "and"',
    "5 or 7": f'`or` {NO_INTEGERS}: `||` stands for "or"',
    "5|7": f'`5|7` {NO_INTEGERS}: `||` stands for "or"',
    "5,,7": f"`5,,7` {NO_INTEGERS}: a comma stands between two parts",
    "1.2.3.4": f"`1.2.3.4` {NO_INTEGERS}: a version has three numbers at most",
    "^1.4": f"`^1.4` {NO_INTEGERS}: `^` needs scheme: semver{NEAREST} `>=1 <2`",
    "^9": f"`^9` {NO_INTEGERS}: `^` needs scheme: semver{NEAREST} `>=9 <10`",
    "~>199": f"`~>199` {NO_INTEGERS}: `~>` needs scheme: semver{NEAREST} `>=199 <200`",
    "~x": f"`~x` {NO_INTEGERS}: `~` needs scheme: semver{NEAREST} `*`",
    "1.x": f"`1.x` {NO_INTEGERS}: `1.x` needs scheme: semver{NEAREST} `1`",
    ">=1.0": f"`>=1.0` {NO_INTEGERS}: `1.0` needs scheme: semver{NEAREST} `>=1`",
    "1 - 2.5": f"`2.5` {NO_INTEGERS}: `2.5` needs scheme: semver{NEAREST} `2`",
    ">=1 <2.0.0-rc.1": (
        f"`<2.0.0-rc.1` {NO_INTEGERS}: `2.0.0-rc.1` needs scheme: semver{NEAREST} `<2`"
    ),
}

NOT_SEMVER_RANGES = {
    "=>5": f"`=>5` {NO_SEMVER}: `=>` is not an operator{NEAREST} `>=5`",
    "==1.2.3": f"`==1.2.3` {NO_SEMVER}: `==` is not an operator{NEAREST} `=1.2.3`",
    "01.2.3": f"`01.2.3` {NO_SEMVER}: a number begins with 0{NEAREST} `1.2.3`",
    ">01.02.03": f"`>01.02.03` {NO_SEMVER}: a number begins with 0",
    "1.x.5 || 2": f"`1.x.5` {NO_SEMVER}: a number follows a wildcard{NEAREST} `1.x`",
    "1.2-rc": f"`1.2-rc` {NO_SEMVER}: a pre-release follows three numbers{NEAREST} `1.2.0-rc`",
    "^1-rc.1": f"`^1-rc.1` {NO_SEMVER}: a pre-release follows three numbers{NEAREST} `^1.0.0-rc.1`",
    "1.2.3.4": f"`1.2.3.4` {NO_SEMVER}: a version has three numbers at most",
    "~1.2.3beta": f"`~1.2.3beta` {NO_SEMVER}: `1.2.3beta` is not a version",
    "1.2 -2": f"`1.2 -2` {NO_SEMVER}: a hyphen needs white space around it{NEAREST} `1.2 - 2`",
    "=1.2.3 - 2": f"`=1.2.3 - 2` {NO_SEMVER}: {LONE_HYPHEN}",
    f"^{'9' * 4300}": f"`^{'9' * 99}...` {NO_SEMVER}: a number has more than 4300 digits",
}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [pytest.param(*row, id=ascii(row[0][:40])) for row in NOT_INTEGER_RANGES.items()],
)
def test_an_invalid_range_of_integers_is_reported_with_the_reason(text, sentence):
    with pytest.raises(RangeError) as caught:
        Range.parse(text, INTEGER)
    assert sentence + INTEGER_ALLOWED == str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [pytest.param(*row, id=ascii(row[0][:40])) for row in NOT_SEMVER_RANGES.items()],
)
def test_an_invalid_range_of_semantic_versions_is_reported_with_the_reason(text, sentence):
    with pytest.raises(RangeError) as caught:
        Range.parse(text, SEMVER)
    assert sentence + SEMVER_ALLOWED == str(caught.value)


NOTHING_MATCHES = {
    (INTEGER, ">5 <3"): "`>5 <3` matches no version: no integer is >5 and <3",
    (INTEGER, ">5 <6"): "`>5 <6` matches no version: no integer is >5 and <6",
    (INTEGER, ">=2 <2"): "`>=2 <2` matches no version: no integer is >=2 and <2",
    (INTEGER, "20 - 10"): "`20 - 10` matches no version: no integer is >=20 and <=10",
    (INTEGER, "7 8"): "`7 8` matches no version: no integer is =7 and =8",
    (INTEGER, "<0"): "`<0` matches no version: no integer is <0",
    (INTEGER, ">*"): "`>*` matches no version: no integer is <0",
    (INTEGER, ">9 <10 || >1 <2"): (
        "`>9 <10 || >1 <2` matches no version: no integer is >9 and <10, or >1 and <2"
    ),
    (SEMVER, ">*"): "`>*` matches no version: no version is <0.0.0-0",
    (SEMVER, "<x <* || >* 2.x"): (
        "`<x <* || >* 2.x` matches no version: "
        "no version is <0.0.0-0, or <0.0.0-0 and >=2.0.0 and <3.0.0-0"
    ),
    (SEMVER, "^1 <1"): (
        "`^1 <1` matches no version: no version is >=1.0.0 and <2.0.0-0 and <1.0.0-0"
    ),
    (SEMVER, ">1.2.3-a <1.2.3-a.0"): (
        "`>1.2.3-a <1.2.3-a.0` matches no version: no version is >1.2.3-a and <1.2.3-a.0"
    ),
    (SEMVER, ">1.2.3 <1.2.4"): (
        "`>1.2.3 <1.2.4` matches no version: no version is >1.2.3 and <1.2.4 "
        "except pre-releases, which need a bound that names one"
    ),
}


@pytest.mark.parametrize(
    ("scheme", "range_", "sentence"),
    [pytest.param(*key, text, id=" ".join(key)) for key, text in NOTHING_MATCHES.items()],
)
def test_a_range_that_no_version_can_match_is_reported(scheme, range_, sentence):
    assert sentence == Range.parse(range_, scheme).never


@pytest.mark.parametrize(
    ("scheme", "range_"),
    [
        pytest.param(INTEGER, "<1", id="only 0"),
        pytest.param(INTEGER, ">5 <7", id="only 6"),
        pytest.param(INTEGER, ">99 <101", id="only the integer after the nines"),
        pytest.param(INTEGER, ">5 <3 || 8", id="one alternative is enough"),
        pytest.param(INTEGER, "*", id="any integer"),
        pytest.param(SEMVER, "<0.0.1", id="only 0.0.0"),
        pytest.param(SEMVER, ">1.2.3 <1.2.5", id="only 1.2.4"),
        pytest.param(SEMVER, ">=1.2.3-0 <1.2.3", id="pre-releases that a bound names"),
        pytest.param(SEMVER, ">1.2.3-a <=1.2.3-a.0", id="only the pre-release right after another"),
        pytest.param(SEMVER, ">1.2.3-a <1.2.3-a.0.0", id="only a pre-release that no bound names"),
        pytest.param(SEMVER, "<1.2.3-a >1.2.2", id="pre-releases below one"),
    ],
)
def test_a_range_that_some_version_matches_is_not_called_empty(scheme, range_):
    assert Range.parse(range_, scheme).never is None


@pytest.mark.parametrize(
    ("range_", "version", "sentence"),
    [
        pytest.param(
            "^1.4",
            "1.5.0-rc.1",
            "`1.5.0-rc.1` is a pre-release, and pre-releases of 1.5.0 match only beside a bound "
            "that names one, such as `>=1.5.0-0`",
            id="between the bounds",
        ),
        pytest.param(
            "*",
            "v2.0.0-rc.1+b",
            "`v2.0.0-rc.1+b` is a pre-release, and pre-releases of 2.0.0 match only beside a bound "
            "that names one, such as `>=2.0.0-0`",
            id="any version",
        ),
        pytest.param("^1.4", "1.3.0-rc.1", None, id="below the bounds"),
        pytest.param("^1.4", "2.0.0-rc.1", None, id="above the bounds"),
        pytest.param("^1.4", "1.3.0", None, id="a release"),
        pytest.param("^1.4.0-0", "1.4.0-rc.1", None, id="admitted"),
    ],
)
def test_a_pre_release_excluded_between_the_bounds_is_explained(range_, version, sentence):
    assert sentence == Range.parse(range_, SEMVER).explain(semver(version))


def test_the_bound_that_an_explanation_names_admits_the_pre_release():
    sentence = Range.parse("^1.4", SEMVER).explain(semver("1.5.0-rc.1")) or ""
    bound = sentence.split("`")[-2]
    assert Range.parse(f"^1.4 || {bound} <2.0.0-0", SEMVER).admits(semver("1.5.0-rc.1"))


# Properties. Numbers are small, so that versions meet bounds; a few have thousands of digits.

COMPARISONS = {
    "": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
relaxed = settings(deadline=None)
numbers = st.integers(0, 3)
releases = st.tuples(numbers, numbers, numbers)
partials = st.integers(1, 3).flatmap(lambda length: st.tuples(*[numbers] * length))
identifiers = st.sampled_from(["0", "1", "2", "10", "a", "b", "a-1", "-", "1a", "B"])
pre_releases = st.lists(identifiers, min_size=1, max_size=3).map(tuple)
versions = st.tuples(releases, st.none() | pre_releases)
whole_bounds = st.tuples(st.sampled_from(list(COMPARISONS)), versions)
glues = st.sampled_from([" ", ",", ", ", " \t"])
vast_numbers = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 200))
any_text = st.text() | st.text("0123456789.xX*<>=~^|-+v, \t!&abc\u2013")


def dotted(release: tuple) -> str:
    return ".".join(map(str, release))


def whole(version) -> str:
    release, pre_release = version
    return dotted(release) + (f"-{dotted(pre_release)}" if pre_release else "")


def precedence(version) -> tuple:
    """Return the order of https://semver.org, item 11, implemented independently."""
    release, pre_release = version
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre_release or ()]
    return release, pre_release is None, parts


def in_digits(vast_number) -> str:
    """Return head * 10 ** (500 * length) + tail as text, which can be too long for str()."""
    head, length, tail = vast_number
    if not head or not length:
        return str(head + tail)
    return f"{head}{tail:0{500 * length}}"


def in_full(vast_number) -> int:
    head, length, tail = vast_number
    return head * 10 ** (500 * length) + tail if head and length else head + tail


@relaxed
@given(one=vast_numbers, other=vast_numbers)
def test_integers_of_any_size_are_ordered_as_python_orders_them(one, other):
    assert (in_full(one) > in_full(other)) == integer(in_digits(one)).newer_than(
        integer(in_digits(other))
    )
    assert (in_full(one) == in_full(other)) == (
        integer(in_digits(one)) == integer(in_digits(other))
    )


@relaxed
@given(symbol=st.sampled_from(list(COMPARISONS)), bound=vast_numbers, number=vast_numbers)
def test_ranges_of_integers_of_any_size_agree_with_python(symbol, bound, number):
    range_ = Range.parse(f"{symbol}{in_digits(bound)}", INTEGER)
    expected = COMPARISONS[symbol](in_full(number), in_full(bound))
    assert expected == range_.admits(integer(in_digits(number)))


@relaxed
@given(low=vast_numbers, high=vast_numbers, number=vast_numbers)
def test_a_hyphen_range_of_integers_includes_both_ends(low, high, number):
    range_ = Range.parse(f"{in_digits(low)} - {in_digits(high)}", INTEGER)
    expected = in_full(low) <= in_full(number) <= in_full(high)
    assert expected == range_.admits(integer(in_digits(number)))


@relaxed
@given(number=vast_numbers)
def test_no_integer_lies_between_consecutive_ones(number):
    head, length, tail = number
    next_, after = ((head, length, tail + 1), (head, length, tail + 2))
    assert Range.parse(f">{in_digits(number)} <{in_digits(next_)}", INTEGER).never
    assert not Range.parse(f">{in_digits(number)} <{in_digits(after)}", INTEGER).never


@relaxed
@given(one=versions, other=versions)
def test_semantic_versions_are_ordered_as_semver_2_says(one, other):
    assert (precedence(one) > precedence(other)) == semver(whole(one)).newer_than(
        semver(whole(other))
    )
    assert (one == other) == (semver(whole(one)) == semver(whole(other)))


@relaxed
@given(
    st.lists(versions.map(whole).map(semver), min_size=3, max_size=3)
    | st.lists(numbers.map(str).map(integer), min_size=3, max_size=3)
)
def test_the_order_of_versions_is_total_and_transitive(three):
    one, two, three = three
    assert 1 == sum((one < two, one == two, one > two))
    assert not (one <= two <= three) or one <= three
    assert all(earlier <= later for earlier, later in pairwise(sorted([one, two, three])))


@relaxed
@given(symbol=st.sampled_from(list(COMPARISONS)), partial=partials, version=releases)
def test_a_comparison_with_a_partial_version_looks_at_its_numbers_only(symbol, partial, version):
    range_ = Range.parse(f"{symbol}{dotted(partial)}", SEMVER)
    expected = COMPARISONS[symbol](version[: len(partial)], partial)
    assert expected == range_.admits(semver(dotted(version)))


@relaxed
@given(partial=partials, wildcard=st.sampled_from(["", ".x", ".X", ".*", ".x.*"]), version=releases)
def test_a_wildcard_admits_every_release_with_the_same_prefix(partial, wildcard, version):
    text = ".".join(f"{dotted(partial)}{wildcard}".split(".")[:3])
    expected = version[: len(partial)] == partial
    assert expected == Range.parse(text, SEMVER).admits(semver(dotted(version)))


@relaxed
@given(symbol=st.sampled_from(["~", "~>", "~ "]), partial=partials, version=releases)
def test_a_tilde_keeps_major_and_minor_or_major_alone(symbol, partial, version):
    kept = partial[:2]
    expected = version[: len(kept)] == kept and version[: len(partial)] >= partial
    range_ = Range.parse(f"{symbol}{dotted(partial)}", SEMVER)
    assert expected == range_.admits(semver(dotted(version)))


@relaxed
@given(partial=partials, version=releases)
def test_a_caret_keeps_the_numbers_up_to_the_first_that_is_not_zero(partial, version):
    zeros = len(list(takewhile(lambda number: number == 0, partial)))
    kept = partial[: zeros + 1]
    expected = version[: len(kept)] == kept and version[: len(partial)] >= partial
    assert expected == Range.parse(f"^{dotted(partial)}", SEMVER).admits(semver(dotted(version)))


@relaxed
@given(low=partials, high=partials, version=releases)
def test_a_hyphen_range_includes_everything_its_partial_ends_cover(low, high, version):
    expected = low <= version[: len(low)] and version[: len(high)] <= high
    range_ = Range.parse(f"{dotted(low)} - {dotted(high)}", SEMVER)
    assert expected == range_.admits(semver(dotted(version)))


@relaxed
@given(symbol=st.sampled_from(["", "~", "^"]), partial=partials, release=releases, pre=pre_releases)
def test_no_pre_release_is_in_a_range_without_pre_release_bounds(symbol, partial, release, pre):
    range_ = Range.parse(f"{symbol}{dotted(partial)}", SEMVER)
    assert not range_.admits(semver(whole((release, pre))))


@relaxed
@given(bounds=st.lists(whole_bounds, min_size=1, max_size=3), glue=glues, version=versions)
def test_a_pre_release_needs_a_pre_release_bound_with_the_same_numbers(bounds, glue, version):
    range_ = Range.parse(glue.join(symbol + whole(bound) for symbol, bound in bounds), SEMVER)
    release, pre_release = version
    expected = all(
        COMPARISONS[symbol](precedence(version), precedence(bound)) for symbol, bound in bounds
    ) and (pre_release is None or any(release == named[0] and named[1] for _, named in bounds))
    assert expected == range_.admits(semver(whole(version)))


@relaxed
@given(ranges=st.lists(whole_bounds, min_size=2, max_size=3), version=releases)
def test_a_release_is_in_a_range_when_it_is_in_one_of_the_alternatives(ranges, version):
    texts = [symbol + whole(bound) for symbol, bound in ranges]
    expected = any(Range.parse(text, SEMVER).admits(semver(dotted(version))) for text in texts)
    assert expected == Range.parse(" || ".join(texts), SEMVER).admits(semver(dotted(version)))


@relaxed
@given(st.lists(st.tuples(st.sampled_from(list(COMPARISONS)), numbers), min_size=1, max_size=3))
def test_a_range_of_integers_is_called_empty_exactly_when_none_is_in_it(bounds):
    range_ = Range.parse(" ".join(f"{symbol}{number}" for symbol, number in bounds), INTEGER)
    found = any(range_.admits(integer(str(number))) for number in range(6))
    assert found is (range_.never is None)


# Every release and pre-release that bounds of 0 and 1 can tell apart.
NEARBY = [
    semver(dotted(release) + pre_release)
    for release in product(range(3), repeat=3)
    for pre_release in ["", "-0", "-0.0", "-0.0.0", "-a", "-a.0", "-a.0.0"]
]


@relaxed
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(COMPARISONS)),
            st.tuples(
                st.tuples(*[st.integers(0, 1)] * 3),
                st.sampled_from([None, ("0",), ("a",), ("a", "0")]),
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_range_is_called_empty_exactly_when_no_version_is_in_it(bounds):
    range_ = Range.parse(" ".join(symbol + whole(bound) for symbol, bound in bounds), SEMVER)
    assert any(map(range_.admits, NEARBY)) is (range_.never is None)


def complaint(read, text, scheme) -> str:
    try:
        read(text, scheme)
    except (RangeError, VersionError) as error:
        return str(error)
    return ""


@relaxed
@given(text=any_text, scheme=st.sampled_from(Scheme))
def test_any_text_is_a_version_or_a_one_line_error(text, scheme):
    assert complaint(parse_version, text, scheme).isprintable()


@relaxed
@given(text=any_text, scheme=st.sampled_from(Scheme))
def test_any_text_is_a_range_or_a_one_line_error_with_a_valid_suggestion(text, scheme):
    sentence = complaint(Range.parse, text, scheme)
    assert sentence.isprintable()
    for spelling in re.findall("valid spelling is `(.*?)`; allowed", sentence):
        assert not complaint(Range.parse, spelling, scheme)
