"""Orders at a price that can't be meant: held until a person decides, never cancelled unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backoffice.actors import Acting
from backoffice.money import Money
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.queries.prices import Outlier, outliers
from orders.services.reviews import open_reviews


def hold_outliers(orders: Sequence[Order], *, actor: Acting) -> list[Review]:
    """Hold orders just placed with a line under its floor or too far from its valid price.

    Only products that have a price, or a minimum, in the channel are looked at. Announces what
    open_reviews does.
    """
    found = outliers([order.pk for order in orders])
    alike = [order for order in orders if order.pk in found]
    return open_reviews(
        Review.Kind.PRICE,
        alike,
        {order.pk: _found(order, found[order.pk]) for order in alike},
        {order.pk: _note(order, found[order.pk][0]) for order in alike},
        actor=actor,
    )


def _found(order: Order, lines: Sequence[Outlier]) -> dict[str, Any]:
    """What the review shows: each line with what it was sold for and what it costs."""
    rows = [
        {
            "position": line.position,
            "sku": line.code,
            "unit": order.money(line.unit).as_json(),
            "valid": None if line.valid is None else order.money(line.valid).as_json(),
            "floor": None if line.floor is None else order.money(line.floor).as_json(),
            "variance": None if line.variance is None else str(line.variance),
            "under_floor": line.under_floor,
        }
        for line in lines
    ]
    return {"lines": rows}


def _note(order: Order, line: Outlier) -> str:
    sold = order.money(line.unit)
    if line.valid is not None:
        return f"{line.code} at {sold}, its price is {order.money(line.valid)}."
    floor = Money(line.floor or line.unit, order.currency)
    return f"{line.code} at {sold}, it may not cost less than {floor}."
