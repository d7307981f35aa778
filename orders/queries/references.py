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


def by_reference(references: Collection[str]) -> dict[str, int | Ambiguous]:
    """Ids of orders by our number, else by the id that a shop gave them; unknown ones left out."""
    wanted = {reference for reference in references if reference}
    rows = Order.objects.filter(number__any=wanted).values_list("number", "pk")
    found: dict[str, int | Ambiguous] = dict(rows)
    if missing := wanted - set(found):
        for reference, several in _of_shops(missing).items():
            found[reference] = several[0] if len(several) == 1 else Ambiguous(len(several))
    return found


def _of_shops(external_ids: Collection[str]) -> dict[str, list[int]]:
    """By channel, as the index has them."""
    channels = list(Channel.objects.values_list("pk", flat=True))
    by_id: dict[str, list[int]] = defaultdict(list)
    rows = Order.objects.filter(channel_id__in=channels, external_id__any=external_ids)
    for external_id, pk in rows.order_by("pk").values_list("external_id", "pk"):
        by_id[external_id].append(pk)
    return by_id
