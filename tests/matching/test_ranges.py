"""Ranges: npm's own cases, ranges of integers, and why a pre-release is kept out."""

import pytest

from model_trigger.matching.ranges import Range
from tests.matching import npm
from tests.support.versions import INTEGER, SEMVER, integer, semver


def as_npm_prints(range_: Range) -> str:
    """Return the bounds of a range like npm, which prints no `>=0.0.0`."""
    return "||".join(
        " ".join(str(bound).removeprefix("=") for bound in each.bounds) or "*"
        for each in range_.alternatives
    )


def pairs(table: dict[str, tuple[str, str]]) -> list:
    return [
        pytest.param(range_, version, inside, id=f"{range_!r} and {version}")
        for range_, versions in table.items()
        for inside, among in zip((True, False), versions, strict=True)
        for version in among.split()
    ]


@pytest.mark.parametrize(("range_", "version", "inside"), pairs(npm.RANGES))
def test_a_range_admits_what_npm_admits_and_nothing_else(range_, version, inside):
    assert inside is Range.parse(range_, SEMVER).admits(semver(version))


@pytest.mark.parametrize(
    ("range_", "bounds"),
    [
        *(
            pytest.param(*row, id=repr(row[0][:40]))
            for row in (npm.BOUNDS | npm.README_BOUNDS).items()
        ),
        *(pytest.param(*row, id=oddity) for oddity, row in npm.ODDITIES.items()),
    ],
)
def test_a_range_has_the_bounds_that_npm_computes(range_, bounds):
    assert bounds == as_npm_prints(Range.parse(range_, SEMVER))


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


@pytest.mark.parametrize(("range_", "version", "inside"), pairs(INTEGER_RANGES))
def test_an_integer_is_in_a_range_or_outside_of_it(range_, version, inside):
    assert inside is Range.parse(range_, INTEGER).admits(integer(version))


@pytest.mark.parametrize("range_", ["*", "7", ">=2"])
def test_a_range_refuses_a_version_of_another_scheme(range_):
    with pytest.raises(
        TypeError, match=r"a range of scheme integer cannot be compared with .*7\.0\.0"
    ):
        Range.parse(range_, INTEGER).admits(semver("7.0.0"))


@pytest.mark.parametrize(
    ("range_", "version", "sentence"),
    [
        pytest.param(
            "^1.4",
            "1.5.0-rc.1",
            "`1.5.0-rc.1` is a pre-release, and pre-releases of 1.5.0 match only if a bound "
            "names one, such as `>=1.5.0-0`",
            id="between the bounds",
        ),
        pytest.param(
            "*",
            "v2.0.0-rc.1+b",
            "`v2.0.0-rc.1+b` is a pre-release, and pre-releases of 2.0.0 match only if a bound "
            "names one, such as `>=2.0.0-0`",
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
