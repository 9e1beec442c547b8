"""Versions and ranges as tests draw and read them."""

import operator

from hypothesis import strategies as st

from model_trigger.matching.ranges import RangeError
from model_trigger.matching.versions import Scheme, Version, VersionError, parse_version

INTEGER, SEMVER = Scheme.INTEGER, Scheme.SEMVER


def semver(text: str) -> Version:
    return parse_version(text, SEMVER)


def integer(text: str) -> Version:
    return parse_version(text, INTEGER)


def complaint(read, text, scheme) -> str:
    try:
        read(text, scheme)
    except (RangeError, VersionError) as error:
        return str(error)
    return ""


# Numbers are small, so that versions meet bounds; a few have thousands of digits.

COMPARISONS = {
    "": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

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
    """The order of https://semver.org, item 11, written down once more."""
    release, pre_release = version
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre_release or ()]
    return release, pre_release is None, parts


def in_digits(vast_number) -> str:
    """The text of head * 10 ** (500 * length) + tail, which str() may be unable to write."""
    head, length, tail = vast_number
    if not head or not length:
        return str(head + tail)
    return f"{head}{tail:0{500 * length}}"


def in_full(vast_number) -> int:
    head, length, tail = vast_number
    return head * 10 ** (500 * length) + tail if head and length else head + tail
