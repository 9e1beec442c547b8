"""Values in sentences: short, on one line, without secrets, with the closest valid spelling."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.text import (
    cut,
    excerpt,
    json_line,
    nearest,
    one_line,
    quoted,
    shown,
    utf16_units,
    well_formed,
)
from tests.support.drawn import relaxed

any_text = st.text(st.characters()) | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl"]))


@relaxed
@given(any_text)
def test_a_text_stays_on_one_line_and_a_plain_one_is_unchanged(text):
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
    ids=["line-break", "line-separator", "unpaired-surrogate", "umlaut"],
)
def test_unprintable_characters_are_shown_as_escapes(text, expected):
    assert expected == one_line(text)


@relaxed
@given(any_text)
def test_json_on_one_line_round_trips(text):
    line = json_line({"text": well_formed(text)})

    assert line.isprintable()
    assert {"text": well_formed(text)} == json.loads(line)


@relaxed
@given(any_text)
def test_only_unpaired_surrogates_are_replaced(text):
    found = well_formed(text)

    assert found == found.encode().decode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert text == found


@relaxed
@given(any_text | st.text("a\N{GRINNING FACE}"), st.integers(1, 20))
def test_a_text_is_cut_where_it_is_too_long_and_never_within_a_character(text, longest):
    found = cut(text, longest)

    assert utf16_units(found) <= longest
    if found != text:
        assert utf16_units(text) > longest
        assert text.startswith(found.removesuffix("…"))
        assert utf16_units(found) >= longest - 1


HOSTILE = (
    "a\nb",
    "a\r\ndecision {}",
    "\u2028decision {}",
    "\x1b[2Jdecision {}",
    "\ud800",
    "\x00",
    "\u202e",
    "x" * 100_000,
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_every_log_message_is_one_line(text, caplog):
    log = logging.getLogger("model_trigger")
    log.warning("could not read %s", text)
    log.warning(f"could not read {text}")  # noqa: G004 - it is parsed the same way

    for record in caplog.records:
        assert record.getMessage().startswith("could not read ")
        assert record.getMessage().isprintable()
        assert utf16_units(record.getMessage()) <= 30_000
    assert 2 == len(caplog.records)


def test_a_percent_sign_in_a_log_message_is_not_a_placeholder(caplog):
    logging.getLogger("model_trigger").warning("%s", "100%s %(x)s %d")

    assert ["100%s %(x)s %d"] == [record.getMessage() for record in caplog.records]


def test_no_line_of_a_traceback_looks_like_a_message(caplog):
    try:
        int("a\ndecision {}")
        pytest.fail("that is no number")
    except ValueError as error:
        error.add_note("decision {}\u2028\x1b[2J")
        logging.getLogger("model_trigger").exception("it failed")

    first, *others = caplog.text.split("\n")
    assert first.endswith("it failed")
    assert r"  decision {}\u2028\x1b[2J" in others
    assert all(line.startswith("  ") and line.isprintable() for line in others if line)


def test_long_texts_are_cut_after_200_characters():
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


def test_a_value_that_is_nested_too_deeply_is_described_as_such():
    deep = []
    for _ in range(300_000):
        deep = [deep]

    assert "a value nested too deeply" == shown(deep)


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


def test_an_address_without_a_password_is_shown_unchanged():
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
def test_the_closest_spelling_is_suggested(word, expected):
    assert expected == nearest(word, ("newer", "latest", "every"))


def test_the_suggested_spelling_is_an_allowed_one():
    assert "; did you mean 'LIVE'?" == nearest("live", ["OFF", "LIVE"])
