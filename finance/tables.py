"""The lists of journal entries, payments and refunds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Prefetch, Q
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.money import Money
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Text
from finance.models.ledger import Account, JournalEntry, JournalLine
from finance.models.payments import Payment
from finance.models.refunds import Refund
from orders.queries.stores import company_options
from orders.tables.stores import store_filters

REFUND = {
    Refund.State.REQUESTED: ("warn", "clock"),
    Refund.State.APPROVED: ("ok", "circle-check"),
    Refund.State.PAID: ("ok", "circle-check"),
    Refund.State.REJECTED: ("bad", "x"),
    Refund.State.WITHDRAWN: ("wait", "ban"),
}


def refund_state(refund: Refund) -> SafeString:
    token, sign = REFUND[Refund.State(refund.state)]
    return ui.status(token, refund.get_state_display(), sign)


def amount_of(entry: JournalEntry) -> str:
    """What the entry moves: its debits, by currency."""
    sums: dict[str, Decimal] = {}
    for line in entry.lines.all():
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + line.debit
    return ", ".join(str(Money(amount, currency)) for currency, amount in sorted(sums.items()))


def accounts_of(entry: JournalEntry) -> str:
    names = {line.account.name for line in entry.lines.all()}
    return ", ".join(sorted(names))


def account_options() -> list[tuple[str, str]]:
    return [(str(account.pk), str(account)) for account in Account.objects.order_by("code")]


class OnAccount(Choice):
    """Entries with a line on one of these accounts."""

    def condition(self, values: Sequence[str]) -> Q:
        known = dict(self.choices)
        wanted = [int(value) for value in values if value in known]
        lines = JournalLine.objects.filter(account__in=wanted)
        return Q(pk__in=lines.values("entry"))


_LINES = Prefetch("lines", JournalLine.objects.select_related("account").order_by("position"))

LEDGER = Workbench[JournalEntry](
    key="finance.entries",
    title="Ledger",
    noun="entry",
    nouns="entries",
    url_name="ledger",
    permission="finance.view_journalentry",
    queryset=lambda user: JournalEntry.objects.all(),
    decorate=lambda rows: rows.prefetch_related(_LINES),
    row_label=lambda entry: entry.number,
    row_url=lambda entry: reverse("entry_detail", args=[entry.number]),
    columns=(
        Column("number", "Entry", "number", sort="pk", main=True),
        Column("day", "Posted on", "posted_on", sort="posted_on"),
        Column("code", "What", lambda e: e.code.replace("_", " ")),
        Column("reference", "Reference", "reference"),
        Column("accounts", "Accounts", accounts_of, wide=True),
        Column("amount", "Amount", amount_of, kind="money"),
        Column("by", "By", "actor_label"),
        Column("recorded", "Written", "recorded_at", kind="time", default=False),
    ),
    filters=(
        OnAccount(key="account", label="Account", options=account_options, pinned=True),
        Day(key="day", label="Posted on", field="posted_on", pinned=True),
        Text(key="reference", label="Reference", field="reference", lookup="exact"),
        Text(key="code", label="What", field="code", lookup="istartswith"),
        Choice(key="company", label="Company", options=company_options, field="entity"),
    ),
    search=lambda words: (
        Q(reference=words) | Q(pk=int(words.upper().removeprefix("L-")) if _digits(words) else -1)
    ),
    search_hint="Entry or reference",
    sort=("-posted_on", "-pk"),
    views=(View("all", "All"), View("refunds", "Refunds", "code=refund")),
    actions_template="finance/_ledger_actions.html",
    empty=Empty("Nothing is booked yet.", "Payments, shipments and refunds book themselves."),
)


def _digits(words: str) -> bool:
    digits = words.upper().removeprefix("L-")
    return digits.isdecimal() and len(digits) < 19


PAYMENTS = Workbench[Payment](
    key="finance.payments",
    title="Payments",
    noun="payment",
    url_name="payment_list",
    permission="finance.view_payment",
    queryset=lambda user: Payment.objects.all(),
    decorate=lambda rows: rows.select_related("order"),
    row_label=lambda payment: payment.number,
    row_url=lambda payment: reverse("payment_detail", args=[payment.number]),
    columns=(
        Column("number", "Payment", "number", sort="pk", main=True),
        Column("order", "Order", "order.number"),
        Column("method", "Method", lambda p: p.get_method_display(), sort="method"),
        Column("provider", "Provider", "provider", sort="provider"),
        Column("reference", "Reference", "external_id", wide=True),
        Column("amount", "Amount", lambda p: p.money, sort="amount", kind="money"),
        Column("received", "Received", "received_at", sort="received_at", kind="time"),
    ),
    filters=(
        Choice(
            key="method",
            label="Method",
            options=Payment.Method.choices,
            field="method",
            pinned=True,
        ),
        Amount(key="amount", label="Amount", field="amount"),
        Day(key="received", label="Received", field="received_at", pinned=True),
        Text(key="order", label="Order", field="order__number", lookup="exact"),
        Text(
            key="customer",
            label="Customer number",
            field="order__customer__number",
            lookup="exact",
        ),
        *store_filters("order__channel"),
    ),
    search=("number__iexact", "external_id__exact", "order__number__exact"),
    search_hint="Payment, order or reference",
    sort=("-received_at",),
    empty=Empty("No payments yet.", "They come from payment providers, or are recorded by hand."),
)

REFUNDS = Workbench[Refund](
    key="finance.refunds",
    title="Refunds",
    noun="refund",
    url_name="refund_list",
    permission="finance.view_refund",
    queryset=lambda user: Refund.objects.all(),
    decorate=lambda rows: rows.select_related("order", "requested_by", "approved_by"),
    row_label=lambda refund: refund.number,
    row_url=lambda refund: reverse("refund_detail", args=[refund.number]),
    columns=(
        Column("number", "Refund", "number", sort="pk", main=True),
        Column("order", "Order", "order.number"),
        Column("state", "State", refund_state, sort="state", export=lambda r: r.state),
        Column("reason", "Reason", lambda r: r.get_reason_display(), wide=True),
        Column("by", "Asked by", "actor_label"),
        Column("decided", "Decided by", lambda r: r.approved_by or ui.NONE),
        Column("amount", "Amount", lambda r: r.money, sort="amount", kind="money"),
        Column("requested", "Asked", "requested_at", sort="requested_at", kind="time"),
    ),
    filters=(
        Choice(
            key="state", label="State", options=Refund.State.choices, field="state", pinned=True
        ),
        Choice(key="reason", label="Reason", options=Refund.Reason.choices, field="reason"),
        Amount(key="amount", label="Amount", field="amount", pinned=True),
        Day(key="requested", label="Asked", field="requested_at"),
        *store_filters("order__channel"),
    ),
    search=("number__iexact", "order__number__exact"),
    search_hint="Refund or order",
    sort=("-requested_at",),
    views=(
        View(
            "waiting",
            "Waiting",
            "state=requested&sort=requested",
            default_for=("finance",),
            empty="No refund waits for finance.",
        ),
        View("all", "All"),
    ),
    empty=Empty("No refunds yet.", "Ask for one on an order's page, or let a rule ask."),
    actions_template="finance/_refund_list_actions.html",
)
