"""Globs on names and conditions on tags: what fits, what does not, what cannot be read."""

import operator
from decimal import Decimal
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.conditions import Condition, Globs, fits, has_wildcard, literal_prefix
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
def test_a_glob_fits_as_the_shell_has_it_with_case(glob, name):
    expected = fnmatchcase(name, glob) if has_wildcard(glob) else glob == name
    assert expected == fits(glob, name)


@relaxed
@given(globs, names)
def test_what_fits_begins_with_the_literal_prefix(glob, name):
    assert not fits(glob, name) or name.startswith(literal_prefix(glob))


def test_a_glob_fits_the_whole_name_only_and_case_counts():
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
def test_a_name_is_wanted_when_it_is_included_and_not_excluded(written, fitting, other):
    parsed = Globs.parse(written)

    assert fitting == [name for name in [*fitting, *other] if parsed.fit(name)]


def test_the_glob_that_excludes_is_told():
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
def test_globs_are_shown_with_what_they_exclude_last(written, shown):
    assert shown == str(Globs.parse(written))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ([], "no glob"),
        ([""], "an empty glob"),
        (["!"], "an empty glob"),
        (["a", ""], "an empty glob"),
    ],
    ids=repr,
)
def test_globs_that_say_nothing_are_refused(written, told):
    with pytest.raises(ValueError, match=r"^has ") as caught:
        Globs.parse(written)
    expected = f"has {told}; expected a glob such as churn or churn-*, or a list of globs"
    assert expected == str(caught.value)


# Tests, then values that meet one of them, then values that meet none; None is an absent one.
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
def test_a_list_holds_when_one_of_its_tests_holds_and_not_turns_a_test_around(tests, value):
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
def test_a_value_that_cannot_be_compared_is_known_as_such(tests, value, expected):
    assert expected == Condition.parse(tests).wants_number(value)


@pytest.mark.parametrize(
    ("tests", "shown"),
    [(["prod"], "prod"), (["prod", ">=0.9", "!x"], "prod or >=0.9 or !x"), (["", "a"], '"" or a')],
    ids=["one", "several", "empty"],
)
def test_a_condition_is_shown_as_it_was_written(tests, shown):
    assert shown == str(Condition.parse(tests))


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        pytest.param(
            [], "has no condition; expected one such as prod, prod-*, >=0.9, !dev or *", id="none"
        ),
        pytest.param([">="], "has no number after >=; expected one, as in >=0.9", id="no-number"),
        pytest.param(["x", ">high"], "has no number after >; expected one, as in >=0.9", id="text"),
        pytest.param(["!<1,5"], "has no number after <; expected one, as in >=0.9", id="comma"),
        pytest.param(["<=>1"], "has no number after <=; expected one, as in >=0.9", id="twice"),
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(tests, told):
    with pytest.raises(ValueError, match=r"^has ") as caught:
        Condition.parse(tests)
    assert told == str(caught.value)
