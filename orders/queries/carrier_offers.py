"""What each carrier service would cost for an order, when it would arrive, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from backoffice.calendars import load
from backoffice.money import Money
from orders.models.carriers import CarrierService
from orders.models.orders import Order
from orders.models.packages import Package
from orders.queries.carrier_limits import not_there, too_large
from orders.queries.clock import Collection, collection_of


@dataclass(frozen=True, slots=True)
class Offer:
    """One service for one order. `arrives_on` None: nobody knows how long it takes."""

    service: CarrierService
    # None: it has none in the order's currency.
    price: Money | None
    arrives_on: date | None
    # Why it can't take the order, in a sentence; empty where it can.
    refusal: str

    @property
    def day(self) -> date:
        """When it arrives, after all others where nobody knows."""
        return self.arrives_on or date.max


def promised_on(order: Order) -> date | None:
    """The day an order must have arrived by, as its channel promised; None: no day was.

    In the company's time zone. It counts from the payment where a channel ships paid orders only.
    """
    days = order.channel.arrives_days
    if days is None:
        return None
    start = order.placed_at
    if order.paid_at is not None and not order.channel.ships_unpaid:
        start = max(start, order.paid_at)
    zone = ZoneInfo(order.channel.legal_entity.time_zone)
    return start.astimezone(zone).date() + timedelta(days=days)


def offers(order: Order, at: datetime) -> list[Offer]:
    """All services in use, those first that take the order, the cheapest first.

    Parcels that are packed and still here say what it weighs.
    """
    services = list(CarrierService.objects.filter(is_active=True).select_related("calendar"))
    days = load({each.calendar.key for each in services if each.calendar})
    packages = list(order.packages.filter(shipment=None, unpacked_at=None))
    found = [
        _offer(service, collection_of(service, days), order, packages, at) for service in services
    ]
    return sorted(found, key=_by_price)


def _by_price(offer: Offer) -> tuple[bool, bool, object, date, str]:
    price = offer.price
    amount = price.amount if price else 0
    return bool(offer.refusal), price is None, amount, offer.day, offer.service.key


def _offer(
    service: CarrierService,
    collection: Collection,
    order: Order,
    packages: Sequence[Package],
    at: datetime,
) -> Offer:
    price = None
    if service.price is not None and service.currency == order.currency:
        price = Money(service.price, order.currency)
    refusals = [says for _, says in not_there(service, order.ship_country)]
    refusals += [says for package in packages for _, says in too_large(service, package)]
    if price is None:
        refusals.append(f"{service} has no price in {order.currency}.")
    arrives = None
    if service.transit_days is not None:
        # Collected on the next day one can catch, it is so many collection days on its way.
        leaves = collection.ship_by(at, service.transit_days)
        arrives = leaves.astimezone(collection.zone).date() if leaves else None
    return Offer(service, price, arrives, next(iter(refusals), ""))
