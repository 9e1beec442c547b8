"""Versions: read, ordered as npm orders them, and every message about a text that is none."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.versions import Scheme, VersionError, parse_version
from tests.matching import npm
from tests.support.drawn import relaxed
from tests.support.versions import (
    INTEGER,
    SEMVER,
    any_text,
    complaint,
    in_digits,
    in_full,
    integer,
    numbers,
    precedence,
    semver,
    vast_numbers,
    versions,
    whole,
)


@pytest.mark.parametrize(("newer", "older"), npm.NEWER)
def test_a_version_is_newer_when_npm_says_so(newer, older):
    newer, older = semver(newer), semver(older)
    assert newer.newer_than(older)
    assert newer > older
    assert not older.newer_than(newer)
    assert older <= newer


@pytest.mark.parametrize(("one", "other"), npm.EQUAL)
def test_versions_that_differ_in_build_metadata_are_equal_and_neither_is_newer(one, other):
    one, other = semver(one), semver(other)
    assert one == other
    assert 1 == len({one, other})
    assert not one.newer_than(other)
    assert not other.newer_than(one)


@pytest.mark.parametrize("text", npm.VERSIONS)
def test_a_semantic_version_is_what_semver_2_allows_with_one_v_before_it(text):
    assert text == semver(text).text
    assert semver(text) == semver(text.removeprefix("v"))


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


INTEGER_EXPECTED = "; expected an integer such as 7"
SEMVER_EXPECTED = "; expected MAJOR.MINOR.PATCH such as 1.4.0 or 1.4.0-rc.1"
ONLY_DIGITS = "only the digits 0 to 9 are allowed"
ONE_V = "only a single `v` may precede the numbers"

NOT_INTEGERS = {
    "": "an empty text is not a version under scheme integer: it is empty",
    " 3 ": "` 3 ` is not a version under scheme integer: it has white space around it",
    "3\n": r"`3\n` is not a version under scheme integer: it has white space around it",
    "007": "`007` is not a version under scheme integer: it has a leading zero",
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
    "a" * 201: f"`{'a' * 200}…` is not a version under scheme integer: {ONLY_DIGITS}",
}

NOT_SEMANTIC = {
    "": "an empty text is not a version under scheme semver: it is empty",
    " 1.2.3": "` 1.2.3` is not a version under scheme semver: it has white space around it",
    "v 1.2.3": f"`v 1.2.3` is not a version under scheme semver: {ONE_V}",
    "7": "`7` is not a version under scheme semver: it has fewer than three numbers",
    "1.2": "`1.2` is not a version under scheme semver: it has fewer than three numbers",
    "v1.2-rc": "`v1.2-rc` is not a version under scheme semver: it has fewer than three numbers",
    "1.2.3.4": "`1.2.3.4` is not a version under scheme semver: it has more than three numbers",
    "01.2.3": "`01.2.3` is not a version under scheme semver: a number in it has a leading zero",
    "1.2.3-01": (
        "`1.2.3-01` is not a version under scheme semver: a number in it has a leading zero"
    ),
    "1.2.3-a.00+b": (
        "`1.2.3-a.00+b` is not a version under scheme semver: a number in it has a leading zero"
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
        f"`v1.2.{'3' * 195}…` is not a version under scheme semver: "
        "a number in it has more than 4300 digits"
    ),
}


@pytest.mark.parametrize(
    ("scheme", "text", "message"),
    [
        pytest.param(scheme, text, sentence + expected, id=f"{scheme} {text[:40]!a}")
        for scheme, sentences, expected in (
            (INTEGER, NOT_INTEGERS, INTEGER_EXPECTED),
            (SEMVER, NOT_SEMANTIC, SEMVER_EXPECTED),
        )
        for text, sentence in sentences.items()
    ],
)
def test_a_text_that_is_not_a_version_of_its_scheme_is_reported_with_the_reason(
    scheme, text, message
):
    with pytest.raises(VersionError) as caught:
        parse_version(text, scheme)
    assert message == str(caught.value)


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
@given(text=any_text, scheme=st.sampled_from(Scheme))
def test_any_text_is_a_version_or_a_one_line_error(text, scheme):
    assert complaint(parse_version, text, scheme).isprintable()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(integer("9"), ["9", "10"], id="integer"),
        pytest.param(semver("1.2.3"), ["1.2.3", "1.2.3-0", "1.2.3", "1.2.4"], id="release"),
        pytest.param(
            semver("1.2.3-a"),
            ["1.2.3-a", "1.2.3-0", "1.2.3", "1.2.4", "1.2.3-a.0"],
            id="pre-release",
        ),
    ],
)
def test_the_neighbours_of_a_version_include_the_next(version, expected):
    assert expected == [one.text for one in version.neighbours]


def test_a_neighbour_with_too_many_digits_for_python_has_no_text():
    *_, last = semver(f"1.2.{'9' * 4300}").neighbours

    assert "" == last.text
    assert last > semver("1.2.3")
