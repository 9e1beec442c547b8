"""When the sandbox fires a timer."""

import datetime as dt

import pytest

from tests.sandbox.host.ncrontab import Schedule


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        pytest.param(
            "0 */5 * * * *", "2026-01-01 00:05:00", "2026-01-01 00:10:00", id="every-5-min"
        ),
        pytest.param("0 */5 * * * *", "2026-01-01 00:04:59.9", "2026-01-01 00:05:00", id="at-once"),
        pytest.param("*/5 * * * *", "2026-12-31 23:57:00", "2027-01-01 00:00:00", id="five-fields"),
        pytest.param("30 5/20 * * * *", "2026-01-01 00:05:30", "2026-01-01 00:25:30", id="from-on"),
        pytest.param("0 30 9 * Jan Mon", "2026-01-05 09:30:00", "2026-01-12 09:30:00", id="names"),
        pytest.param(
            "0 0 0 13 * 5", "2026-01-01 00:00:00", "2026-02-13 00:00:00", id="day-and-weekday"
        ),
        pytest.param(
            "0 0 9-17/4,20 * * *", "2026-01-01 13:00:00", "2026-01-01 17:00:00", id="ranges"
        ),
        pytest.param("0 0 0 29 2 *", "2096-03-01 00:00:00", "2104-02-29 00:00:00", id="leap-year"),
        pytest.param("0 0 0 * * 0", "2026-01-01 12:00:00", "2026-01-04 00:00:00", id="sunday-is-0"),
    ],
)
def test_a_schedule_is_due_when_ncrontab_computes(expression, after, due):
    moment = dt.datetime.fromisoformat(after).replace(tzinfo=dt.UTC)

    expected = dt.datetime.fromisoformat(due).replace(tzinfo=dt.UTC)
    assert expected == Schedule.parse(expression).next_after(moment)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("* * *", "has 3 fields, an NCRONTAB expression has 6", id="fields"),
        pytest.param("0 0 24 * * *", "hour is '24', allowed: 0-23", id="out-of-range"),
        pytest.param("0 0 0 * * 7", "day of the week is '7', allowed: 0-6 or Sunday", id="no-7"),
        pytest.param("0 */0 * * * *", r"minute is '\*/0'", id="step-of-zero"),
        pytest.param("0 9-5 * * * *", "minute is '9-5'", id="backwards"),
        pytest.param("0 1, * * * *", "minute is ''", id="empty"),
        pytest.param("0 0 0 30 2 *", "never due", id="30-february"),
    ],
)
def test_a_schedule_that_ncrontab_refuses_is_refused(expression, message):
    with pytest.raises(ValueError, match=message):
        Schedule.parse(expression)
