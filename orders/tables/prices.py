"""The lists of prices, of changes that wait, and of exchange rates."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Text, yes_no
from orders.models.prices import ExchangeRate, Price, PriceChange, PriceOrigin
from orders.queries.prices import valid_prices
from orders.tables.stores import store_filters

State = PriceChange.State
STATES = {
    State.WAITING: ("warn", "clock"),
    State.AGREED: ("ok", "circle-check"),
    State.REFUSED: ("bad", "ban"),
    State.WITHDRAWN: ("wait", "minus"),
    State.REPLACED: ("wait", "refresh"),
}


def currencies() -> list[tuple[str, str]]:
    """The currencies that channels sell in."""
    found = Price.objects.order_by("currency").values_list("currency", flat=True).distinct()
    return [(code, code) for code in found]


def state_of_change(change: PriceChange) -> SafeString:
    token, sign = STATES[State(change.state)]
    return ui.status(token, change.get_state_display(), sign)


def move(change: PriceChange) -> str:
    """How far the price moves, with the direction."""
    if change.was is None or change.variance is None:
        return "the first price" if change.was is None else ui.NONE
    sign = "+" if change.amount > change.was.amount else "−"
    percent = abs(change.amount - change.was.amount) * 100 / change.was.amount
    return f"{sign}{percent.quantize(Decimal('0.1'))}%"


def doubts(change: PriceChange) -> str:
    """Why somebody has to agree, in a sentence."""
    said = []
    if change.over_variance:
        said.append(f"moves by {change.variance}%, only {change.limit}% need nobody")
    if change.under_floor:
        what = "what it costs us" if change.floor_from == "cost" else "the least price"
        said.append(f"under {change.floor_money}, {what}")
    return "; ".join(said)


def ahead(price: Price) -> SafeString | str:
    """What is to come of it."""
    if vars(price)["has_waiting"]:
        return ui.status("warn", "A change waits", "clock")
    return ui.status("info", "Changes later", "calendar") if vars(price)["has_later"] else ui.NONE


_WAITING = PriceChange.objects.filter(
    sku=OuterRef("sku"), channel=OuterRef("channel"), state=State.WAITING
)
_LATER = Price.objects.filter(sku=OuterRef("sku"), channel=OuterRef("channel"), starts_at__gt=Now())

PRICES = Workbench[Price](
    key="orders.prices",
    title="Prices",
    noun="price",
    url_name="price_list",
    permission="orders.view_price",
    queryset=lambda user: valid_prices(),
    decorate=lambda rows: rows.select_related("sku", "channel", "rate").annotate(
        has_waiting=Exists(_WAITING), has_later=Exists(_LATER)
    ),
    row_label=lambda price: f"{price.sku.code} in {price.channel.name}",
    row_url=lambda price: reverse("price_detail", args=[price.sku.code]),
    columns=(
        Column("sku", "SKU", "sku.code", sort="sku__code", main=True),
        Column("name", "Name", "sku.name", wide=True),
        Column("store", "Store", "channel.name", sort="channel__name"),
        Column("price", "Price", lambda p: p.money, sort="amount", kind="money"),
        Column("was", "Before", lambda p: p.was_money, kind="money"),
        Column("ahead", "Ahead", ahead, export=lambda p: vars(p)["has_waiting"]),
        Column("since", "Since", "starts_at", sort="starts_at", kind="time"),
        Column("origin", "Set", lambda p: p.get_origin_display()),
        Column("by", "By", "actor_label"),
        Column("rate", "Rate", lambda p: p.rate or ui.NONE, default=False),
    ),
    filters=(
        *store_filters("channel"),
        Choice(key="currency", label="Currency", options=currencies, field="currency", pinned=True),
        Amount(key="price", label="Price", field="amount", pinned=True),
        Choice(key="origin", label="Set", options=PriceOrigin.choices, field="origin"),
        yes_no("waiting", "A change waits", Q(Exists(_WAITING))),
        yes_no("later", "Changes later", Q(Exists(_LATER))),
        Day(key="since", label="Since", field="starts_at"),
        Text(key="sku", label="SKU", field="sku__code", lookup="exact"),
    ),
    search=("sku__code__istartswith", "sku__name__icontains"),
    search_hint="SKU or name",
    sort=("sku__code",),
    views=(
        View("all", "All"),
        View("waiting", "A change waits", "waiting=yes", empty="No change waits."),
        View("later", "Changes later", "later=yes", empty="Nothing is planned."),
    ),
    actions_template="orders/_price_list_actions.html",
    empty=Empty(
        "No prices yet.",
        "Bring them in from a file. Orders of products without a price are not held against one.",
    ),
)


PRICE_CHANGES = Workbench[PriceChange](
    key="orders.price_changes",
    title="Price changes",
    noun="change",
    url_name="pricechange_list",
    permission="orders.view_pricechange",
    queryset=lambda user: PriceChange.objects.all(),
    decorate=lambda rows: rows.select_related("sku", "channel", "was", "rate"),
    row_label=lambda change: f"{change.sku.code} in {change.channel.name}, {change.money}",
    row_url=lambda change: reverse("pricechange_detail", args=[change.pk]),
    columns=(
        Column("sku", "SKU", "sku.code", sort="sku__code", main=True),
        Column("store", "Store", "channel.name", sort="channel__name"),
        Column("was", "Was", lambda c: c.was_money, kind="money"),
        Column("price", "Asked", lambda c: c.money, sort="amount", kind="money"),
        Column("move", "Move", move, sort="variance", kind="number"),
        Column("why", "Waits because", doubts, wide=True),
        Column("state", "State", state_of_change, sort="state", export=lambda c: c.state),
        Column("by", "Asked by", "actor_label"),
        Column("asked", "Asked on", "asked_at", sort="asked_at", kind="time"),
        Column("decided", "Decided by", lambda c: c.decided_label or ui.NONE, default=False),
        Column("origin", "How", lambda c: c.get_origin_display(), default=False),
    ),
    filters=(
        Choice(key="state", label="State", options=State.choices, field="state", pinned=True),
        *store_filters("channel"),
        Choice(key="currency", label="Currency", options=currencies, field="currency"),
        yes_no("under", "Under the floor", Q(under_floor=True), pinned=True),
        Choice(key="origin", label="How", options=PriceOrigin.choices, field="origin"),
        Day(key="asked", label="Asked on", field="asked_at"),
        Text(key="sku", label="SKU", field="sku__code", lookup="exact"),
    ),
    search=("sku__code__istartswith", "sku__name__icontains"),
    search_hint="SKU or name",
    sort=("-asked_at",),
    views=(
        View(
            "waiting",
            "Waiting",
            "state=waiting&sort=asked",
            default_for=("finance", "operations"),
            empty="No price waits for anybody.",
        ),
        View("decided", "Decided", "state=agreed&state=refused"),
        View("all", "All"),
    ),
    bulk=("prices.agree", "prices.refuse"),
    empty=Empty(
        "No price has waited yet.",
        "A price that moves too far, or lies under its floor, comes here until finance agrees.",
    ),
)

RATES = Workbench[ExchangeRate](
    key="orders.rates",
    title="Exchange rates",
    noun="rate",
    url_name="rate_list",
    permission="orders.view_exchangerate",
    queryset=lambda user: ExchangeRate.objects.all(),
    row_label=str,
    row_url=lambda rate: f"{reverse('rate_list')}?base={rate.base}&quote={rate.quote}",
    columns=(
        Column("pair", "Currencies", lambda r: f"{r.base} to {r.quote}", main=True),
        Column("rate", "Rate", lambda r: f"{r.rate.normalize():f}", sort="rate", kind="number"),
        Column("day", "Of", lambda r: ui.short_day(r.on_date), sort="on_date"),
        Column("source", "From where", "source", wide=True),
        Column("by", "Noted by", "actor_label"),
        Column("noted", "Noted", "noted_at", sort="noted_at", kind="time"),
    ),
    filters=(
        Text(key="base", label="From", field="base", lookup="exact", pinned=True),
        Text(key="quote", label="To", field="quote", lookup="exact", pinned=True),
        Day(key="noted", label="Noted", field="noted_at"),
    ),
    search=("base__iexact", "quote__iexact"),
    search_hint="Currency",
    sort=("-noted_at",),
    actions_template="orders/_rate_list_actions.html",
    empty=Empty(
        "No exchange rates yet.",
        "Note one, and channels whose prices follow those of another move along.",
    ),
)
