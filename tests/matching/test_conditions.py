"""Globs on names and conditions on tags: what matches, what does not, and what is invalid."""

import operator
from decimal import Decimal
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.conditions import (
    Condition,
    Globs,
    covers,
    example,
    fits,
    has_wildcard,
    literal_prefix,
)
from tests.support.drawn import relaxed

names = st.text("ab-*?[]!\n", max_size=6)
globs = st.text("ab-*?[]!", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("glob", "prefix"),
    [
        ("churn", "churn"),
        ("churn-*", "churn-"),
        ("ch?rn", "ch"),
        ("[cf]raud", ""),
        ("*", ""),
    ],
)
def test_the_literal_prefix_ends_before_the_first_wildcard(glob, prefix):
    assert prefix == literal_prefix(glob)


@relaxed
@given(globs, names)
def test_a_glob_matches_like_a_case_sensitive_shell_glob(glob, name):
    expected = fnmatchcase(name, glob) if has_wildcard(glob) else glob == name
    assert expected == fits(glob, name)


@relaxed
@given(globs, names)
def test_a_match_begins_with_the_literal_prefix(glob, name):
    assert not fits(glob, name) or name.startswith(literal_prefix(glob))


def test_a_glob_matches_the_whole_name_case_sensitively():
    assert fits("churn", "churn")
    assert not fits("churn", "churn-v2")
    assert not fits("churn*", "Churn")
    assert fits("churn*", "churn\n")


@pytest.mark.parametrize(
    ("written", "fitting", "other"),
    [
        pytest.param(["churn"], ["churn"], ["churn2", "Churn", ""], id="name"),
        pytest.param(["churn", "fraud-*"], ["churn", "fraud-eu"], ["fraud"], id="list"),
        pytest.param(["churn-*", "!churn-test*"], ["churn-eu"], ["churn-test", "x"], id="excluded"),
        pytest.param(["!churn-test"], ["churn", "anything"], ["churn-test"], id="only-excluded"),
        pytest.param(["!a", "!b"], ["c"], ["a", "b"], id="several-excluded"),
        pytest.param(["churn", "!*"], [], ["churn", "x"], id="all-excluded"),
    ],
)
def test_a_name_matches_if_it_is_included_and_not_excluded(written, fitting, other):
    parsed = Globs.parse(written)

    assert fitting == [name for name in [*fitting, *other] if parsed.fit(name)]


def test_the_excluding_glob_is_named():
    parsed = Globs.parse(["*", "!churn-test", "!churn-*"])

    assert ["churn-test", "churn-*", None] == [
        parsed.excluding(name) for name in ("churn-test", "churn-x", "fraud")
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (["churn"], "churn"),
        (["!churn-test", "churn-*", "fraud"], "churn-*, fraud, !churn-test"),
        (["!churn-test"], "*, !churn-test"),
    ],
    ids=["one", "several", "only-excluded"],
)
def test_globs_are_shown_with_exclusions_last(written, shown):
    assert shown == str(Globs.parse(written))


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        ([], "no glob"),
        ([""], "an empty glob"),
        (["!"], "an empty glob"),
        (["a", ""], "an empty glob"),
    ],
    ids=repr,
)
def test_meaningless_globs_are_refused(written, reported):
    with pytest.raises(ValueError, match=r"^has ") as caught:
        Globs.parse(written)
    expected = f"has {reported}; expected a glob such as churn or churn-*, or a list of globs"
    assert expected == str(caught.value)


# Tests, then values that meet one of them, then values that do not; None is an absent value.
CONDITIONS = {
    "equal": (["prod"], ["prod"], ["Prod", "prod ", "", None]),
    "glob": (["prod-*"], ["prod-eu", "prod-"], ["prod", None]),
    "present": (["*"], ["", "x"], [None]),
    "absent": (["!*"], [None], ["", "x"]),
    "empty": ([""], [""], [" ", None]),
    "not-empty": (["!"], ["x", None], [""]),
    "not-equal": (["!dev"], ["prod", "", None], ["dev"]),
    "not-glob": (["!dev-*"], ["prod", None], ["dev-1"]),
    "only-one-exclamation-mark-counts": (["!!x"], ["x", None], ["!x"]),
    "any-of": (["prod", "test-*"], ["prod", "test-1"], ["dev", None]),
    "any-of-with-a-number": ([">=0.9", "gold"], ["0.95", "gold"], ["0.5", "silver", None]),
    "present-or-not": (["prod", "!*"], ["prod", None], ["dev", ""]),
    "at-least": ([">=0.9"], ["0.9", "0.90", "1", " 0.95 ", "9e-1", "+.9"], ["0.89", "", "high"]),
    "at-least-with-a-space": ([">= 0.9"], ["0.9"], ["0.89", None]),
    "above": ([">0.9"], ["0.91", "1e9999"], ["0.9", None]),
    "at-most": (["<=-1"], ["-1", "-1.0", "-2"], ["0", "-", None]),
    "below": (["<1e3"], ["999.9", "-1e9999"], ["1000", "1_0", None]),
    "not-below": (["!<1"], ["1", "high", None], ["0.5"]),
    "only-plain-numbers-are-compared": (
        ["<=1e9", ">1e9"],
        ["1"],
        ["nan", "inf", "1_0", "٣", "0x1", "1e99999", "1,5", "1 2"],
    ),
}


