"""What became of each order of a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backoffice.sets import Reader
from backoffice.versions import refuse_stale
from orders.models.orders import Order
from orders.services.errors import OrderError, UnknownOrder

_LOCKED = Reader(Order, lock=True)


@dataclass(slots=True)
class Outcomes:
    """Changed now; unchanged, since it was so already; refused, each with its reason.

    `reasons` of a release: those of the holds that it ended, by order id.
    """

    changed: list[Order] = field(default_factory=list)
    unchanged: list[Order] = field(default_factory=list)
    refused: dict[int, OrderError] = field(default_factory=dict)
    reasons: dict[int, list[str]] = field(default_factory=dict)

    def or_raise(self) -> Outcomes:
        """For one order, or all or nothing: raises the first refusal."""
        for error in self.refused.values():
            raise error
        return self


def lock_orders(ids: Iterable[int], versions: Mapping[int, int] | None = None) -> list[Order]:
    """Lock orders by key; raises StaleVersion when one is not as a form showed it."""
    orders = _LOCKED.read(ids)
    refuse_stale(orders, versions)
    return orders


def lock_order(order_id: int, version: int | None = None) -> Order:
    """Lock one order; raises UnknownOrder, StaleVersion."""
    orders = lock_orders([order_id], None if version is None else {order_id: version})
    for error in unknown([order_id], orders).values():
        raise error
    return orders[0]


def unknown(ids: Iterable[int], found: Iterable[Order]) -> dict[int, OrderError]:
    """A refusal for each id that names no order."""
    known = {order.pk for order in found}
    return {
        pk: UnknownOrder("This order does not exist any more.") for pk in ids if pk not in known
    }
