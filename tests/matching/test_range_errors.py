"""Texts that are no range: every message, and the nearest spelling."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.matching.ranges import Range, RangeError
from model_trigger.matching.versions import Scheme
from tests.matching import npm
from tests.support.drawn import relaxed
from tests.support.versions import INTEGER, SEMVER, any_text, complaint

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


def each(texts) -> list:
    return [pytest.param(text, id=repr(text[:40])) for text in texts]


@pytest.mark.parametrize("text", each(npm.INVALID_RANGES + INVALID_RANGES))
def test_a_text_that_is_not_a_range_is_an_error_and_never_a_guess(text):
    with pytest.raises(RangeError):
        Range.parse(text, SEMVER)


INTEGER_ALLOWED = "; allowed are `7`, `>=10`, `>=10 <20`, `10 - 20`, `7 || >=10`, `*`"
SEMVER_ALLOWED = (
    "; allowed are `1.4.0`, `>=1.4 <3`, `1.4 - 2.0`, `1.x`, `~1.4`, `^1.4`, `1 || 3`, `*`"
)
NO_INTEGERS = "cannot be read as a range of scheme integer"
NO_SEMVER = "cannot be read as a range of scheme semver"
NEAREST = "; the nearest valid spelling is"
LONE_HYPHEN = "a hyphen may only separate two plain versions"

NOT_INTEGER_RANGES = {
    ">>5": f"`>>5` {NO_INTEGERS}: `>>` is not an operator{NEAREST} `>5`",
    "==5": f"`==5` {NO_INTEGERS}: `==` is not an operator{NEAREST} `=5`",
    "=>5": f"`=>5` {NO_INTEGERS}: `=>` is not an operator{NEAREST} `>=5`",
    ">=1 =<5": f"`=<5` {NO_INTEGERS}: `=<` is not an operator{NEAREST} `<=5`",
    ">=>5": f"`>=>5` {NO_INTEGERS}: `>=>` is not an operator",
    "!=5": f"`!=5` {NO_INTEGERS}: there is no operator `!=`{NEAREST} `<5 || >5`",
    ">= ": f"`>=` {NO_INTEGERS}: a version is missing after it",
    "5 >": f"`>` {NO_INTEGERS}: a version is missing after it",
    ">=1<2": f"`>=1<2` {NO_INTEGERS}: white space is missing before `<2`{NEAREST} `>=1 <2`",
    "5 -7": f"`5 -7` {NO_INTEGERS}: a hyphen needs white space on both sides{NEAREST} `5 - 7`",
    "10-20": f"`10-20` {NO_INTEGERS}: a hyphen needs white space on both sides{NEAREST} `10 - 20`",
    "10 \u2013 20": (
        f"`10 \u2013 20` {NO_INTEGERS}: a hyphen needs white space on both sides{NEAREST} `10 - 20`"
    ),
    "10 - 20 <15": f"`10 - 20 <15` {NO_INTEGERS}: {LONE_HYPHEN}",
    "10 - >20": f"`10 - >20` {NO_INTEGERS}: {LONE_HYPHEN}",
    "7 -": f"`7 -` {NO_INTEGERS}: {LONE_HYPHEN}",
    "-1": f"`-1` {NO_INTEGERS}: a version cannot have a sign",
    "007": f"`007` {NO_INTEGERS}: a number has a leading zero{NEAREST} `7`",
    ">=vv7": f"`>=vv7` {NO_INTEGERS}: only a single `v` may precede a version{NEAREST} `>=7`",
    ">=a": f"`>=a` {NO_INTEGERS}: `a` is not a version",
    "latest": f"`latest` {NO_INTEGERS}: `latest` is not a version",
    "5+b": f"`5+b` {NO_INTEGERS}: `5+b` is not a version",
    "\x1b[0m": rf"`\x1b[0m` {NO_INTEGERS}: `\x1b[0m` is not a version",
    "5 && 7": f'`&&` {NO_INTEGERS}: white space already means "and"',
    "5 or 7": f'`or` {NO_INTEGERS}: `||` means "or"',
    "5|7": f'`5|7` {NO_INTEGERS}: `||` means "or"',
    "5,,7": f"`5,,7` {NO_INTEGERS}: a comma must separate two parts",
    "1.2.3.4": f"`1.2.3.4` {NO_INTEGERS}: a version has at most three numbers",
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
    "01.2.3": f"`01.2.3` {NO_SEMVER}: a number has a leading zero{NEAREST} `1.2.3`",
    ">01.02.03": f"`>01.02.03` {NO_SEMVER}: a number has a leading zero",
    "1.x.5 || 2": f"`1.x.5` {NO_SEMVER}: a number follows a wildcard{NEAREST} `1.x`",
    "1.2-rc": (
        f"`1.2-rc` {NO_SEMVER}: a pre-release needs three numbers before it{NEAREST} `1.2.0-rc`"
    ),
    "^1-rc.1": (
        f"`^1-rc.1` {NO_SEMVER}: a pre-release needs three numbers before it{NEAREST} `^1.0.0-rc.1`"
    ),
    "1.2.3.4": f"`1.2.3.4` {NO_SEMVER}: a version has at most three numbers",
    "~1.2.3beta": f"`~1.2.3beta` {NO_SEMVER}: `1.2.3beta` is not a version",
    "1.2 -2": f"`1.2 -2` {NO_SEMVER}: a hyphen needs white space on both sides{NEAREST} `1.2 - 2`",
    "=1.2.3 - 2": f"`=1.2.3 - 2` {NO_SEMVER}: {LONE_HYPHEN}",
    f"^{'9' * 4300}": f"`^{'9' * 199}…` {NO_SEMVER}: a number has more than 4300 digits",
}


@pytest.mark.parametrize(
    ("scheme", "text", "message"),
    [
        pytest.param(scheme, text, sentence + allowed, id=f"{scheme} {text[:40]!a}")
        for scheme, sentences, allowed in (
            (INTEGER, NOT_INTEGER_RANGES, INTEGER_ALLOWED),
            (SEMVER, NOT_SEMVER_RANGES, SEMVER_ALLOWED),
        )
        for text, sentence in sentences.items()
    ],
)
def test_a_range_that_its_scheme_cannot_have_is_reported_with_the_reason(scheme, text, message):
    with pytest.raises(RangeError) as caught:
        Range.parse(text, scheme)
    assert message == str(caught.value)


@relaxed
@given(text=any_text, scheme=st.sampled_from(Scheme))
def test_any_text_is_a_range_or_a_one_line_error_with_a_valid_suggestion(text, scheme):
    sentence = complaint(Range.parse, text, scheme)
    assert sentence.isprintable()
    for spelling in re.findall("valid spelling is `(.*?)`; allowed", sentence):
        assert not complaint(Range.parse, spelling, scheme)
