"""The lists of signals, of the blocklist and of credit accounts."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.counting import counted
from backoffice.money import Money
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no
from orders.models.credit import CreditAccount
from orders.models.trust import BlockEntry, MarkKind, RiskSignal
from orders.queries.countries import country_name
from orders.queries.credit import with_used
from orders.queries.screening import SignalFigures, with_verdicts

Mode = RiskSignal.Mode
MODE = {
    Mode.OFF: ("wait", "circle-off", "Off"),
    Mode.MONITOR: ("info", "eye", "Monitor"),
    Mode.REVIEW: ("warn", "hand-stop", "Review"),
    Mode.BLOCK: ("bad", "ban", "Block"),
}


def mode_of(signal: RiskSignal) -> SafeString:
    token, sign, word = MODE[Mode(signal.mode)]
    return ui.status(token, word, sign)


def looks_for(signal: RiskSignal) -> str:
    """What a signal looks for, with its figures."""
    if signal.kind == RiskSignal.Kind.VELOCITY:
        mark = MarkKind(signal.mark).label.lower()
        orders = counted(signal.orders or 0, "order")
        minutes = counted(signal.minutes or 0, "minute")
        return f"{orders} with the same {mark} within {minutes}"
    if signal.kind == RiskSignal.Kind.REGION:
        return "Billed or shipped to " + ", ".join(country_name(code) for code in signal.countries)
    return signal.get_kind_display()


def false_rate(figures: SignalFigures) -> str:
    """How many of the judged orders were no fraud."""
    if figures.false_rate is None:
        return ui.NONE
    return f"{figures.false_rate}% of {figures.judged}"


def _rate(signal: RiskSignal) -> str:
    verdicts = vars(signal)
    return false_rate(SignalFigures(0, verdicts["cleared"], verdicts["confirmed"]))


SIGNALS = Workbench[RiskSignal](
    key="orders.signals",
    title="Fraud screening",
    noun="signal",
    url_name="signal_list",
    permission="orders.view_risksignal",
    queryset=lambda user: RiskSignal.objects.all(),
    decorate=with_verdicts,
    row_label=str,
    row_url=lambda signal: reverse("signal_detail", args=[signal.key]),
    columns=(
        Column("name", "Signal", sort="name", main=True),
        Column("looks", "Looks for", looks_for, wide=True),
        Column("mode", "What follows", mode_of, sort="mode", export=lambda s: s.mode),
        Column("weight", "Weight", "weight", sort="weight", kind="number"),
        Column(
            "rate",
            "No fraud after all",
            _rate,
            hint="Of the orders it fired on and people judged in 180 days.",
        ),
    ),
    filters=(
        Choice(key="mode", label="What follows", options=Mode.choices, pinned=True),
        Choice(key="kind", label="Kind", options=RiskSignal.Kind.choices),
    ),
    search=("name__icontains",),
    search_hint="Name",
    sort=("name",),
    actions_template="orders/_signal_list_actions.html",
    context=lambda request: {"signal_kinds": RiskSignal.Kind.choices},
    empty=Empty(
        "No signals yet.",
        "Orders are not screened for fraud. A new signal only watches, until you let it hold.",
    ),
)


def block_state(entry: BlockEntry) -> SafeString:
    if entry.ended_at is not None:
        return ui.status("wait", "Taken off", "minus")
    if entry.until is not None and entry.until <= timezone.now():
        return ui.status("wait", "Run out", "clock")
    return ui.status("bad", "On the list", "ban")


_IN_FORCE = Q(ended_at__isnull=True) & (Q(until__isnull=True) | Q(until__gt=Now()))

BLOCKLIST = Workbench[BlockEntry](
    key="orders.blocklist",
    title="Blocklist",
    noun="entry",
    nouns="entries",
    url_name="block_list",
    permission="orders.view_blockentry",
    queryset=lambda user: BlockEntry.objects.all(),
    row_label=str,
    row_url=lambda entry: reverse("block_detail", args=[entry.pk]),
    columns=(
        Column("value", "Mark", "value", main=True),
        Column("kind", "Kind", lambda e: e.get_kind_display(), sort="kind"),
        Column("reason", "Why", "reason", wide=True),
        Column("state", "State", block_state, export=lambda e: e.ended_at is None),
        Column("until", "Until", "until", sort="until", kind="time"),
        Column("by", "Put there by", "actor_label"),
        Column("added", "Since", "added_at", sort="added_at", kind="time"),
    ),
    filters=(
        Choice(key="kind", label="Kind", options=MarkKind.choices, pinned=True),
        yes_no("active", "On the list", _IN_FORCE),
        Day(key="added", label="Since", field="added_at"),
    ),
    search=("value__icontains",),
    search_hint="Mark",
    sort=("-added_at",),
    views=(
        View("active", "On the list", "active=yes", empty="Nothing is on the blocklist."),
        View("all", "All"),
    ),
    actions_template="orders/_block_list_actions.html",
    empty=Empty(
        "Nothing is on the blocklist.",
        "Put a mail address, delivery address, phone number, card or IP address on it. Orders with "
        "it are stopped once a signal looks for it.",
    ),
)


def _used(account: CreditAccount) -> Money:
    return Money(vars(account)["used"], account.currency)


def _left(account: CreditAccount) -> Money:
    return account.limit_money - _used(account)


CREDITS = Workbench[CreditAccount](
    key="orders.credits",
    title="Credit",
    noun="account",
    url_name="credit_list",
    permission="orders.view_creditaccount",
    queryset=lambda user: CreditAccount.objects.all(),
    decorate=lambda rows: with_used(rows).select_related("customer"),
    row_label=lambda account: account.customer.name or account.customer.number,
    row_url=lambda account: reverse("customer_detail", args=[account.customer.number]),
    columns=(
        Column(
            "customer",
            "Company",
            lambda a: a.customer.name or a.customer.number,
            sort="customer__name",
            main=True,
            wide=True,
        ),
        Column("limit", "Limit", "limit_money", sort="limit", kind="money"),
        Column("used", "Used", _used, kind="money"),
        Column("left", "Left", _left, kind="money"),
        Column("resets", "Counts anew", lambda a: a.get_resets_display(), sort="resets"),
        Column("hours", "Approver has, in hours", "answer_hours", kind="number", default=False),
        Column("active", "In use", "is_active"),
    ),
    filters=(
        Choice(key="resets", label="Counts anew", options=CreditAccount.Resets.choices),
        yes_no("active", "In use", Q(is_active=True)),
    ),
    search=("customer__name__istartswith", "customer__number__istartswith"),
    search_hint="Company",
    sort=("customer__name",),
    empty=Empty("No company has credit yet.", "Open an account on a company's page."),
)
