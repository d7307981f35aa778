"""The list of customers."""

from __future__ import annotations

from django.urls import reverse

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Number
from orders.models.customers import Customer
from orders.queries.countries import country_name, country_options

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
