"""The list of customers."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from backoffice import ui
from backoffice.territories import countries
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Number, yes_no
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.segments import Segment, SegmentMember
from orders.queries.countries import country_name
from orders.queries.stores import company_options, store_options
from orders.tables.orders import Tagged


class OfStore(Choice):
    """Has ordered there."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)  # refuses what is none
        return Q(Exists(Order.objects.filter(customer=OuterRef("pk"), channel__key__in=values)))


class OfCompany(Choice):
    """Has ordered from that company of ours."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        companies = [int(value) for value in values]
        mine = Order.objects.filter(customer=OuterRef("pk"), channel__legal_entity__in=companies)
        return Q(Exists(mine))


class InSegment(Choice):
    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        members = SegmentMember.objects.filter(segment__slug__in=values)
        return Q(pk__in=members.values("customer_id"))


def segment_options() -> list[tuple[str, str]]:
    return list(Segment.objects.order_by("name").values_list("slug", "name"))


CUSTOMERS = Workbench[Customer](
    key="orders.customers",
    title="Customers",
    noun="customer",
    url_name="customer_list",
    permission="orders.view_customer",
    queryset=lambda user: Customer.objects.live(),
    row_label=lambda customer: customer.number,
    row_url=lambda customer: reverse("customer_detail", args=[customer.number]),
    columns=(
        Column("number", "Customer", "number", sort="number", main=True),
        Column("name", "Name", "name", sort="name", wide=True),
        Column("email", "Mail", "email", default=False),
        Column("country", "Country", lambda c: country_name(c.country), sort="country"),
        Column("company", "Company", lambda c: c.company or ui.NONE, default=False),
        Column("vat", "VAT id", lambda c: c.vat_id or ui.NONE, default=False),
        Column("rate", "Came back, %", lambda c: c.return_rate, default=False),
        Column("tags", "Tags", lambda c: ", ".join(c.tags) or ui.NONE),
        Column("orders", "Orders", "orders_count", sort="orders_count", kind="number"),
        Column("spend", "Spent, net", lambda c: c.spend, sort="lifetime_spend", kind="money"),
        Column("last", "Last order", "last_order_at", sort="last_order_at", kind="time"),
    ),
    filters=(
        Choice(
            key="country",
            label="Country",
            options=countries,
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
        yes_no("vip", "VIP", Q(vip_since__isnull=False)),
        yes_no("account", "Has an account", Q(has_login=True)),
        Tagged(key="tag", label="Tag"),
        InSegment(key="segment", label="Segment", options=segment_options),
        OfStore(key="store", label="Store", options=store_options),
        OfCompany(key="company", label="Company", options=company_options),
        Day(key="last", label="Last order", field="last_order_at"),
    ),
    search=("number__istartswith", "name__istartswith", "email__istartswith"),
    search_hint="Number, name or mail",
    sort=("-last_order_at",),
    views=(
        View("all", "All"),
        View("top", "Top spenders", "spend=gte:1000&sort=-spend"),
        View("vip", "VIPs", "vip=yes&sort=-spend", empty="Nobody has spent enough yet."),
        View("lapsed", "Lapsed", "orders=gte:2&sort=last"),
    ),
    actions_template="orders/_customer_list_actions.html",
    empty=Empty("No customers yet.", "They come with their first order."),
)
