"""The list of orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.territories import countries
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Text, yes_no
from inventory.models import Location
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.tags import OrderTag
from orders.queries.countries import country_name
from orders.queries.due import PAID, TO_SHIP
from orders.queries.stores import company_options, store_options
from orders.tables.ship_by import SHIP_BY, ShipBy

OPEN_REVIEWS = Review.objects.filter(order=OuterRef("pk"), state=Review.State.OPEN)
# A cut-off so near asks for attention.
NEAR = timedelta(hours=2)
PAYMENT = {
    Order.Payment.UNPAID: ("warn", "clock"),
    Order.Payment.PART_PAID: ("warn", "clock"),
    Order.Payment.PAID: ("ok", "circle-check"),
    Order.Payment.OVERPAID: ("warn", "alert-triangle"),
    Order.Payment.PART_REFUNDED: ("info", "receipt-refund"),
    Order.Payment.REFUNDED: ("info", "receipt-refund"),
}
FULFILMENT = {
    Order.Fulfilment.NOTHING_TO_SHIP: ("wait", "minus"),
    Order.Fulfilment.UNSHIPPED: ("warn", "package"),
    Order.Fulfilment.PART_SHIPPED: ("warn", "truck"),
    Order.Fulfilment.SHIPPED: ("ok", "truck"),
    Order.Fulfilment.CANCELLED: ("wait", "ban"),
}
RETURN = {
    Order.Return.NONE: ("wait", "minus"),
    Order.Return.REQUESTED: ("info", "truck-return"),
    Order.Return.PART_RETURNED: ("info", "truck-return"),
    Order.Return.RETURNED: ("info", "truck-return"),
}


def payment_state(order: Order) -> SafeString:
    token, sign = PAYMENT[Order.Payment(order.payment)]
    return ui.status(token, order.get_payment_display(), sign)


def fulfilment_state(order: Order) -> SafeString:
    if order.is_held:
        return ui.status("bad", "On hold", "hand-stop")
    if order.picking_since is not None:
        return ui.status("info", "Being picked", "clipboard-list")
    token, sign = FULFILMENT[Order.Fulfilment(order.fulfilment)]
    return ui.status(token, order.get_fulfilment_display(), sign)


def return_state(order: Order) -> SafeString:
    token, sign = RETURN[Order.Return(order.returns)]
    return ui.status(token, order.get_returns_display(), sign)


def buyer(order: Order) -> str:
    """Who it goes to; the customer's number where no name is known."""
    if order.ship_name or order.customer is None:
        return order.ship_name or ui.NONE
    return order.customer.name or order.customer.number


def ship_by(order: Order) -> SafeString | str:
    """The cut-off of an open order, marked when it is over or near."""
    if order.ship_by is None:
        return ui.NONE
    if order.fulfilment not in (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED):
        return ui.moment(order.ship_by)
    left = order.ship_by - timezone.now()
    if left < timedelta(0):
        return ui.status("bad", ui.moment(order.ship_by), "clock-x")
    if left < NEAR:
        return ui.status("warn", ui.moment(order.ship_by), "clock")
    return ui.moment(order.ship_by)


def ships_from(order: Order) -> str:
    if order.routed == Order.Routing.NOWHERE:
        return "nowhere yet"
    return order.location.name if order.location else ui.NONE


def tags(order: Order) -> SafeString | str:
    if not order.tags:
        return ui.NONE
    words = ", ".join(order.tags)
    return format_html('<span class="clip" title="{}">{}</span>', words, words)


class Tagged(Text):
    """Has this tag."""

    def condition(self, values: Sequence[str]) -> Q:
        return Q(pk__in=OrderTag.objects.filter(tag__in=values).values("order_id"))


def place_options() -> list[tuple[str, str]]:
    kinds = Location.objects.filter(kind=Location.Kind.INTERNAL).order_by("name")
    return [(code, f"{name} ({code})") for code, name in kinds.values_list("code", "name")]


