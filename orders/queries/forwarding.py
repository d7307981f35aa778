"""By when somebody who ships for us has to answer, and what they are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backoffice import calendars
from backoffice.calendars import OpenDays
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.queries.countries import country_name

# Nobody works for so long: the answer is due at the end of it.
LONGEST = 400


def answer_by(forwarder: Forwarder, start: datetime) -> datetime:
    """So many of the forwarder's working hours after a moment."""
    zone = ZoneInfo(forwarder.time_zone)
    key = forwarder.calendar.key if forwarder.calendar else ""
    known = calendars.load([key]).get(key) if key else None
    days = known or OpenDays("working days")
    left = timedelta(hours=forwarder.answer_hours)
    day = start.astimezone(zone).date()
    for _ in range(LONGEST):
        # Lengths are of elapsed time: a night that changes the clocks is not worked.
        opens = _moment(day, forwarder.opens_at, zone)
        closes = _moment(day, forwarder.closes_at, zone)
        begins = max(opens, start)
        if not days.closed(day) and begins < closes:
            if begins + left <= closes:
                return begins + left
            left -= closes - begins
        day += timedelta(days=1)
    return _moment(day, forwarder.closes_at, zone)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """That time of that day, in UTC, so that differences are what a clock on the wall measures."""
    return datetime.combine(day, at, zone).astimezone(ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class ForwardRow:
    """One line of what a forwarder is told."""

    reference: str
    order: str
    name: str
    street: str
    city: str
    postcode: str
    country: str
    sku: str
    what: str
    units: int


def rows_of(forwarded: Iterable[ForwardedOrder]) -> list[ForwardRow]:
    """What is to be told of these, a row for each line of each parcel."""
    ids = [row.pk for row in forwarded]
    rows = ForwardedOrder.objects.filter(pk__in=ids).select_related("order").order_by("pk")
    found = []
    for row in rows.prefetch_related("package__lines__order_line__sku"):
        order = row.order
        for line in row.package.lines.all():
            sku = line.order_line.sku
            found.append(
                ForwardRow(
                    row.reference, order.number, order.ship_name, order.ship_lines,
                    order.ship_city, order.ship_postcode, country_name(order.ship_country),
                    sku.code if sku else "", line.order_line.description, line.quantity,
                )
            )  # fmt: skip
    return found
