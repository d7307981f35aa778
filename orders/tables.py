"""The lists of orders, customers and returns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.money import Money
from backoffice.views.calendars import week_words
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Number, Text, yes_no
from orders.filters import SHIP_BY, ShipBy
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.queries.countries import country_name, country_options

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
RETURN_STATE = {
    ReturnOrder.State.REQUESTED: ("warn", "clock"),
    ReturnOrder.State.RECEIVED: ("info", "package"),
    ReturnOrder.State.INSPECTED: ("ok", "circle-check"),
    ReturnOrder.State.REFUSED: ("wait", "ban"),
}


def payment_state(order: Order) -> SafeString:
    token, sign = PAYMENT[Order.Payment(order.payment)]
    return ui.status(token, order.get_payment_display(), sign)


def fulfilment_state(order: Order) -> SafeString:
    if order.is_held:
        return ui.status("bad", "On hold", "hand-stop")
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


def tags(order: Order) -> SafeString | str:
    if not order.tags:
        return ui.NONE
    return format_html('<span class="nowrap">{}</span>', ", ".join(order.tags))


def state_of_return(row: ReturnOrder) -> SafeString:
    token, sign = RETURN_STATE[ReturnOrder.State(row.state)]
    return ui.status(token, row.get_state_display(), sign)


class Tagged(Text):
    """Has this tag."""

    def condition(self, values: Sequence[str]) -> Q:
        return Q(tags__overlap=list(values))


def channel_options() -> list[tuple[str, str]]:
    return [
        (key, name) for key, name in Channel.objects.order_by("name").values_list("key", "name")
    ]


ORDERS = Workbench[Order](
    key="orders.orders",
    title="Orders",
    noun="order",
    url_name="order_list",
    permission="orders.view_order",
    queryset=lambda user: Order.objects.all(),
    decorate=lambda rows: rows.select_related("customer", "channel"),
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
        Choice(key="returns", label="Return", options=Order.Return.choices, field="returns"),
        Amount(key="total", label="Total", field="total", pinned=True),
        Day(key="placed", label="Placed", field="placed_at", pinned=True),
        Choice(key="country", label="Ships to", options=country_options, field="ship_country"),
        yes_no("abroad", "Ships outside the United Kingdom", ~Q(ship_country__in=["GB", ""])),
        Choice(key="channel", label="Channel", options=channel_options, field="channel__key"),
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
            "fulfilment=unshipped&fulfilment=part_shipped&held=no&sort=ship_by",
            empty="Everything that may leave has left.",
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
    bulk=("orders.tag", "orders.untag", "orders.hold", "orders.release"),
    empty=Empty("No orders yet.", "They arrive from your channels, or by an import of history."),
)

CUSTOMERS = Workbench[Customer](
    key="orders.customers",
    title="Customers",
    noun="customer",
    url_name="customer_list",
    permission="orders.view_customer",
    queryset=lambda user: Customer.objects.all(),
    row_label=lambda customer: customer.number,
    row_url=lambda customer: reverse("customer_detail", args=[customer.number]),
    columns=(
        Column("number", "Customer", "number", sort="number", main=True),
        Column("name", "Name", "name", sort="name", wide=True),
        Column("email", "Mail", "email", default=False),
        Column("country", "Country", lambda c: country_name(c.country), sort="country"),
        Column("tags", "Tags", lambda c: ", ".join(c.tags) or ui.NONE),
        Column("orders", "Orders", "orders_count", sort="orders_count", kind="number"),
        Column("spend", "Spent, net", lambda c: c.spend, sort="lifetime_spend", kind="money"),
        Column("last", "Last order", "last_order_at", sort="last_order_at", kind="time"),
    ),
    filters=(
        Choice(
            key="country",
            label="Country",
            options=country_options,
            field="country",
            pinned=True,
        ),
        Number(key="orders", label="Orders", field="orders_count"),
        Amount(
            key="spend",
            label="Spent, net",
            field="lifetime_spend",
            currency_field="spend_currency",
        ),
        Day(key="last", label="Last order", field="last_order_at"),
    ),
    search=("number__istartswith", "name__istartswith", "email__istartswith"),
    search_hint="Number, name or mail",
    sort=("-last_order_at",),
    views=(
        View("all", "All"),
        View("top", "Top spenders", "spend=gte:1000&sort=-spend"),
        View("lapsed", "Lapsed", "orders=gte:2&sort=last"),
    ),
    empty=Empty("No customers yet.", "They come with their first order."),
)

RETURNS = Workbench[ReturnOrder](
    key="orders.returns",
    title="Returns",
    noun="return",
    url_name="return_list",
    permission="orders.view_returnorder",
    queryset=lambda user: ReturnOrder.objects.all(),
    decorate=lambda rows: rows.select_related("order"),
    row_label=lambda row: row.number,
    row_url=lambda row: reverse("return_detail", args=[row.number]),
    columns=(
        Column("number", "Return", "number", sort="number", main=True),
        Column("order", "Order", lambda r: r.order.number if r.order else ui.NONE),
        Column("state", "State", state_of_return, sort="state", export=lambda r: r.state),
        Column("reason", "Reason", lambda r: r.get_reason_display(), wide=True),
        Column("units", "Units", "units", sort="units", kind="number"),
        Column(
            "amount", "Worth", lambda r: Money(r.amount, r.currency), sort="amount", kind="money"
        ),
        Column("requested", "Requested", "requested_at", sort="requested_at", kind="time"),
    ),
    filters=(
        Choice(
            key="state",
            label="State",
            options=ReturnOrder.State.choices,
            field="state",
            pinned=True,
        ),
        Choice(key="reason", label="Reason", options=ReturnOrder.Reason.choices, field="reason"),
        yes_no("matched", "Order found", Q(order__isnull=False)),
        Day(key="requested", label="Requested", field="requested_at", pinned=True),
    ),
    search=("number__istartswith", "order__number__istartswith"),
    sort=("-requested_at",),
    views=(
        View("all", "All"),
        View("open", "Open", "state=requested&state=received&sort=requested"),
        View("unmatched", "No order found", "matched=no"),
    ),
    empty=Empty("No returns yet.", "Ask for one on an order's page."),
)

CARRIERS = Workbench[CarrierService](
    key="orders.carriers",
    title="Carriers",
    noun="service",
    url_name="carrier_list",
    permission="orders.view_carrierservice",
    queryset=lambda user: CarrierService.objects.all(),
    decorate=lambda rows: rows.select_related("calendar"),
    row_label=str,
    row_url=lambda service: reverse("carrier_detail", args=[service.key]),
    columns=(
        Column("name", "Service", str, sort=("carrier", "name"), main=True, wide=True),
        Column("cutoff", "Cut-off", lambda s: f"{s.cutoff:%H:%M}", sort="cutoff"),
        Column("zone", "Time zone", "time_zone"),
        Column("days", "Collects on", lambda s: week_words(s.weekdays)),
        Column("calendar", "Not on days closed in", "calendar.name"),
        Column("active", "In use", "is_active"),
    ),
    search=("carrier__icontains", "name__icontains"),
    search_hint="Carrier or service",
    sort=("carrier", "name"),
    actions_template="orders/_carrier_list_actions.html",
    empty=Empty(
        "No carrier services yet.",
        "Without one, orders must be ready by the end of a working day.",
    ),
)

CHANNELS = Workbench[Channel](
    key="orders.channels",
    title="Channels",
    noun="channel",
    url_name="channel_list",
    permission="orders.view_channel",
    queryset=lambda user: Channel.objects.all(),
    decorate=lambda rows: rows.select_related("service", "location", "legal_entity"),
    row_label=str,
    row_url=lambda channel: reverse("channel_detail", args=[channel.key]),
    columns=(
        Column("name", "Channel", sort="name", main=True, wide=True),
        Column("kind", "Kind", lambda c: c.get_kind_display(), sort="kind"),
        Column("entity", "Company", "legal_entity.name"),
        Column("location", "Ships from", "location.name"),
        Column("service", "Ships with", lambda c: str(c.service) if c.service else ui.NONE),
        Column("promise", "Within, in collection days", "promise_days", kind="number"),
        Column("unpaid", "Ships unpaid", "ships_unpaid"),
    ),
    search=("name__icontains", "key__istartswith"),
    search_hint="Name",
    sort=("name",),
    empty=Empty("No channels yet.", "They are made when a shop is connected or imported."),
)
