"""The list of returns."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.money import Money
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no
from orders.models.returns import ReturnOrder
from orders.tables.stores import store_filters

RETURN_STATE = {
    ReturnOrder.State.REQUESTED: ("warn", "clock"),
    ReturnOrder.State.AUTHORISED: ("info", "check"),
    ReturnOrder.State.RECEIVED: ("info", "package"),
    ReturnOrder.State.INSPECTED: ("ok", "circle-check"),
    ReturnOrder.State.REFUSED: ("wait", "ban"),
}


def state_of_return(row: ReturnOrder) -> SafeString:
    token, sign = RETURN_STATE[ReturnOrder.State(row.state)]
    return ui.status(token, row.get_state_display(), sign)


def in_window(row: ReturnOrder) -> SafeString | str:
    """Whether it was asked for in time; nothing where no order says."""
    if row.return_by is None:
        return ui.NONE
    return ui.status("bad", "Late", "clock-x") if row.is_late else ui.status("ok", "In time")


RETURNS = Workbench[ReturnOrder](
    key="orders.returns",
    title="Returns",
    noun="return",
    url_name="return_list",
    permission="orders.view_returnorder",
    queryset=lambda user: ReturnOrder.objects.all(),
    decorate=lambda rows: rows.select_related("order", "channel"),
    row_label=lambda row: row.number,
    row_url=lambda row: reverse("return_detail", args=[row.number]),
    columns=(
        Column("number", "Return", "number", sort="number", main=True),
        Column("order", "Order", lambda r: r.order.number if r.order else ui.NONE),
        Column("state", "State", state_of_return, sort="state", export=lambda r: r.state),
        Column("channel", "Channel", "channel.name", default=False),
        Column("reason", "Reason", lambda r: r.get_reason_display(), wide=True),
        Column("late", "Window", in_window, export=lambda r: "late" if r.is_late else "in time"),
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
        yes_no("late", "Asked for late", Q(is_late=True)),
        yes_no("matched", "Order found", Q(order__isnull=False)),
        Day(key="requested", label="Requested", field="requested_at", pinned=True),
        *store_filters("channel"),
    ),
    search=("number__istartswith", "order__number__istartswith", "tracking__iexact"),
    search_hint="Return, order, tracking",
    actions_template="orders/_return_list_actions.html",
    sort=("-requested_at",),
    views=(
        View("all", "All"),
        View("open", "Open", "state=requested&state=authorised&state=received&sort=requested"),
        View("ask", "To authorise", "state=requested&sort=requested"),
        View("inspect", "To inspect", "state=received&sort=requested"),
        View("unmatched", "No order found", "matched=no"),
    ),
    empty=Empty("No returns yet.", "Ask for one on an order's page, or take one down here."),
)
