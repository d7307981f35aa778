"""Commercial calendars: which days are worked. Each change is dated, and in the audit trail."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.utils.text import slugify

from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import Calendar, CalendarDay, CalendarWeek

SUBJECT = "backoffice.calendar"
WORKING_DAYS = (1, 2, 3, 4, 5)


class CalendarError(Exception):
    """A change of a calendar that is refused; the message says what to do."""


class CalendarStale(CalendarError):
    """Someone else changed the calendar meanwhile."""


@dataclass(frozen=True, slots=True)
class OpenDays:
    """A calendar as it is read: its weeks in order of their first day, and days that differ."""

    name: str
    weeks: Sequence[tuple[date, frozenset[int]]] = ()
    days: Mapping[date, tuple[bool, str]] = field(default_factory=dict)

    def closed(self, day: date) -> str:
        """Why it is closed that day, in a few words; empty on an open day."""
        if (known := self.days.get(day)) is not None:
            is_open, name = known
            return "" if is_open else name
        at = bisect_right(self.weeks, day, key=lambda week: week[0])
        worked = self.weeks[max(0, at - 1)][1] if self.weeks else frozenset(WORKING_DAYS)
        return "" if day.isoweekday() in worked else f"closed on {day:%A}s"


def load(keys: Iterable[str]) -> dict[str, OpenDays]:
    """Calendars by key, in three queries; one that is gone is left out."""
    wanted = Calendar.objects.filter(key__in=set(keys)).prefetch_related("weeks", "days")
    return {
        calendar.key: OpenDays(
            calendar.name,
            [(week.from_day, frozenset(week.open_days)) for week in calendar.weeks.all()],
            {each.day: (each.is_open, each.name) for each in calendar.days.all()},
        )
        for calendar in wanted
    }


def _locked(calendar_id: int, version: int) -> Calendar:
    calendar = Calendar.objects.select_for_update(no_key=True).get(pk=calendar_id)
    if calendar.version != version:
        raise CalendarStale("Someone changed this calendar meanwhile. Look at it again.")
    return calendar


def _changed(calendar: Calendar, what: str, actor: Actor, **detail: object) -> None:
    calendar.version += 1
    calendar.save(update_fields=["version"])
    audit.record(f"calendars.{what}", SUBJECT, calendar.pk, actor=actor, **detail)


def _free_key(name: str) -> str:
    base = slugify(name)[:32] or "calendar"
    taken = set(Calendar.objects.filter(key__startswith=base).values_list("key", flat=True))
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)


@transaction.atomic
def make_calendar(
    name: str, *, today: date, open_days: Sequence[int] = WORKING_DAYS, actor: Actor
) -> Calendar:
    """Make a calendar whose week holds from today on; its key never changes."""
    if Calendar.objects.filter(name__iexact=name).exists():
        raise CalendarError(f"There is a calendar “{name}” already.")
    calendar = Calendar.objects.create(key=_free_key(name), name=name)
    CalendarWeek.objects.create(calendar=calendar, from_day=today, open_days=sorted(set(open_days)))
    audit.record("calendars.made", SUBJECT, calendar.pk, actor=actor, key=calendar.key)
    return calendar


@transaction.atomic
def change_week(
    calendar_id: int,
    *,
    version: int,
    from_day: date,
    open_days: Sequence[int],
    today: date,
    actor: Actor,
) -> Calendar:
    """Work other days of the week from a day on, which is after today; raises CalendarError."""
    calendar = _locked(calendar_id, version)
    if from_day <= today:
        raise CalendarError("Days that are over, and today, stay as they were. Choose a later day.")
    worked = sorted(set(open_days))
    CalendarWeek.objects.update_or_create(
        calendar=calendar, from_day=from_day, defaults={"open_days": worked}
    )
    _changed(calendar, "week_changed", actor, from_day=from_day.isoformat(), open_days=worked)
    return calendar


@transaction.atomic
def set_days(
    calendar_id: int,
    days: Sequence[tuple[date, str]],
    *,
    is_open: bool,
    version: int,
    today: date,
    actor: Actor,
) -> Calendar:
    """Close these days, or work them, whatever their week says; raises CalendarError."""
    calendar = _locked(calendar_id, version)
    if any(day < today for day, _ in days):
        raise CalendarError("That day is over. Choose today or a later day.")
    for day, name in days:
        CalendarDay.objects.update_or_create(
            calendar=calendar, day=day, defaults={"is_open": is_open, "name": name}
        )
    told = [day.isoformat() for day, _ in days]
    _changed(calendar, "opened" if is_open else "closed", actor, days=told)
    return calendar


@transaction.atomic
def clear_day(calendar_id: int, day: date, *, version: int, today: date, actor: Actor) -> Calendar:
    """Let a day be what its week says again; raises CalendarError for a day that is over."""
    calendar = _locked(calendar_id, version)
    if day < today:
        raise CalendarError("That day is over: what it was stays on record.")
    gone, _ = CalendarDay.objects.filter(calendar=calendar, day=day).delete()
    if gone:
        _changed(calendar, "cleared", actor, day=day.isoformat())
    return calendar
