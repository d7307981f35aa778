"""The list of carts."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, yes_no
from orders.models.carts import Cart
from orders.tables.stores import store_filters

State = Cart.State
STATES = {
    State.OPEN: ("info", "shopping-cart"),
    State.ABANDONED: ("warn", "clock"),
    State.CONVERTED: ("ok", "circle-check"),
    State.EXPIRED: ("wait", "minus"),
}


def state_of_cart(cart: Cart) -> SafeString:
    token, sign = STATES[State(cart.state)]
    recovered = cart.state == State.CONVERTED and cart.abandoned_at is not None
    return ui.status(token, "Recovered" if recovered else cart.get_state_display(), sign)


def whose(cart: Cart) -> str:
    """Whose cart it is, as far as anybody knows."""
    if cart.customer is not None:
        return cart.customer.name or cart.customer.number
    return cart.mail or "a guest"


CARTS = Workbench[Cart](
    key="orders.carts",
    title="Carts",
    noun="cart",
    url_name="cart_list",
    permission="orders.view_cart",
    queryset=lambda user: Cart.objects.all(),
    decorate=lambda rows: rows.select_related("channel", "customer", "order"),
    row_label=lambda cart: cart.number,
    row_url=lambda cart: reverse("cart_detail", args=[cart.number]),
    columns=(
        Column("number", "Cart", "number", main=True),
        Column("customer", "Whose", whose, wide=True),
        Column("store", "Store", "channel.name"),
        Column("state", "State", state_of_cart, sort="state", export=lambda c: c.state),
        Column("units", "Units", "units", sort="units", kind="number"),
        Column("total", "Total", lambda c: c.money, sort="total", kind="money"),
        Column("active", "Touched", "active_at", sort="active_at", kind="time"),
        Column("order", "Order", lambda c: c.order.number if c.order else ui.NONE),
        Column("begun", "Begun", "opened_at", kind="time", default=False),
        Column("external", "Shop's id", "external_id", default=False),
    ),
    filters=(
        Choice(key="state", label="State", options=State.choices, field="state", pinned=True),
        *store_filters("channel"),
        Amount(key="total", label="Total", field="total", pinned=True),
        yes_no("known", "Of a customer we know", Q(customer__isnull=False)),
        yes_no(
            "recovered",
            "Recovered",
            Q(state=State.CONVERTED, abandoned_at__isnull=False),
        ),
        Day(key="active", label="Touched", field="active_at"),
    ),
    search=("number__iexact", "external_id__exact", "mail__exact"),
    search_hint="Cart, shop's id or mail",
    sort=("-active_at",),
    views=(
        View("abandoned", "Abandoned", "state=abandoned", empty="Nobody left a cart behind."),
        View("open", "Open", "state=open", empty="Nobody fills a cart right now."),
        View("recovered", "Recovered", "recovered=yes", empty="No cart came back yet."),
        View("all", "All"),
    ),
    actions_template="orders/_cart_list_actions.html",
    empty=Empty(
        "No carts yet.", "They come from your shops, or from a file. One is taken in once."
    ),
)
