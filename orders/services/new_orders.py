"""What is looked at in every live order before it may go on."""

from __future__ import annotations

from collections.abc import Sequence

from backoffice.actors import Acting
from orders.models.orders import Order
from orders.queries.figures import with_parties
from orders.services.addresses import hold_bad_addresses
from orders.services.carts import convert_carts
from orders.services.credit import hold_over_limit
from orders.services.drafts import NewOrder
from orders.services.duplicates import hold_duplicates
from orders.services.marks import write_marks
from orders.services.price_checks import hold_outliers
from orders.services.screening import screen_orders


def look_at_new(orders: Sequence[Order], drafts: Sequence[NewOrder], *, actor: Acting) -> None:
    """Screen orders just placed, check addresses and prices, find duplicates, hold over a limit.

    Their customers are locked. Each doubt is a review and a hold of its own; nothing is cancelled.
    """
    # What staff send again or exchange follows an order that was looked at, and is like it.
    looked_at = [
        (order, draft)
        for order, draft in zip(orders, drafts, strict=True)
        if order.follows_id is None
    ]
    orders, drafts = [order for order, _ in looked_at], [draft for _, draft in looked_at]
    if not orders:
        return
    with_parties(orders)
    marks = write_marks(orders, drafts)
    convert_carts(orders, marks, actor=actor)
    screen_orders(orders, marks, actor=actor)
    hold_bad_addresses(orders, actor=actor)
    hold_duplicates(orders, marks, actor=actor)
    hold_over_limit(orders, actor=actor)
    hold_outliers(orders, actor=actor)
