"""Values in sentences: short, on one line, nothing secret, with the nearest valid spelling."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_trigger.wording import excerpt, nearest, one_line, quoted, shown

relaxed = settings(deadline=None)
any_text = st.text(st.characters()) | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl"]))


@relaxed
@given(any_text)
def test_a_text_stays_on_one_line_and_a_plain_one_as_it_is(text):
    assert one_line(text).isprintable()
    assert (one_line(text) == text) == text.isprintable()


@relaxed
@given(any_text)
def test_quoted_and_shown_texts_stay_on_one_line(text):
    assert quoted(text).isprintable()
    assert shown(text).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("line\nbreak", r"line\nbreak"), ("\u2028", r"\u2028"), ("\ud800", r"\ud800"), ("ü", "ü")],
    ids=["line-break", "line-separator", "half-a-character", "umlaut"],
)
def test_what_is_not_printable_is_shown_by_its_number(text, expected):
    assert expected == one_line(text)


def test_what_is_long_is_cut_after_200_characters():
    assert "x" * 200 == excerpt("x" * 200)
    assert "x" * 200 + "…" == excerpt("x" * 201)
    assert f"'{'x' * 200}'" == quoted("x" * 200)
    assert f"'{'x' * 200}…'" == quoted("x" * 201)
    assert '"' + "x" * 199 + "…" == shown("x" * 201)


@pytest.mark.parametrize(
    "value", [None, True, 0.9, "text", "ü", ["a", 1], {"a": {"b": None}}], ids=repr
)
def test_a_value_is_shown_as_json(value):
    assert value == json.loads(shown(value))


def test_letters_of_all_languages_stay_readable():
    assert '"Übergröße 模型"' == shown("Übergröße 模型")


def test_what_is_nested_too_deeply_to_be_shown_is_said_to_be_so():
    deep = []
    for _ in range(300_000):
        deep = [deep]

    assert "what is nested too deeply" == shown(deep)


@pytest.mark.parametrize(
    "secret",
    [
        "https://me:secret@dev.azure.com/contoso",
        "https://secret@dev.azure.com",
        "x http://secret@y",
        "https://me:a@secret@y",
    ],
)
def test_a_password_in_an_address_is_not_shown(secret):
    assert "secret" not in shown(secret)
    assert "://***@" in shown([secret])


def test_an_address_without_a_password_is_shown_as_it_is():
    assert '"https://dev.azure.com/contoso/a@b"' == shown("https://dev.azure.com/contoso/a@b")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("newst", "; did you mean 'newer'?"),
        ("LATEST", "; did you mean 'latest'?"),
        ("Every", "; did you mean 'every'?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_nearest_spelling_is_offered_when_one_is_near(word, expected):
    assert expected == nearest(word, ("newer", "latest", "every"))


def test_the_spelling_that_is_offered_is_the_one_that_is_allowed():
    assert "; did you mean 'LIVE'?" == nearest("live", ["OFF", "LIVE"])
