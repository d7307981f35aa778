"""Orders by what others call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from orders.models.channels import Channel
from orders.models.orders import Order


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several orders that answer to one name."""

    count: int


def by_reference(references: Collection[str]) -> dict[str, Order | Ambiguous]:
    """Orders by our number, else by the id that a shop gave them; what nobody knows is left out."""
    wanted = {reference for reference in references if reference}
    found: dict[str, Order | Ambiguous] = {
        order.number: order for order in Order.objects.filter(number__any=wanted)
    }
    missing = wanted - set(found)
    if missing:
        for reference, several in _of_shops(missing).items():
            found[reference] = several[0] if len(several) == 1 else Ambiguous(len(several))
    return found


def _of_shops(external_ids: Collection[str]) -> dict[str, list[Order]]:
    """By channel, as the index has them."""
    channels = list(Channel.objects.values_list("pk", flat=True))
    by_id: dict[str, list[Order]] = defaultdict(list)
    rows = Order.objects.filter(channel_id__in=channels, external_id__any=external_ids)
    for order in rows.order_by("pk"):
        by_id[order.external_id].append(order)
    return by_id
