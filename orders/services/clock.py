"""The ship-by clock, wound again when what it hangs on changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from backoffice.sets import save_many
from orders.models.channels import Channel
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.queries.clock import clocks
from orders.services.errors import OrderError
from orders.services.outcomes import lock_orders

OPEN = (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED)
AT_ONCE = 500
# The end of the last day of the calendar is none that can be read again, in zones west of here.
FARTHEST = timedelta(days=3653)


def refuse_day(day: date | None) -> None:
    """Raise OrderError for a day that is over, or farther away than anybody promises."""
    today = timezone.localdate()
    if day is not None and day < today:
        raise OrderError("That day is over. Promise today or a later day.")
    if day is not None and day > today + FARTHEST:
        raise OrderError("Promise a day within ten years.")


def set_ship_by(orders: Iterable[Order]) -> list[Order]:
    """Work out when these orders must leave; answers those for which that changed, unsaved."""
    rows = [order for order in orders if not order.is_history]
    if not rows:
        return []
    own = {order.service_id for order in rows if order.service_id is not None}
    known = clocks({order.channel_id for order in rows}, own)
    markets = {pk for pk, each in known.channels.items() if each.kind == Channel.Kind.MARKETPLACE}
    sold = [order.pk for order in rows if order.pk and order.channel_id in markets]
    latest = _deadlines(sold) if sold else {}
    changed = []
    for order in rows:
        due = earlier(known.ship_by(order), latest.get(order.pk), order)
        if due != order.ship_by:
            order.ship_by = due
            changed.append(order)
    return changed


def earlier(ours: datetime | None, theirs: datetime | None, order: Order) -> datetime | None:
    """When an order must leave by our promise and by a marketplace's; None: there is no hurry."""
    if order.fulfilment == Order.Fulfilment.NOTHING_TO_SHIP:
        return None
    return min((each for each in (ours, theirs) if each is not None), default=None)


def _deadlines(order_ids: Sequence[int]) -> dict[int, datetime]:
    """By when marketplaces want orders handed over, by order id."""
    rows = MarketOrder.objects.filter(order__in=order_ids, ship_latest__isnull=False)
    return {row.order_id: row.ship_latest for row in rows if row.ship_latest}


def rewind_clocks(*, channel_ids: Sequence[int] | None = None) -> int:
    """Work the clocks of all open orders out again (of some channels); answers how many changed.

    Finds what a changed cut-off, promise, week or holiday means, wherever it was changed.
    """
    changed, after = 0, 0
    while True:
        rows = Order.objects.filter(
            fulfilment__in=OPEN, is_history=False, cancelled_at=None, pk__gt=after
        )
        if channel_ids is not None:
            rows = rows.filter(channel_id__in=channel_ids)
        page = list(rows.order_by("pk")[:AT_ONCE])
        if not page:
            return changed
        after = page[-1].pk
        changed += rewind([order.pk for order in set_ship_by(page)])


@transaction.atomic
def rewind(order_ids: Sequence[int]) -> int:
    """Work the clocks of these orders out again; answers how many changed."""
    if not order_ids:
        return 0
    changed = set_ship_by(order for order in lock_orders(order_ids) if order.fulfilment in OPEN)
    for order in changed:
        order.version += 1
    save_many(changed, ["ship_by", "version"])
    return len(changed)
