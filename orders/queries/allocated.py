"""What is set aside for orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Sum

from inventory.models import Reservation
from orders.models.orders import OrderLine
from orders.models.packages import PackageLine

LINE = "orders.orderline"


def allocated_by_line(order_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Units of goods ready to go by line, by order; what is kept in no stock is always ready."""
    lines = OrderLine.objects.filter(order_id__in=set(order_ids), kind=OrderLine.Kind.STOCK)
    rows = list(lines.order_by("order_id", "position"))
    claims = dict(
        Reservation.objects.filter(
            holder=LINE,
            holder_id__in=[line.pk for line in rows],
            state=Reservation.State.ALLOCATED,
        )
        .values_list("holder_id")
        .annotate(units=Sum("quantity"))
    )
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for line in rows:
        open_units = line.quantity_open
        ready = min(open_units, claims.get(line.pk, 0)) if line.is_stocked else open_units
        if ready:
            found[line.order_id][line.pk] = ready
    return found


def unpacked_by_line(order_ids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Units of goods ready to go that no open parcel holds yet, by line, by order."""
    return less_packed(allocated_by_line(order_ids))


def less_packed(ready: dict[int, dict[int, int]]) -> dict[int, dict[int, int]]:
    """The same without what open parcels hold; orders of which nothing is left are left out."""
    packed = PackageLine.objects.filter(
        package__order__in=list(ready), package__unpacked_at=None, package__shipment=None
    )
    taken = dict(packed.values_list("order_line").annotate(units=Sum("quantity")))
    found = {
        order_id: {
            pk: left for pk, units in lines.items() if (left := units - taken.get(pk, 0)) > 0
        }
        for order_id, lines in ready.items()
    }
    return {order_id: lines for order_id, lines in found.items() if lines}


def allocated_units(order_ids: Iterable[int]) -> dict[int, int]:
    """Units of goods ready to go, by order; those that have none are left out."""
    return {pk: sum(lines.values()) for pk, lines in allocated_by_line(order_ids).items()}