@pytest.mark.parametrize(
    ("tests", "value", "expected"),
    [
        pytest.param(tests, value, expected, id=f"{name}-{value!r}")
        for name, (tests, *values) in CONDITIONS.items()
        for expected, side in zip((True, False), values, strict=True)
        for value in side
    ],
)
def test_a_condition_holds_for_some_values_and_not_for_others(tests, value, expected):
    assert expected == Condition.parse(tests).holds(value)


@relaxed
@given(
    st.sampled_from(
        [(">=", operator.ge), ("<=", operator.le), (">", operator.gt), ("<", operator.lt)]
    ),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000),
)
def test_numbers_are_compared_exactly(comparison, bound, number):
    symbol, compare = comparison
    condition = Condition.parse([f"{symbol}{bound:f}"])

    assert compare(Decimal(number), Decimal(bound)) == condition.holds(f"{number:f}")


@relaxed
@given(st.lists(st.text("ab*!", max_size=3), min_size=1, max_size=3), st.none() | st.text("ab!"))
def test_a_list_holds_if_one_of_its_tests_holds_and_not_inverts_a_test(tests, value):
    each = [Condition.parse([test]).holds(value) for test in tests]

    assert any(each) == Condition.parse(tests).holds(value)
    for test, held in zip(tests, each, strict=True):
        if not test.startswith("!"):
            assert held != Condition.parse([f"!{test}"]).holds(value)


@pytest.mark.parametrize(
    ("tests", "value", "expected"),
    [
        ([">=0.9"], "high", True),
        ([">=0.9", "!<1"], "high", True),
        ([">=0.9"], "0.5", False),
        ([">=0.9"], None, False),
        ([">=0.9", "gold"], "silver", False),
        (["gold"], "silver", False),
    ],
    ids=["text", "both-comparisons", "number", "absent", "not-only-comparisons", "no-comparison"],
)
def test_a_value_that_cannot_be_compared_is_recognized(tests, value, expected):
    assert expected == Condition.parse(tests).wants_number(value)


@pytest.mark.parametrize(
    ("tests", "shown"),
    [(["prod"], "prod"), (["prod", ">=0.9", "!x"], "prod or >=0.9 or !x"), (["", "a"], '"" or a')],
    ids=["one", "several", "empty"],
)
def test_a_condition_is_shown_as_it_was_written(tests, shown):
    assert shown == str(Condition.parse(tests))


@pytest.mark.parametrize(
    ("tests", "reported"),
    [
        pytest.param(
            [], "has no condition; expected one such as prod, prod-*, >=0.9, !dev or *", id="none"
        ),
        pytest.param(
            [">="], "has no number after >=; expected one, as in >=0.9", id="not-a-number"
        ),
        pytest.param(["x", ">high"], "has no number after >; expected one, as in >=0.9", id="text"),
        pytest.param(["!<1,5"], "has no number after <; expected one, as in >=0.9", id="comma"),
        pytest.param(["<=>1"], "has no number after <=; expected one, as in >=0.9", id="twice"),
    ],
)
def test_an_invalid_condition_is_refused(tests, reported):
    with pytest.raises(ValueError, match=r"^has ") as caught:
        Condition.parse(tests)
    assert reported == str(caught.value)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        pytest.param("*", "churn-*", True, id="any-name-covers-all"),
        pytest.param("churn-*", "churn-*-eu", True, id="the-shorter-prefix-covers"),
        pytest.param("churn-*-eu", "churn-*", False, id="the-longer-prefix-does-not"),
        pytest.param("*-eu", "churn-eu", True, id="a-name"),
        pytest.param("churn*", "churn", True, id="a-name-equal-to-the-prefix"),
        pytest.param("churn-?", "churn-*", False, id="one-character-is-not-any-number"),
        pytest.param("churn-[a-c]", "churn-b", True, id="a-character-of-a-class"),
        pytest.param("churn-[a-c]", "churn-[a-c]", True, id="the-same-class"),
        pytest.param("churn-*", "churn-[a-c]", False, id="a-class-is-not-decided"),
    ],
)
def test_a_glob_covers_another(wide, narrow, expected):
    assert expected == covers(wide, narrow)


@relaxed
@given(globs, globs, names)
def test_a_glob_matches_what_it_covers(wide, narrow, name):
    assert not covers(wide, narrow) or not fits(narrow, name) or fits(wide, name)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("churn", "churn"),
        ("churn-*", "churn-x"),
        ("c?-[ab]*", "cx-ax"),
        ("[!a]", "[!a]"),
        ("[", "["),
    ],
)
def test_an_example_has_a_letter_in_place_of_each_wildcard(glob, name):
    assert name == example(glob)
