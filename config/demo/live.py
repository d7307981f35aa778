"""Orders that arrive while the demonstration runs, a few a minute, from where they stopped."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from threading import Event

from django.utils import timezone

from config.demo.company import deliver, pay_due, place_live, ship_due, will_be_paid
from config.demo.slice import Slice
from config.imports.online_retail.classify import Document
from orders.models.channels import Channel
from orders.models.orders import Order

PAID_AFTER = timedelta(seconds=6)
SHIPPED_AFTER = timedelta(minutes=25)
# What nobody paid or shipped by then is left to people.
LOOKED_AT_FOR = timedelta(hours=3)
AT_ONCE = 20
TICK_SECONDS = 2.0


def run(channel: Channel, part: Slice, per_minute: float, stop: Event) -> None:
    """Let orders arrive until `stop` is set; what is kept in memory does not grow."""
    coming = upcoming(channel, part)
    wait = 0.0
    while not stop.wait(min(TICK_SECONDS, wait) if wait > 0 else 0):
        wait -= TICK_SECONDS
        if wait <= 0:
            cycle, document = next(coming)
            place_live(channel, cycle, [document], part)
            wait = 60 / per_minute * random.uniform(0.5, 1.5)  # noqa: S311 - the pace of a show
        settle(channel)


def settle(channel: Channel) -> None:
    """Pay what was ordered some seconds ago, and ship what was paid a while ago."""
    now = timezone.now()
    live = Order.objects.filter(
        channel=channel, external_id__startswith="live-", cancelled_at=None
    ).select_related("channel")
    fresh = live.filter(
        payment=Order.Payment.UNPAID,
        placed_at__gt=now - LOOKED_AT_FOR,
        placed_at__lte=now - PAID_AFTER,
    ).order_by("-placed_at")
    due = [order for order in fresh[: AT_ONCE * 10] if will_be_paid(order)]
    pay_due(due[:AT_ONCE])
    ready = live.filter(
        fulfilment=Order.Fulfilment.UNSHIPPED,
        payment=Order.Payment.PAID,
        is_held=False,
        placed_at__gt=now - LOOKED_AT_FOR,
        placed_at__lte=now - SHIPPED_AFTER,
    ).order_by("placed_at")
    ship_due(list(ready[:AT_ONCE]))


def upcoming(channel: Channel, part: Slice) -> Iterator[tuple[int, Document]]:
    """What comes next, for ever: after the last order of the slice its first, in a new cycle.

    Each cycle begins with a delivery of what it will need.
    """
    cycle, place = position(channel, part)
    for number in count(cycle):
        deliver(channel, str(number), part.coming_orders)
        for document in part.coming_orders[place:]:
            yield number, document
        place = 0


def position(channel: Channel, part: Slice) -> tuple[int, int]:
    """The cycle and the place in it of the next order, told by the last one that arrived."""
    places = {each.number: place for place, each in enumerate(part.coming_orders)}
    arrived = Order.objects.filter(channel=channel, external_id__startswith="live-")
    for name in arrived.order_by("-pk").values_list("external_id", flat=True)[:1]:
        _, cycle, number = name.split("-")
        place = places.get(number, -1) + 1
        if place == len(places):
            return int(cycle) + 1, 0
        return int(cycle), place
    return 0, 0
