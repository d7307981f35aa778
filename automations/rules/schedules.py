"""When a schedule comes round: cron in a zone, on the days that a calendar leaves open.

A time that the clocks skip in spring comes round once, when they have moved; one that they repeat
in autumn comes round once, the first time. What comes round every so many minutes or hours goes on
at its pace. That is how Debian's cron does it, and `cronsim` follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from automations.rules.document import Every

# As far as the next open day is looked for; no business is closed for longer.
FURTHEST_DAYS = 370
MINUTE = timedelta(minutes=1)


class Days(Protocol):
    """The days of a calendar."""

    def closed(self, day: date) -> str:
        """Why it is closed that day; empty on an open day."""
        ...


class EveryDay:
    """No calendar: every day is open."""

    def closed(self, day: date) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time a schedule comes round, in UTC.

    `closed` says why nothing is done then, empty when something is; `moved_from` is the time of a
    closed day that it stands for.
    """

    at: datetime
    closed: str = ""
    moved_from: datetime | None = None


def check_cron(cron: str) -> None:
    """Raise ValueError with a sentence for people when a cron expression never comes round."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    try:
        next(CronSim(cron, start))
    except CronSimError as error:
        what = str(error).removeprefix("Bad ").replace("-", " ")
        raise ValueError(f"This schedule can't be read: look at the {what}.") from error
    except StopIteration as error:
        raise ValueError("This schedule never comes round: there is no such date.") from error


def coming(every: Every, days: Days, after: datetime) -> Iterator[Slot]:
    """The slots after a moment, in order; endless."""
    zone = ZoneInfo(every.zone)
    floor = _minute(after)
    # A time just gone may have been moved from a closed day to one that is still to come.
    before = CronSim(every.every, (floor + MINUTE).astimezone(zone), reverse=True)
    nominal = next(before, None) or _following(every.every, floor.astimezone(zone))
    while True:
        following = _following(every.every, nominal)
        slot = _slot(nominal, following, days)
        if slot.at > after:
            yield slot
        nominal = following


def firing(every: Every, days: Days, after: datetime) -> Iterator[Slot]:
    """The slots after a moment at which something is done; ends when no day is open any more."""
    zone = ZoneInfo(every.zone)
    while True:
        for slot in coming(every, days, after):
            if not slot.closed:
                yield slot
                continue
            opens = _next_open(slot.at.astimezone(zone), days)
            if opens is None:
                return
            # Weeks of closed quarters of an hour are not gone through one by one.
            midnight = opens.replace(hour=0, minute=0, fold=0)
            after = max(slot.at, midnight.astimezone(UTC) - MINUTE)
            break


def _following(cron: str, at: datetime) -> datetime:
    """The first time after one. Looking back decides: looking ahead, `cronsim` can jump over one.

    That is where clocks move by half an hour, as on Lord Howe Island.
    """
    found = next(CronSim(cron, at))
    for earlier in CronSim(cron, found, reverse=True):
        if earlier <= at:
            break
        found = earlier
    return found


def past(every: Every, days: Days, after: datetime, until: datetime, most: int) -> list[Slot]:
    """The slots after `after` and not after `until`, in order; of more than `most` the latest."""
    zone, floor = ZoneInfo(every.zone), _minute(until)
    # What the clock shows now comes round now: the iterator only gives what lies before it.
    times = CronSim(every.every, (floor + MINUTE).astimezone(zone), reverse=True)
    found: list[datetime] = []
    for nominal in times:
        found.append(nominal)
        # One before `after` too: it may have been moved past it from a closed day.
        if nominal <= after or len(found) > most:
            break
    found.reverse()
    following = _following(every.every, floor.astimezone(zone))
    slots = [_slot(nominal, then, days) for nominal, then in pairwise([*found, following])]
    return [slot for slot in slots if after < slot.at <= until][-most:]


def _minute(moment: datetime) -> datetime:
    """The minute a moment is in, in UTC: a local time may exist twice, or not at all."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _slot(nominal: datetime, following: datetime, days: Days) -> Slot:
    """What becomes of one time: on a closed day it moves to the next open one.

    It is left out when the schedule itself comes round again by then.
    """
    reason = days.closed(nominal.date())
    if not reason:
        return Slot(nominal.astimezone(UTC))
    target = _next_open(nominal, days)
    if target is not None and target < following:
        return Slot(target.astimezone(UTC), moved_from=nominal.astimezone(UTC))
    return Slot(nominal.astimezone(UTC), closed=reason)


def _next_open(nominal: datetime, days: Days) -> datetime | None:
    for ahead in range(1, FURTHEST_DAYS):
        day = nominal + timedelta(days=ahead)
        if not days.closed(day.date()):
            return day
    return None
