"""From an announcement to its effect, while announcements come at an even pace."""

from __future__ import annotations

import statistics
import time

from django.db import connection, transaction

from backoffice.actors import HOUSE
from orders import signals
from orders.models.orders import Order, OrderLine

EFFECTS = """
SELECT extract(epoch FROM r.finished_at - e.recorded_at) * 1000 FROM automations_run r
JOIN automations_event e ON e.id = r.event_id WHERE e.id > %s AND r.state = 'done'
"""


def milliseconds(*, per_second: int, seconds: int) -> tuple[float, float]:
    """The median and the 95th percentile; raises RuntimeError when effects are missing.

    The clock starts with the announcing transaction and stops when the run's end is written, a
    moment before its commit.
    """
    count = per_second * seconds
    last = _last_event()
    orders = list(Order.objects.select_related("channel", "customer").order_by("pk")[:count])
    lines: dict[int, list[OrderLine]] = {order.pk: [] for order in orders}
    for line in OrderLine.objects.filter(order__in=orders).select_related("sku"):
        lines[line.order_id].append(line)
    started = time.perf_counter()
    for number, order in enumerate(orders):
        time.sleep(max(0.0, started + number / per_second - time.perf_counter()))
        _announce(order, lines[order.pk], number)
    taken = _wait(last, count)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


@transaction.atomic
def _announce(order: Order, lines: list[OrderLine], number: int) -> None:
    order.units = 1 + number % 100
    signals.orders_placed.send(
        sender=Order, orders=[order], lines={order.pk: lines}, actor=HOUSE, history=False
    )


def _last_event() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM automations_event")
        return int(cursor.fetchone()[0])


def _wait(last: int, count: int) -> list[float]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(EFFECTS, [last])
            taken = [float(row[0]) for row in cursor.fetchall()]
        if len(taken) >= count:
            return taken
        time.sleep(0.2)
    raise RuntimeError(f"{len(taken)} of {count} effects came.")
