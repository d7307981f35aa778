"""The ship-by clock, wound again when what it hangs on changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

from backoffice.sets import save_many
from orders.models.orders import Order
from orders.queries.clock import clocks
from orders.services.outcomes import lock_orders

OPEN = (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED)
AT_ONCE = 500


def set_ship_by(orders: Iterable[Order]) -> list[Order]:
    """Work out when these orders must leave; answers those for which that changed, unsaved."""
    rows = [order for order in orders if not order.is_history]
    if not rows:
        return []
    own = {order.service_id for order in rows if order.service_id is not None}
    known = clocks({order.channel_id for order in rows}, own)
    changed = []
    for order in rows:
        due = known.ship_by(order)
        if due != order.ship_by:
            order.ship_by = due
            changed.append(order)
    return changed


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
        changed += _rewind([order.pk for order in set_ship_by(page)])


@transaction.atomic
def _rewind(order_ids: Sequence[int]) -> int:
    if not order_ids:
        return 0
    changed = set_ship_by(order for order in lock_orders(order_ids) if order.fulfilment in OPEN)
    for order in changed:
        order.version += 1
    save_many(changed, ["ship_by", "version"])
    return len(changed)
