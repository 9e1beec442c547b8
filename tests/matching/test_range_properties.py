"""Properties of all ranges, of integers and of semantic versions."""

from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.ranges import Range
from tests.support.drawn import relaxed
from tests.support.versions import (
    COMPARISONS,
    INTEGER,
    SEMVER,
    dotted,
    glues,
    in_digits,
    in_full,
    integer,
    partials,
    pre_releases,
    precedence,
    releases,
    semver,
    vast_numbers,
    versions,
    whole,
    whole_bounds,
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
@given(symbol=st.sampled_from(list(COMPARISONS)), partial=partials, version=releases)
def test_a_comparison_with_a_partial_version_looks_at_its_numbers_only(symbol, partial, version):
    range_ = Range.parse(f"{symbol}{dotted(partial)}", SEMVER)
    expected = COMPARISONS[symbol](version[: len(partial)], partial)
    assert expected == range_.admits(semver(dotted(version)))


@relaxed
@given(partial=partials, wildcard=st.sampled_from(["", ".x", ".X", ".*", ".x.*"]), version=releases)
def test_a_wildcard_admits_every_release_that_begins_alike(partial, wildcard, version):
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
def test_a_hyphen_range_includes_all_that_its_partial_ends_stand_for(low, high, version):
    expected = low <= version[: len(low)] and version[: len(high)] <= high
    range_ = Range.parse(f"{dotted(low)} - {dotted(high)}", SEMVER)
    assert expected == range_.admits(semver(dotted(version)))


@relaxed
@given(symbol=st.sampled_from(["", "~", "^"]), partial=partials, release=releases, pre=pre_releases)
def test_no_pre_release_is_in_a_range_that_names_none(symbol, partial, release, pre):
    range_ = Range.parse(f"{symbol}{dotted(partial)}", SEMVER)
    assert not range_.admits(semver(whole((release, pre))))


@relaxed
@given(bounds=st.lists(whole_bounds, min_size=1, max_size=3), glue=glues, version=versions)
def test_a_pre_release_needs_a_bound_of_the_same_numbers_that_names_one(bounds, glue, version):
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
