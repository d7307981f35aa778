"""When a schedule comes round, and how it is told: cron, zones and calendars by themselves."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine import schedule
from automations.rules.document import Every
from automations.rules.rhythms import Rhythm, cron_of, rhythm_of, rhythm_words
from automations.rules.schedules import EveryDay, coming, firing, past
from backoffice import calendars
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations.schedules import (
    every,
    utc,
)
from tests.depot.models import Parcel

MORNING = utc(2027, 1, 12, 8)
BEFORE = utc(2027, 1, 11, 8)


def tagged() -> set[str]:
    return set(Parcel.objects.filter(touched__gt=0).values_list("number", flat=True))


@settings(max_examples=150, deadline=None)
@given(
    cron=st.sampled_from(
        ["30 1 * * *", "*/20 * * * *", "0 */3 * * *", "15 2 * * 1-5", "0 0 1 * *", "5 1,13 * * *"]
    ),
    zone=st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    start=st.integers(0, 265 * 24 * 60),
    hours=st.integers(1, 400),
    weekends=st.booleans(),
)
def test_looking_back_finds_what_looking_ahead_foretold(
    cron: str, zone: str, start: int, hours: int, weekends: bool
) -> None:
    days: Any = EveryDay() if weekends else calendars.OpenDays("week")
    known = Every.model_validate(every(cron, zone=zone))
    after = utc(2027, 3, 1) + timedelta(minutes=start)
    until = after + timedelta(hours=hours)
    ahead = []
    for slot in coming(known, days, after):
        if slot.at > until:
            break
        ahead.append(slot)
    assert past(known, days, after, until, 10_000) == ahead
    assert len({slot.at for slot in ahead}) == len(ahead)


def matches(cron: str, local: datetime) -> bool:
    """Whether a wall clock's time is one of a cron expression's, told the simple way."""
    minute, hour, day, month, weekday = cron.split()
    parts = (minute, local.minute), (hour, local.hour), (day, local.day), (month, local.month)
    return all(_within(part, value) for part, value in parts) and _within(
        weekday, local.isoweekday() % 7
    )


def _within(part: str, value: int) -> bool:
    found = False
    for piece in part.split(","):
        span, _, step = piece.partition("/")
        low, _, high = span.partition("-")
        inside = span == "*" or int(low) <= value <= int(high or low)
        found |= inside and (value - (0 if span == "*" else int(low))) % int(step or 1) == 0
    return found


@settings(max_examples=100, deadline=None)
@given(
    cron=st.builds(
        "{} {} {} * {}".format,
        st.sampled_from(["0", "5", "*/7", "10-20/5", "0,30"]),
        st.sampled_from(["*", "8", "*/5", "22-23"]),
        st.just("*"),
        st.sampled_from(["*", "1-5", "0", "6"]),
    ),
    start=st.integers(0, 20 * 24 * 60),
)
def test_a_schedule_comes_round_when_the_wall_clock_says_so(cron: str, start: int) -> None:
    # No clock is moved in these weeks.
    known = Every.model_validate(every(cron))
    after = utc(2027, 6, 1) + timedelta(minutes=start)
    minutes = [after + timedelta(minutes=m) for m in range(1, 2 * 24 * 60 + 1)]
    zone = ZoneInfo(known.zone)
    told = [at for at in minutes if matches(cron, at.astimezone(zone))]
    found = past(known, EveryDay(), after, minutes[-1], 10_000)
    assert [slot.at for slot in found] == told


@pytest.mark.django_db
def test_the_next_times_leave_closed_days_out() -> None:
    calendars.make_calendar("UK", today=date(2027, 1, 1), actor=person(make.author()))
    known = Every.model_validate(every(calendar="uk"))
    found = schedule.upcoming(known, 3, utc(2027, 1, 14, 12))
    assert found == [utc(2027, 1, 15, 8), utc(2027, 1, 18, 8), utc(2027, 1, 19, 8)]
    often = Every.model_validate(every("*/5 * * * *", calendar="uk"))
    assert schedule.upcoming(often, 2, utc(2027, 1, 15, 23, 55)) == [
        utc(2027, 1, 18, 0, 0),
        utc(2027, 1, 18, 0, 5),
    ]


def test_a_calendar_without_an_open_day_lets_nothing_come_round() -> None:
    never = calendars.OpenDays("never", [(date(2020, 1, 1), frozenset())])
    assert list(firing(Every.model_validate(every("*/5 * * * *")), never, MORNING)) == []


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "words", "pattern"),
    [
        ("0 8 * * *", "every day at 08:00", "daily"),
        ("30 7 * * 1-5", "every weekday at 07:30", "weekdays"),
        ("0 8 * * 1,3", "every Monday and Wednesday at 08:00", "weekly"),
        ("0 8 * * 0", "every Sunday at 08:00", "weekly"),
        ("15 6 1 * *", "on day 1 of every month at 06:15", "monthly"),
        ("*/15 * * * *", "every 15 minutes", "minutes"),
        ("0 * * * *", "every hour", "hours"),
        ("20 */4 * * *", "every 4 hours, at minute 20", "hours"),
        ("0 8-18/2 * * 1-5", "at 08:00, 10:00, 12:00, 14:00, 16:00 and 18:00", "cron"),
    ],
)
def test_a_schedule_is_told_in_words_and_edited_as_a_pattern(
    cron: str, words: str, pattern: str
) -> None:
    assert rhythm_of(cron).pattern == pattern
    if pattern != "cron":
        assert rhythm_words(cron) == words
        assert cron_of(rhythm_of(cron)) == cron
    else:
        assert rhythm_words(cron)


def test_every_pattern_has_a_cron_expression_that_comes_round() -> None:
    for pattern in ("daily", "weekdays", "weekly", "monthly", "minutes", "hours"):
        rhythm = Rhythm(pattern, "06:05", (1, 7), 28, 6 if pattern == "hours" else 5, 10)
        known = Every.model_validate(every(cron_of(rhythm)))
        assert len(list(islice(coming(known, EveryDay(), MORNING), 3))) == 3
        assert rhythm_of(cron_of(rhythm)).pattern == pattern
