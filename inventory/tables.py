"""The lists of SKUs and stock moves."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, F, OuterRef, Prefetch, Q
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.models import LegalEntity
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, Number, Text, yes_no
from inventory.models import Location, LowStock, Sku, StockLevel, StockMove


class OfCompany(Choice):
    """From or to a place of that company of ours."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)  # refuses what is none
        places = Location.objects.filter(legal_entity__in=[int(each) for each in values]).values(
            "pk"
        )
        return Q(from_location__in=places) | Q(to_location__in=places)


def company_options() -> list[tuple[str, str]]:
    rows = LegalEntity.objects.order_by("name").values_list("pk", "name")
    return [(str(pk), name) for pk, name in rows]


def sellable(sku: Sku) -> list[StockLevel]:
    return [level for level in sku.levels.all() if level.location.kind == Location.Kind.INTERNAL]


def on_hand(sku: Sku) -> int | None:
    return sum(level.on_hand for level in sellable(sku)) if sku.is_stocked else None


def promised(sku: Sku) -> int | None:
    if not sku.is_stocked:
        return None
    return sum(level.allocated + level.reserved for level in sellable(sku))


def free(sku: Sku) -> int | None:
    return sum(level.available for level in sellable(sku)) if sku.is_stocked else None


def state(sku: Sku) -> SafeString:
    """In one word: can it be sold, and is there enough of it."""
    if not sku.is_active:
        return ui.status("wait", "Retired", "ban")
    if not sku.is_stocked:
        return ui.status("wait", "Not kept in stock", "minus")
    left = free(sku) or 0
    if left <= 0:
        return ui.status("bad", "Sold out")
    if sku.reorder_point is not None and left <= sku.reorder_point:
        return ui.status("warn", "Low")
    return ui.status("ok", "In stock")


_LEVELS = StockLevel.objects.filter(sku=OuterRef("pk"), location__kind=Location.Kind.INTERNAL)
_WITH_LEVELS = Prefetch("levels", StockLevel.objects.select_related("location"))

SKUS = Workbench[Sku](
    key="inventory.skus",
    title="Inventory",
    noun="SKU",
    url_name="sku_list",
    permission="inventory.view_sku",
    queryset=lambda user: Sku.objects.all(),
    decorate=lambda rows: rows.prefetch_related(_WITH_LEVELS),
    row_label=lambda sku: sku.code,
    row_url=lambda sku: reverse("sku_detail", args=[sku.code]),
    columns=(
        Column("code", "SKU", "code", sort="code", main=True),
        Column("name", "Name", "name", sort="name", wide=True),
        Column("state", "State", state, export=lambda s: s.is_active),
        Column("on_hand", "On hand", on_hand, kind="number"),
        Column("promised", "Promised", promised, kind="number"),
        Column("free", "Free", free, kind="number"),
        Column("reorder", "Reorder at", "reorder_point", sort="reorder_point", kind="number"),
        Column("fragile", "Fragile", "is_fragile", sort="is_fragile"),
        Column("cost", "Unit cost", lambda s: s.cost, sort="unit_cost", kind="money"),
        Column("backorder", "Sold beyond stock", "allow_backorder", default=False),
    ),
    filters=(
        yes_no(
            "low",
            "At or under its reorder point",
            Q(pk__in=LowStock.objects.values("sku")),
            pinned=True,
        ),
        yes_no(
            "sold-out",
            "Sold out",
            Q(is_stocked=True)
            & Q(~Exists(_LEVELS.filter(on_hand__gt=F("allocated") + F("reserved")))),
            pinned=True,
        ),
        yes_no("fragile", "Fragile", Q(is_fragile=True)),
        yes_no("active", "Active", Q(is_active=True)),
        yes_no("stocked", "Kept in stock", Q(is_stocked=True)),
        yes_no("watched", "Has a reorder point", Q(reorder_point__isnull=False)),
        Number(key="reorder", label="Reorder point", field="reorder_point"),
    ),
    search=("code__istartswith", "name__icontains"),
    search_hint="SKU or name",
    sort=("code",),
    views=(
        View("all", "All"),
        View("low", "Low", "low=yes", empty="Everything is above its reorder point."),
        View("sold-out", "Sold out", "sold-out=yes", empty="Nothing is sold out."),
        View("fragile", "Fragile", "fragile=yes"),
    ),
    bulk=("inventory.reorder_point",),
    empty=Empty("No SKUs yet.", "They come with an import, or with their first receipt."),
)

MOVES = Workbench[StockMove](
    key="inventory.moves",
    title="Stock moves",
    noun="move",
    url_name="move_list",
    permission="inventory.view_stockmove",
    queryset=lambda user: StockMove.objects.all(),
    decorate=lambda rows: rows.select_related("sku", "from_location", "to_location"),
    row_label=lambda move: f"move {move.pk}",
    row_url=lambda move: reverse("sku_detail", args=[move.sku.code]),
    columns=(
        Column("sku", "SKU", "sku.code", main=True),
        Column("name", "Name", "sku.name", wide=True),
        Column("reason", "Reason", lambda m: m.get_reason_display()),
        Column("quantity", "Quantity", "quantity", kind="number"),
        Column("from", "From", "from_location.code"),
        Column("to", "To", "to_location.code"),
        Column("note", "Why", lambda m: m.note or ui.NONE),
        Column("by", "By", "actor_label"),
        Column("at", "When", "occurred_at", kind="time"),
    ),
    filters=(
        Choice(
            key="reason",
            label="Reason",
            options=StockMove.Reason.choices,
            field="reason",
            pinned=True,
        ),
        Text(key="sku", label="SKU", field="sku__code", lookup="exact", pinned=True),
        Day(key="at", label="When", field="occurred_at"),
        OfCompany(key="company", label="Company", options=company_options),
    ),
    search=("sku__code__exact",),
    search_hint="SKU, exactly",
    sort=("-pk",),
    views=(View("all", "All"), View("write-offs", "Write-offs", "reason=write_off")),
    empty=Empty("Nothing has moved yet."),
)
