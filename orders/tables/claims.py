"""The lists of claims and of exchanges."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.tables.stores import store_filters

CLAIM = {
    Claim.State.OPEN: ("warn", "clock"),
    Claim.State.RESHIPPED: ("ok", "truck"),
    Claim.State.REFUNDED: ("ok", "receipt-refund"),
    Claim.State.REFUSED: ("wait", "ban"),
}


def claim_state(claim: Claim) -> SafeString:
    token, sign = CLAIM[Claim.State(claim.state)]
    return ui.status(token, claim.get_state_display(), sign)


def answer_by(claim: Claim) -> SafeString | str:
    """By when the customer hears from us; a warning once that is over."""
    if claim.state != Claim.State.OPEN:
        return ui.NONE
    said = ui.moment(claim.answer_by)
    late = claim.answer_by < timezone.now()
    return ui.status("bad", said, "clock-x") if late else ui.status("wait", said, "clock")


CLAIMS = Workbench[Claim](
    key="orders.claims",
    title="Claims",
    noun="claim",
    url_name="claim_list",
    permission="orders.view_claim",
    queryset=lambda user: Claim.objects.all(),
    decorate=lambda rows: rows.select_related("order__channel"),
    row_label=lambda claim: claim.number,
    row_url=lambda claim: reverse("claim_detail", args=[claim.number]),
    columns=(
        Column("number", "Claim", "number", sort="number", main=True),
        Column("order", "Order", "order.number"),
        Column("state", "State", claim_state, sort="state", export=lambda c: c.state),
        Column("reason", "Reason", lambda c: c.get_reason_display(), sort="reason", wide=True),
        Column("units", "Units", "units", sort="units", kind="number"),
        Column("amount", "Worth", lambda c: c.money, sort="amount", kind="money"),
        Column("channel", "Channel", "order.channel.name", default=False),
        Column(
            "answer", "Answer by", answer_by, sort="answer_by",
            export=lambda c: c.answer_by.isoformat(),
        ),
        Column("opened", "Opened", "opened_at", sort="opened_at", kind="time"),
    ),
    filters=(
        Choice(key="state", label="State", options=Claim.State.choices, field="state", pinned=True),
        Choice(
            key="reason", label="Reason", options=Claim.Reason.choices, field="reason", pinned=True
        ),
        *store_filters("order__channel"),
        yes_no("late", "Answer overdue", Q(state="open", answer_by__lt=Now())),
        Day(key="opened", label="Opened", field="opened_at"),
    ),
    search=("number__istartswith", "order__number__istartswith"),
    search_hint="Claim or order",
    sort=("-opened_at",),
    views=(
        View("open", "Open", "state=open&sort=answer", empty="No customer waits for an answer."),
        View("all", "All"),
    ),
    empty=Empty("No claims yet.", "Open one on an order's page when a customer complains."),
)  # fmt: skip


def due_words(row: Exchange) -> str:
    """The signed difference in words."""
    if not row.due:
        return "even"
    return f"{row.due} to pay" if row.due.amount > 0 else f"{-row.due} goes back"


def replacement_state(row: Exchange) -> str:
    made = row.replacement
    return f"{made.get_payment_display()}, {made.get_fulfilment_display().lower()}"


EXCHANGES = Workbench[Exchange](
    key="orders.exchanges",
    title="Exchanges",
    noun="exchange",
    url_name="exchange_list",
    permission="orders.view_exchange",
    queryset=lambda user: Exchange.objects.all(),
    decorate=lambda rows: rows.select_related("order__channel", "return_order", "replacement"),
    row_label=lambda row: row.number,
    row_url=lambda row: reverse("exchange_detail", args=[row.number]),
    columns=(
        Column("number", "Exchange", "number", sort="number", main=True),
        Column("order", "Order", "order.number"),
        Column("back", "Return", lambda r: r.return_order.get_state_display()),
        Column("new", "New order", "replacement.number"),
        Column("state", "New order is", replacement_state, wide=True),
        Column("credit", "Comes back", lambda r: r.money("credit"), sort="credit", kind="money"),
        Column("price", "Leaves", lambda r: r.money("price"), sort="price", kind="money"),
        Column("due", "Difference", lambda r: r.due, sort="difference", kind="money"),
        Column("channel", "Channel", "order.channel.name", default=False),
        Column("made", "Made", "made_at", sort="made_at", kind="time"),
    ),
    filters=(
        Choice(
            key="due", label="Difference", pinned=True,
            options=[("pay", "To pay"), ("even", "Even"), ("back", "Goes back")],
            where={
                "pay": Q(difference__gt=0), "even": Q(difference=0), "back": Q(difference__lt=0),
            },
        ),
        *store_filters("order__channel"),
        Day(key="made", label="Made", field="made_at"),
    ),
    search=("number__istartswith", "order__number__istartswith", "replacement__number__iexact"),
    search_hint="Exchange or order",
    sort=("-made_at",),
    views=(
        View("all", "All"),
        View("pay", "To pay", "due=pay"),
    ),
    empty=Empty("No exchanges yet.", "Make one on the page of an order that was shipped."),
)  # fmt: skip
