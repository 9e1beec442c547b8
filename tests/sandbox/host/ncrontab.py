"""Parse an NCRONTAB expression, as in timer triggers, and compute when it is next due.

The cron packages on PyPI fire if the day of the month *or* the day of the week matches, while
NCrontab requires both:
https://github.com/atifaziz/NCrontab/blob/master/NCrontab/CrontabSchedule.cs
"""

import bisect
import datetime as dt
import itertools
from dataclasses import dataclass

MONTHS = "January February March April May June July August September October November December"
WEEKDAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"

# Longer than the gap between two 29 February around a year like 2100, which is not a leap year.
HORIZON_DAYS = 366 * 9


@dataclass(frozen=True)
class Field:
    """One of the six fields: its name, its lowest and highest value, and names of its values."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> list[int]:
        """Return, in order, the values for `text`: `*`, `1,15`, `9-17`, `*/5`, `Mon-Fri`.

        Raises ValueError if the text is not a field, or a value is out of range.
        """
        return sorted({value for part in text.split(",") for value in self._part(part)})

    def _part(self, text: str) -> range:
        span, slash, step = text.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, stop = self.lowest, self.highest
        else:
            start = self._value(first)
            # NCrontab reads `5/10` as "every 10, starting from 5"
            stop = self._value(last) if dash else self.highest if slash else start
        if start > stop or (slash and not (step.isdecimal() and int(step))):
            raise self._error(text)
        return range(start, stop + 1, int(step or 1))

    def _value(self, text: str) -> int:
        for value, name in enumerate(self.names, start=self.lowest):
            if text and name.lower().startswith(text.lower()):
                return value
        if not text.isdecimal() or not self.lowest <= int(text) <= self.highest:
            raise self._error(text)
        return int(text)

    def _error(self, text: str) -> ValueError:
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return ValueError(f"{self.name} is {text!r}, allowed: {self.lowest}-{self.highest}{names}")


FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day", 1, 31),
    Field("month", 1, 12, tuple(MONTHS.split())),
    Field("day of the week", 0, 6, tuple(WEEKDAYS.split())),
)


@dataclass(frozen=True)
class Schedule:
    """When a timer is due, in UTC."""

    times: tuple[dt.time, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Parse `{second} {minute} {hour} {day} {month} {day of the week}`.

        With five fields, the second is 0. Raises ValueError if a field is invalid, with its name,
        its value and the allowed values, or if the schedule is never due.
        """
        texts = expression.split()
        if len(texts) == len(FIELDS) - 1:
            texts.insert(0, "0")
        if len(texts) != len(FIELDS):
            msg = f"{expression!r} has {len(texts)} fields, an NCRONTAB expression has 6"
            raise ValueError(msg)
        values = [field.values(text) for field, text in zip(FIELDS, texts, strict=True)]
        seconds, minutes, hours, days, months, weekdays = values
        times = (dt.time(*time) for time in itertools.product(hours, minutes, seconds))
        schedule = cls(tuple(times), tuple(days), tuple(months), tuple(weekdays))
        schedule.next_after(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        return schedule

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first due time after `moment` (UTC, aware).

        Raises ValueError if there is none, as for 30 February.
        """
        passed = bisect.bisect_right(self.times, moment.time())
        for ahead in range(HORIZON_DAYS):
            day = moment.date() + dt.timedelta(days=ahead)
            if self._is_due_on(day) and passed < len(self.times):
                return dt.datetime.combine(day, self.times[passed], dt.UTC)
            passed = 0
        msg = "the schedule is never due"
        raise ValueError(msg)

    def _is_due_on(self, day: dt.date) -> bool:
        sunday_first = day.isoweekday() % 7
        return day.day in self.days and day.month in self.months and sunday_first in self.weekdays
