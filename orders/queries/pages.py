"""What the pages of orders and customers show, in few queries."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from backoffice.money import Money
from inventory.models import StockLevel
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.queries.allocated import allocated_by_line, less_packed
from orders.queries.countries import country_name

LAST_ORDERS = 5
# Lines of a parcel that its row names.
CONTENTS = 4


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line with what is on hand and free where this order ships from; None if not stocked."""

    line: OrderLine
    price: Money
    total: Money
    ready: int
    on_hand: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class PageParcel:
    """A parcel with its live label and what is in it."""

    package: Package
    label: Label | None
    contents: str


@dataclass(frozen=True, slots=True)
class OrderPage:
    """An order as its page shows it. `due` is what is still to be paid, negative if overpaid."""

    lines: list[PageLine]
    holds: list[Hold]
    shipments: list[Shipment]
    parcels: list[PageParcel]
    returns: list[ReturnOrder]
    claims: list[Claim]
    exchanges: list[Exchange]
    follow_ups: list[Order]
    subtotal: Money
    shipping: Money
    tax: Money
    discount: Money
    total: Money
    paid: Money
    refunded: Money
    due: Money
    country: str
    last_orders: list[Order]
    is_late: bool
    is_open: bool
    to_pack: int
    place: str
    promise: str

    @property
    def overpaid(self) -> Money | None:
        """What was paid beyond the total; None when nothing was."""
        return -self.due if self.due.amount < 0 else None

    @property
    def may_claim(self) -> bool:
        """Whether something of it is not cancelled, so that somebody can miss it."""
        return any(
            row.line.quantity > row.line.quantity_cancelled
            for row in self.lines
            if row.line.kind == OrderLine.Kind.STOCK
        )

    @property
    def shipped_units(self) -> int:
        return sum(row.line.quantity_shipped for row in self.lines if row.line.is_stocked)

    @property
    def waiting_parcels(self) -> int:
        """Parcels that are packed and still here."""
        return sum(
            not row.package.unpacked_at and row.package.shipment_id is None for row in self.parcels
        )


def order_page(order: Order) -> OrderPage:
    """Everything an order's page shows beside its timeline and the parts of other apps."""
    lines = list(order.lines.select_related("sku").order_by("position"))
    stock = _stock([line.sku_id for line in lines if line.sku_id], order.ships_from_id)
    set_aside = allocated_by_line([order.pk])
    ready = set_aside.get(order.pk, {})
    others = Order.objects.filter(customer=order.customer).exclude(pk=order.pk)
    open_still = order.fulfilment in (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED)
    return OrderPage(
        lines=[
            PageLine(
                line,
                order.money(line.unit_price),
                order.money(line.line_total),
                ready.get(line.pk, 0),
                *stock.get(line.sku_id or 0, (None, None)),
            )
            for line in lines
        ],
        holds=list(order.holds.filter(released_at=None).order_by("placed_at")),
        parcels=_parcels(order),
        shipments=list(order.shipments.order_by("shipped_at")),
        returns=list(order.return_orders.order_by("requested_at")),
        claims=list(order.claims.order_by("pk")),
        exchanges=list(order.exchanges.order_by("pk")),
        follow_ups=list(order.follow_ups.order_by("pk")),
        subtotal=order.money(order.subtotal),
        shipping=order.money(order.shipping),
        tax=order.money(order.tax),
        discount=order.money(order.discount),
        total=order.total_money,
        paid=order.money(order.amount_paid),
        refunded=order.money(order.amount_refunded),
        due=order.money(order.total - order.amount_paid),
        country=country_name(order.ship_country),
        last_orders=list(others.order_by("-placed_at")[:LAST_ORDERS]) if order.customer else [],
        is_late=open_still and order.ship_by is not None and order.ship_by < timezone.now(),
        is_open=open_still,
        to_pack=sum(less_packed(set_aside).get(order.pk, {}).values()) if open_still else 0,
        place=(order.location or order.channel.location).name,
        promise=str(order.channel.service or "end of a working day") if order.ship_by else "",
    )


def _parcels(order: Order) -> list[PageParcel]:
    packages = order.packages.order_by("pk").prefetch_related("labels", "lines__order_line__sku")
    found = []
    for package in packages:
        live = [label for label in package.labels.all() if label.state in Label.LIVE]
        rows = list(package.lines.all())
        listed = ", ".join(
            f"{row.quantity} × {row.order_line.sku or row.order_line.description}"
            for row in rows[:CONTENTS]
        )
        if len(rows) > CONTENTS:
            listed += f" and {len(rows) - CONTENTS} more lines"
        found.append(PageParcel(package, live[0] if live else None, listed))
    return found


def _stock(sku_ids: list[int], location_id: int) -> dict[int, tuple[int, int]]:
    """On hand and free by SKU at one location."""
    levels = StockLevel.objects.filter(sku__in=sku_ids, location=location_id)
    return {
        level.sku_id: (level.on_hand, level.on_hand - level.allocated - level.reserved)
        for level in levels
    }
