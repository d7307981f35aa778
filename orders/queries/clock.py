"""By when an order must be ready to leave: its channel's promise, and the carrier's cut-off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backoffice import calendars
from backoffice.calendars import OpenDays
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.orders import Order

# A channel without a carrier service promises working days, until their end.
END_OF_DAY = time(23, 59, 59)
WORKING_DAYS = frozenset(calendars.WORKING_DAYS)
# Nobody collects for so long: there is no day to name.
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Collection:
    """When parcels leave: a cut-off, on some days of the week, but not on days that are closed."""

    zone: ZoneInfo
    cutoff: time = END_OF_DAY
    weekdays: frozenset[int] = WORKING_DAYS
    calendar: OpenDays | None = None

    def leaves_on(self, day: date) -> bool:
        if day.isoweekday() not in self.weekdays:
            return False
        return self.calendar is None or not self.calendar.closed(day)

    def first(self, day: date) -> date | None:
        """The first collection day from this one on; None when there is none for over a year."""
        days = (day + timedelta(days=ahead) for ahead in range(LONGEST))
        return next((each for each in days if self.leaves_on(each)), None)

    def morning_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.zone)

    def cutoff_on(self, day: date) -> datetime:
        return datetime.combine(day, self.cutoff, self.zone)

    def ship_by(self, start: datetime, days: int) -> datetime | None:
        """The cut-off so many collection days after the first that `start` can still catch."""
        day: date | None = start.astimezone(self.zone).date()
        if day is not None and start > self.cutoff_on(day):
            day += timedelta(days=1)
        day = day and self.first(day)
        for _ in range(days):
            day = day and self.first(day + timedelta(days=1))
        return self.cutoff_on(day) if day else None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The promises of some channels, read once for many orders."""

    channels: Mapping[int, Channel]
    collections: Mapping[int, Collection]
    # Of services that orders have of their own.
    services: Mapping[int, Collection]

    def ship_by(self, order: Order) -> datetime | None:
        """By when the order must be ready; None for history and where nothing is to be shipped.

        What was promised for a day goes by that day; otherwise the promise counts from the
        payment where a channel ships paid orders only.
        """
        if order.is_history or order.fulfilment == Order.Fulfilment.NOTHING_TO_SHIP:
            return None
        channel = self.channels[order.channel_id]
        collection = self.services.get(order.service_id or 0, self.collections[channel.pk])
        if order.awaits == Order.Awaits.ALL and order.promised_on is None:
            # Sold ahead without a day: there is nothing to be late for.
            return None
        if order.promised_on is not None:
            return collection.ship_by(collection.morning_of(order.promised_on), 0)
        start = order.placed_at
        if order.paid_at is not None and not channel.ships_unpaid:
            start = max(start, order.paid_at)
        return collection.ship_by(start, channel.promise_days)


def clocks(channel_ids: Iterable[int], service_ids: Iterable[int] = ()) -> Clocks:
    """The clocks of these channels, and of services that orders have of their own."""
    rows = Channel.objects.select_related("service__calendar", "legal_entity")
    channels = rows.in_bulk(set(channel_ids))
    wanted = set(service_ids)
    own = CarrierService.objects.select_related("calendar").in_bulk(wanted) if wanted else {}
    services = [*own.values(), *(each.service for each in channels.values() if each.service)]
    keys = {service.calendar.key for service in services if service.calendar}
    days = calendars.load(keys) if keys else {}
    return Clocks(
        channels,
        {pk: _collection(channel, days) for pk, channel in channels.items()},
        {pk: collection_of(service, days) for pk, service in own.items()},
    )


def _collection(channel: Channel, days: Mapping[str, OpenDays]) -> Collection:
    service = channel.service
    if service is None:
        return Collection(ZoneInfo(channel.legal_entity.time_zone))
    return collection_of(service, days)


def collection_of(service: CarrierService, days: Mapping[str, OpenDays]) -> Collection:
    """When a service collects; `days` are calendars by key."""
    return Collection(
        ZoneInfo(service.time_zone),
        service.cutoff,
        frozenset(service.weekdays),
        days.get(service.calendar.key) if service.calendar else None,
    )
