"""The cursor from which a page of decisions continues."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_trigger.decisions.history import Cursor

days = st.dates(date(2000, 1, 2), date(2099, 12, 30))
rows = st.from_regex(r"[0-9]{12}\.[0-9]{3}\|[0-9a-f]{32}", fullmatch=True)


@given(days, st.just("") | rows)
def test_a_cursor_round_trips(day, row):
    assert Cursor(day, row) == Cursor.parse(str(Cursor(day, row)))


def test_a_day_alone_means_the_decisions_before_it():
    assert Cursor(date(2026, 11, 21)) == Cursor.parse("2026-11-22")


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-13-01", "2026-02-30", "0001-01-01", "9999-12-31", "2026-11-22|' or '1"],
)
def test_an_invalid_cursor_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not a day; expected one such as 2026-11-22"):
        Cursor.parse(text)
