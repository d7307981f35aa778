"""The list of parcels."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.territories import countries
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no
from orders.models.packages import Label, Package
from orders.queries.countries import country_name
from orders.queries.covers import ASKED, LACKS_COVER
from orders.tables.stores import store_filters

STATE = {
    Package.State.PACKED: ("warn", "package"),
    Package.State.ANNOUNCED: ("info", "package"),
    Package.State.MOVING: ("info", "truck"),
    Package.State.OUT_FOR_DELIVERY: ("info", "truck"),
    Package.State.AT_PICKUP_POINT: ("info", "building-warehouse"),
    Package.State.DELIVERED: ("ok", "circle-check"),
    Package.State.RETURNING: ("bad", "truck-return"),
    Package.State.RETURNED: ("wait", "truck-return"),
}
_LIVE = Label.objects.filter(state__in=Label.LIVE)
_LABELLED = Exists(_LIVE.filter(package=OuterRef("pk")))


def parcel_state(package: Package) -> SafeString:
    """What goes wrong first, else how far it is."""
    if package.unpacked_at is not None:
        return ui.status("wait", "Taken apart", "ban")
    if package.trouble:
        return ui.status("bad", package.get_trouble_display(), "alert-triangle")
    if package.state == Package.State.PACKED and package.shipment_id:
        return ui.status("info", "Handed over", "truck")
    token, sign = STATE[Package.State(package.state)]
    return ui.status(token, package.get_state_display(), sign)


def label_of(package: Package) -> Label | None:
    """The live label, read beforehand."""
    return next((label for label in package.labels.all() if label.state in Label.LIVE), None)


def tracking(package: Package) -> str:
    label = label_of(package)
    return f"{label.carrier} {label.tracking}" if label else ui.NONE


OPEN = Q(shipment=None, unpacked_at=None)

PARCELS = Workbench[Package](
    key="orders.parcels",
    title="Parcels",
    noun="parcel",
    url_name="parcel_list",
    permission="orders.view_package",
    queryset=lambda user: Package.objects.all(),
    decorate=lambda rows: rows.select_related("order").prefetch_related(
        Prefetch("labels", Label.objects.order_by("-pk"))
    ),
    row_label=lambda package: package.number,
    row_url=lambda package: reverse("order_detail", args=[package.order.number]),
    columns=(
        Column("number", "Parcel", "number", sort="number", main=True),
        Column("order", "Order", "order.number"),
        Column("state", "State", parcel_state, sort="state", export=lambda p: p.trouble or p.state),
        Column("note", "What is wrong", "trouble_note", wide=True),
        Column("tracking", "Label", tracking),
        Column("country", "Goes to", lambda p: country_name(p.order.ship_country)),
        Column("weight", "Weight, g", "weight_grams", sort="weight_grams", kind="number"),
        Column("value", "Declared", "declared", sort="declared_value", kind="money"),
        Column("packed", "Packed", "packed_at", sort="packed_at", kind="time"),
    ),
    filters=(
        Choice(
            key="state",
            label="State",
            options=Package.State.choices,
            field="state",
            pinned=True,
        ),
        Choice(
            key="trouble",
            label="What is wrong",
            options=Package.Trouble.choices,
            field="trouble",
            pinned=True,
        ),
        yes_no("open", "Still here", OPEN),
        yes_no("labelled", "Has a label", Q(_LABELLED)),
        yes_no("wrong", "Needs somebody", ~Q(trouble="")),
        yes_no("cover", "Must still be insured", LACKS_COVER),
        yes_no("uninsured", "Somebody asks to send it uninsured", ASKED),
        yes_no("customs", "Crosses a customs border", Q(needs_customs=True)),
        Choice(
            key="country",
            label="Goes to",
            options=countries,
            field="order__ship_country",
        ),
        Day(key="packed", label="Packed", field="packed_at"),
        *store_filters("order__channel"),
    ),
    search=lambda words: (
        Q(number__istartswith=words)
        | Q(Exists(Label.objects.filter(package=OuterRef("pk"), tracking=words)))
    ),
    search_hint="Parcel or tracking number",
    sort=("-packed_at",),
    views=(
        View(
            "unlabelled",
            "Without a label",
            "open=yes&labelled=no&sort=packed",
            default_for=("operations",),
            empty="Every parcel has its label.",
        ),
        View(
            "ready",
            "Ready to leave",
            "open=yes&labelled=yes&sort=packed",
            empty="Nothing waits for the carrier.",
        ),
        View(
            "cover",
            "To insure",
            "open=yes&cover=yes&sort=packed",
            empty="Every parcel of value is insured.",
        ),
        View(
            "trouble",
            "Needs somebody",
            "wrong=yes&sort=packed",
            empty="No parcel needs anybody.",
        ),
        View("all", "All", default_for=("finance", "support", "administrator", "auditor")),
    ),
    bulk=("parcels.leave",),
    actions_template="orders/_parcel_list_actions.html",
    empty=Empty("No parcels yet.", "Pack one on an order's page."),
)
