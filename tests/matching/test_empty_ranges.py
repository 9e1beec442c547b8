"""Ranges that no version can match."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.ranges import Range
from tests.matching import npm
from tests.support.drawn import relaxed
from tests.support.versions import (
    COMPARISONS,
    INTEGER,
    SEMVER,
    dotted,
    in_digits,
    integer,
    numbers,
    semver,
    vast_numbers,
    whole,
)


@pytest.mark.parametrize(("bounds", "together"), npm.INTERSECTIONS.items())
def test_a_range_never_matches_when_npm_says_that_its_bounds_do_not_meet(bounds, together):
    assert together is (Range.parse(bounds, SEMVER).never is None)


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
def test_a_range_that_no_version_can_match_says_so(scheme, range_, sentence):
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
        pytest.param(SEMVER, ">1.2.3-a <1.2.3-a.0.0", id="only a pre-release that none names"),
        pytest.param(SEMVER, "<1.2.3-a >1.2.2", id="pre-releases below one"),
    ],
)
def test_a_range_that_some_version_matches_is_not_called_empty(scheme, range_):
    assert Range.parse(range_, scheme).never is None


@relaxed
@given(number=vast_numbers)
def test_between_an_integer_and_the_next_there_is_none_and_one_further_there_is_one(number):
    head, length, tail = number
    next_, after = ((head, length, tail + 1), (head, length, tail + 2))
    assert Range.parse(f">{in_digits(number)} <{in_digits(next_)}", INTEGER).never
    assert not Range.parse(f">{in_digits(number)} <{in_digits(after)}", INTEGER).never


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
