"""What stands on the papers of the warehouse: pick lists and packing slips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from orders.models.orders import Order, OrderLine
from orders.models.packages import Package
from orders.queries.allocated import allocated_by_line
from orders.queries.countries import country_name
from orders.queries.figures import with_parties

# More is no list that one person walks with.
MOST_ORDERS = 500


@dataclass(slots=True)
class PickRow:
    """One SKU to take off the shelf: how many, and for which orders."""

    code: str
    name: str
    units: int = 0
    orders: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PickList:
    """What one place picks, by SKU; `left_out` counts orders beyond the most a list holds."""

    place: str
    rows: list[PickRow]
    orders: list[Order]
    left_out: int = 0

    @property
    def units(self) -> int:
        return sum(row.units for row in self.rows)


def pick_lists(place: str = "") -> list[PickList]:
    """What is on the pick list, a list for each place; of one place by its code."""
    wanted = Order.objects.filter(picking_since__isnull=False).order_by("ship_by", "pk")
    orders = list(wanted.select_related("location", "channel__location")[: MOST_ORDERS * 4])
    by_place: dict[str, list[Order]] = defaultdict(list)
    names: dict[str, str] = {}
    for order in orders:
        at = order.location or order.channel.location
        by_place[at.code].append(order)
        names[at.code] = f"{at.name} ({at.code})"
    return [
        _pick_list(names[code], by_place[code])
        for code in sorted(by_place)
        if not place or code == place
    ]


def _pick_list(name: str, orders: Sequence[Order]) -> PickList:
    taken = list(orders[:MOST_ORDERS])
    ready = allocated_by_line(order.pk for order in taken)
    numbers = {order.pk: order.number for order in taken}
    lines = OrderLine.objects.filter(pk__in=[pk for mine in ready.values() for pk in mine])
    rows: dict[str, PickRow] = {}
    for line in lines.select_related("sku").order_by("sku__code", "order__ship_by", "pk"):
        code = line.sku.code if line.sku else line.description
        row = rows.setdefault(code, PickRow(code, line.sku.name if line.sku else ""))
        units = ready[line.order_id][line.pk]
        row.units += units
        row.orders.append((numbers[line.order_id], units))
    return PickList(name, list(rows.values()), taken, len(orders) - len(taken))


@dataclass(frozen=True, slots=True)
class Slip:
    """What lies in a parcel, or what is still to leave of an order, for whoever opens it."""

    number: str
    order: Order
    seller: str
    address: list[str]
    rows: list[tuple[str, str, int]]
    tracking: str = ""


def slip_of_order(order: Order) -> Slip:
    """The whole order, as it was placed."""
    goods = order.lines.filter(kind=OrderLine.Kind.STOCK).select_related("sku")
    rows = [
        (_code(line), line.description, line.quantity - line.quantity_cancelled)
        for line in goods.order_by("position")
    ]
    return Slip(order.number, order, _seller(order), _address(order), rows)


def slip_of_parcel(package: Package, tracking: str) -> Slip:
    """One parcel; what comes in another one does not stand on it."""
    order = package.order
    lines = package.lines.select_related("order_line__sku").order_by("order_line__position")
    rows = [(_code(row.order_line), row.order_line.description, row.quantity) for row in lines]
    return Slip(package.number, order, _seller(order), _address(order), rows, tracking)


def _code(line: OrderLine) -> str:
    return line.sku.code if line.sku else ""


def _seller(order: Order) -> str:
    with_parties([order])
    return order.channel.legal_entity.name


def _address(order: Order) -> list[str]:
    if order.pickup_at is not None:
        return [order.ship_name, f"collected at {order.pickup_at.name}"]
    town = f"{order.ship_postcode} {order.ship_city}".strip()
    parts = [order.ship_name, *order.ship_lines.splitlines(), town]
    country = country_name(order.ship_country) if order.ship_country else ""
    return [part for part in [*parts, country] if part]