ORDERS = Workbench[Order](
    key="orders.orders",
    title="Orders",
    noun="order",
    url_name="order_list",
    permission="orders.view_order",
    queryset=lambda user: Order.objects.all(),
    decorate=lambda rows: rows.select_related("customer", "channel", "location"),
    row_label=lambda order: order.number,
    row_url=lambda order: reverse("order_detail", args=[order.number]),
    columns=(
        Column("number", "Order", "number", sort="number", main=True),
        Column("customer", "Customer", buyer, wide=True),
        Column(
            "country",
            "Ships to",
            lambda o: country_name(o.ship_country),
            sort="ship_country",
            export=lambda o: o.ship_country,
        ),
        Column("payment", "Payment", payment_state, sort="payment", export=lambda o: o.payment),
        Column(
            "fulfilment",
            "Fulfilment",
            fulfilment_state,
            sort="fulfilment",
            export=lambda o: "held" if o.is_held else o.fulfilment,
        ),
        Column("returns", "Return", return_state, default=False, export=lambda o: o.returns),
        Column("tags", "Tags", tags, export=lambda o: " ".join(o.tags)),
        Column("units", "Units", "units", sort="units", kind="number"),
        Column("total", "Total", lambda o: o.total_money, sort="total", kind="money"),
        Column("placed", "Placed", "placed_at", sort="placed_at", kind="time"),
        Column("ship_by", "Ship by", ship_by, sort="ship_by", export=lambda o: o.ship_by),
        Column("channel", "Channel", "channel.name", default=False),
        Column("place", "Ships from", ships_from, default=False),
        Column("promised", "Promised for", "promised_on", default=False),
        Column("external", "Shop's number", "external_id", default=False),
    ),
    filters=(
        Choice(
            key="payment",
            label="Payment",
            options=Order.Payment.choices,
            field="payment",
            pinned=True,
        ),
        Choice(
            key="fulfilment",
            label="Fulfilment",
            options=Order.Fulfilment.choices,
            field="fulfilment",
            pinned=True,
        ),
        ShipBy(key="ship", label="Ship by", options=SHIP_BY, pinned=True),
        yes_no("held", "On hold", Q(is_held=True)),
        yes_no(
            "payable",
            "Paid as its channel asks",
            PAID | Q(channel__ships_unpaid=True),
        ),
        yes_no("doubted", "Waits for a decision", Q(Exists(OPEN_REVIEWS))),
        yes_no("picking", "On the pick list", Q(picking_since__isnull=False)),
        yes_no("promised", "Backordered", TO_SHIP & Q(promised_on__isnull=False, awaits="")),
        yes_no("ahead", "Waits for goods sold ahead", ~Q(awaits="")),
        Choice(key="method", label="Delivered or collected", options=Order.Method.choices),
        Choice(key="place", label="Ships from", options=place_options, field="location__code"),
        Choice(key="routed", label="Place chosen because", options=Order.Routing.choices),
        Choice(key="returns", label="Return", options=Order.Return.choices, field="returns"),
        Amount(key="total", label="Total", field="total", pinned=True),
        Day(key="placed", label="Placed", field="placed_at", pinned=True),
        Choice(key="country", label="Ships to", options=countries, field="ship_country"),
        yes_no("abroad", "Ships outside the United Kingdom", ~Q(ship_country__in=["GB", ""])),
        Choice(key="channel", label="Store", options=store_options, field="channel__key"),
        Choice(
            key="company",
            label="Company",
            options=company_options,
            field="channel__legal_entity",
        ),
        Tagged(key="tag", label="Tag"),
        Text(key="customer", label="Customer number", field="customer__number", lookup="exact"),
        yes_no("history", "Imported history", Q(is_history=True)),
    ),
    search=lambda words: (
        Q(number__istartswith=words) | Q(external_id=words) | Q(ship_name__istartswith=words)
    ),
    search_hint="Number or name",
    sort=("-placed_at",),
    views=(
        View(
            "at-risk",
            "Will miss today’s cut-off",
            "ship=missing&sort=ship_by",
            default_for=("operations",),
            empty="Everything that must leave today can.",
        ),
        View("all", "All", default_for=("finance", "support", "administrator", "auditor")),
        View(
            "to-ship",
            "To ship",
            "fulfilment=unshipped&fulfilment=part_shipped&held=no&payable=yes&sort=ship_by",
            empty="Everything that may leave has left.",
        ),
        View(
            "picking",
            "Being picked",
            "picking=yes&sort=ship_by",
            empty="Nothing is on the pick list.",
        ),
        View(
            "backorders",
            "Backorders",
            "promised=yes&sort=ship_by",
            empty="Nothing waits for goods that are promised.",
        ),
        View("held", "On hold", "held=yes&sort=placed", empty="Nothing is on hold."),
        View(
            "unpaid",
            "Unpaid",
            "payment=unpaid&payment=part_paid&sort=placed",
            empty="Every order is paid.",
        ),
        View("abroad", "Abroad", "abroad=yes"),
        View("returned", "Returns", "returns=requested&returns=part_returned&returns=returned"),
    ),
    bulk=(
        "orders.tag",
        "orders.untag",
        "orders.hold",
        "orders.release",
        "orders.pick",
        "orders.unpick",
        "orders.allocate",
    ),
    actions_template="orders/_order_list_actions.html",
    empty=Empty("No orders yet.", "They arrive from your channels, or by an import of history."),
)
