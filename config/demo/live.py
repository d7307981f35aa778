"""Orders that arrive while the demonstration runs, a few a minute, from where they stopped."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from threading import Event

from django.db import OperationalError, connection
from django.utils import timezone

from config.demo.company import deliver, pay_due, place_live, ship_due, will_be_paid
from config.demo.slice import next_delivery
from config.imports.online_retail.classify import Document
from orders.models.channels import Channel
from orders.models.orders import Order

PAID_AFTER = timedelta(seconds=6)
SHIPPED_AFTER = timedelta(minutes=25)
# What nobody paid or shipped by then is left to people.
LOOKED_AT_FOR = timedelta(hours=3)
AT_ONCE = 20
TICK_SECONDS = 1.0
# After the database went away.
REST_SECONDS = 10.0
logger = logging.getLogger(__name__)


def run(channel: Channel, orders: Sequence[Document], per_minute: float, stop: Event) -> None:
    """Let these orders arrive again and again until `stop` is set; memory does not grow."""
    coming: Iterator[tuple[int, Document]] | None = None
    due = time.monotonic()
    while not stop.is_set():
        rest = TICK_SECONDS
        try:
            coming = coming or upcoming(channel, orders)
            if time.monotonic() >= due:
                cycle, document = next(coming)
                place_live(channel, cycle, [document])
                pause = random.uniform(0.5, 1.5)  # noqa: S311 - the pace of a show, no secret
                due = time.monotonic() + 60 / per_minute * pause
            settle(channel)
        except OperationalError as error:
            logger.warning("The database does not answer, trying again soon: %s", error)
            connection.close()
            coming, rest = None, REST_SECONDS
        stop.wait(rest)


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


def upcoming(channel: Channel, orders: Sequence[Document]) -> Iterator[tuple[int, Document]]:
    """What comes next, for ever: after the last order the first again, in a new cycle.

    Each cycle begins with a delivery of what it will need.
    """
    cycle, place = position(channel, orders)
    for number in count(cycle):
        deliver(channel, str(number), next_delivery(orders))
        for document in orders[place:]:
            yield number, document
        place = 0


def position(channel: Channel, orders: Sequence[Document]) -> tuple[int, int]:
    """The cycle and the place in it of the next order, told by the last one that arrived."""
    places = {each.number: place for place, each in enumerate(orders)}
    arrived = Order.objects.filter(channel=channel, external_id__startswith="live-")
    for name in arrived.order_by("-pk").values_list("external_id", flat=True)[:1]:
        _, cycle, number = name.split("-")
        place = places.get(number, -1) + 1
        if place == len(places):
            return int(cycle) + 1, 0
        return int(cycle), place
    return 0, 0
