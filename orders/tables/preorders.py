"""The list of what is sold before its stock comes."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now, TruncDate
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day
from orders.models.preorders import PreOrder
from orders.queries.preorders import preorders
from orders.tables.stores import store_filters


def promised(row: PreOrder) -> SafeString | str:
    """The day as it is promised now; a warning once it is over and orders still wait."""
    if row.promised_on is None:
        return ui.status("wait", "Nobody knows yet", "calendar-due")
    said = f"{row.promised_on:%-d %b %Y}"
    late = row.promised_on < timezone.localdate() and bool(getattr(row, "waiting", 0))
    return ui.status("bad", said, "clock-x") if late else said


def state(row: PreOrder) -> SafeString:
    if row.is_open:
        return ui.status("ok", "Sold ahead", "calendar-due")
    return ui.status("wait", "Closed", "ban")


PREORDERS = Workbench[PreOrder](
    key="orders.preorders",
    title="Pre-orders",
    noun="pre-order",
    url_name="preorder_list",
    permission="orders.view_preorder",
    queryset=lambda user: preorders(),
    decorate=lambda rows: rows.select_related("channel", "sku"),
    row_label=lambda row: f"{row.number} {row.sku.code}",
    row_url=lambda row: reverse("preorder_detail", args=[row.number]),
    columns=(
        Column("number", "Pre-order", "number", sort="pk"),
        Column("sku", "SKU", "sku.code", sort="sku__code", main=True),
        Column("name", "Product", "sku.name", wide=True),
        Column("channel", "Channel", "channel.name"),
        Column("state", "State", state, export=lambda r: "open" if r.is_open else "closed"),
        Column(
            "promised", "Promised for", promised, sort="promised_on",
            export=lambda r: r.promised_on.isoformat() if r.promised_on else "",
        ),
        Column("sold", "Sold ahead", "sold", sort="sold", kind="number"),
        Column("cap", "At most", lambda r: r.cap if r.cap is not None else ui.NONE, sort="cap"),
        Column("waiting", "Orders waiting", "waiting", sort="waiting", kind="number"),
        Column("billing", "Is paid", lambda r: r.get_billing_display()),
        Column("reserve", "Is set aside", lambda r: r.get_reserve_display(), default=False),
        Column("opened", "Since", "opened_at", sort="opened_at", kind="time", default=False),
    ),
    filters=(
        Choice(
            key="state", label="State", pinned=True,
            options=[("open", "Sold ahead"), ("closed", "Closed")],
            where={"open": Q(closed_at=None), "closed": Q(closed_at__isnull=False)},
        ),
        Choice(
            key="day", label="Day", pinned=True,
            options=[("late", "Over, and orders wait"), ("unknown", "Not known")],
            where={
                "late": Q(waiting__gt=0) & Q(promised_on__lt=TruncDate(Now())),
                "unknown": Q(promised_on=None),
            },
        ),
        *store_filters("channel"),
        Day(key="promised", label="Promised for", field="promised_on"),
    ),
    search=("sku__code__istartswith", "sku__name__icontains", "number__iexact"),
    search_hint="SKU or name",
    sort=("-pk",),
    actions_template="orders/_preorder_list_actions.html",
    views=(
        View("open", "Sold ahead", "state=open", empty="Nothing is sold ahead."),
        View("late", "Late", "day=late", empty="No order waits beyond its day."),
        View("all", "All"),
    ),
    empty=Empty(
        "Nothing is sold ahead.",
        "Sell a product before its stock comes: say when it will, and how many at most.",
    ),
)  # fmt: skip
