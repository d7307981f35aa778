"""What the pages of orders and customers show, in few queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from backoffice.counting import counted
from backoffice.money import Money
from inventory.models import StockLevel
from orders.models.channels import Channel
from orders.models.choices import ServiceChoice
from orders.models.claims import Claim
from orders.models.covers import PackageCover
from orders.models.exchanges import Exchange
from orders.models.holds import Hold
from orders.models.market import MarketOrder
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package
from orders.models.promotions import Redemption
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.queries.allocated import allocated_by_line, less_packed
from orders.queries.countries import country_name
from orders.queries.covers import threshold

LAST_ORDERS = 5
# Lines of a parcel that its row names.
CONTENTS = 4


@dataclass(frozen=True, slots=True)
class PageLine:
    """A line with what is on hand and free where this order ships from; None if not stocked."""

    line: OrderLine
    price: Money
    total: Money
    discount: Money
    ready: int
    on_hand: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class PageParcel:
    """A parcel with its live label and what is in it."""

    package: Package
    label: Label | None
    contents: str
    cover: PackageCover | None
    # From which declared value on it must be insured. None: from none.
    insure_from: Money | None

    @property
    def is_of_value(self) -> bool:
        least = self.insure_from
        return least is not None and self.package.declared_value >= least.amount

    @property
    def lacks_cover(self) -> bool:
        """Whether it is of value, and neither insured for all of it nor agreed to go without."""
        cover = self.cover
        if not self.is_of_value or cover is None:
            return self.is_of_value
        return not cover.agreed_by_id and (cover.amount or 0) < self.package.declared_value

    @property
    def waits_for_second(self) -> bool:
        """Whether somebody asks that it goes uninsured, and nobody agreed yet."""
        cover = self.cover
        return cover is not None and cover.kind == cover.Kind.UNINSURED and not cover.agreed_by_id

    @property
    def cover_words(self) -> str:
        """How it travels; empty where nobody has to care."""
        cover = self.cover
        if cover is None:
            return f"to be insured: {self.insure_from} or more" if self.is_of_value else ""
        if cover.covered is not None:
            policy = f" ({cover.policy})" if cover.policy else ""
            return f"insured for {cover.covered} with {cover.insurer}{policy}"
        if cover.agreed_by is None:
            return f"{cover.asked_label} asks to send it uninsured: {cover.why}"
        return f"goes uninsured, as {cover.asked_label} asked and {cover.agreed_by} agreed"


_MARKET = {
    MarketOrder.Status.PENDING: ("warn", "clock"),
    MarketOrder.Status.OPEN: ("info", "package"),
    MarketOrder.Status.SHIPPED: ("ok", "truck"),
    MarketOrder.Status.CANCELLED: ("bad", "ban"),
}


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
    promotions: list[Redemption]
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
    # What a marketplace says of it; None for shops.
    market: MarketOrder | None
    is_of_market: bool
    # Which carrier was chosen for it, and why; None: it leaves as its channel's orders do.
    choice: ServiceChoice | None

    @property
    def market_look(self) -> tuple[str, str, str]:
        """How its state at the marketplace looks: colour, words, sign."""
        row = self.market
        status = MarketOrder.Status.OPEN if row is None else MarketOrder.Status(row.status)
        return (_MARKET[status][0], status.label, _MARKET[status][1])

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
    set_aside = allocated_by_line([order.pk])
    others = Order.objects.filter(customer=order.customer).exclude(pk=order.pk)
    open_still = order.fulfilment in (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED)
    market = MarketOrder.objects.filter(order=order).first()
    return OrderPage(
        lines=_lines(order, lines, set_aside.get(order.pk, {})),
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
        promotions=_promotions(order),
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
        promise=_promise(order, market),
        market=market,
        choice=_choice(order),
        is_of_market=bool(order.external_id) and order.channel.kind == Channel.Kind.MARKETPLACE,
    )


def _choice(order: Order) -> ServiceChoice | None:
    """The choice that holds; none once somebody gave the order another service."""
    if order.service_id is None:
        return None
    rows = ServiceChoice.objects.select_related("service")
    return rows.filter(order=order, service=order.service_id).first()


def _promise(order: Order, market: MarketOrder | None) -> str:
    """What the time to ship by comes of; empty where there is none."""
    if order.ship_by is None:
        return ""
    if market is not None and market.ship_latest == order.ship_by:
        return f"the deadline of {order.channel}"
    return str(order.service or order.channel.service or "end of a working day")


def _lines(order: Order, lines: list[OrderLine], ready: Mapping[int, int]) -> list[PageLine]:
    stock = _stock([line.sku_id for line in lines if line.sku_id], order.ships_from_id)
    return [
        PageLine(
            line,
            order.money(line.unit_price),
            order.money(line.line_total),
            order.money(line.discount),
            ready.get(line.pk, 0),
            *stock.get(line.sku_id or 0, (None, None)),
        )
        for line in lines
    ]


def _promotions(order: Order) -> list[Redemption]:
    if not order.discount_on_lines:
        return []
    return list(order.redemptions.select_related("promotion").order_by("promotion__name"))


def _parcels(order: Order) -> list[PageParcel]:
    packages = (
        order.packages.order_by("pk")
        .select_related("cover__agreed_by")
        .prefetch_related("labels", "lines__order_line__sku")
    )
    found, least = [], threshold(order)
    for package in packages:
        live = [label for label in package.labels.all() if label.state in Label.LIVE]
        rows = list(package.lines.all())
        listed = ", ".join(
            f"{row.quantity} × {row.order_line.sku or row.order_line.description}"
            for row in rows[:CONTENTS]
        )
        if len(rows) > CONTENTS:
            listed += f" and {counted(len(rows) - CONTENTS, 'more line')}"
        cover = getattr(package, "cover", None)
        found.append(PageParcel(package, live[0] if live else None, listed, cover, least))
    return found


def _stock(sku_ids: list[int], location_id: int) -> dict[int, tuple[int, int]]:
    """On hand and free by SKU at one location."""
    levels = StockLevel.objects.filter(sku__in=sku_ids, location=location_id)
    return {
        level.sku_id: (level.on_hand, level.on_hand - level.allocated - level.reserved)
        for level in levels
    }
