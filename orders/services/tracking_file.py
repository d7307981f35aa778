"""Many tracking numbers from a file: every row is shown first, and each is done by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from backoffice import sheets
from backoffice.actors import Acting
from backoffice.sheets import Row, SheetRefused, read_sheet, suspicious
from orders.models.carriers import CarrierService
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package, PackageLine
from orders.queries.allocated import unpacked_by_line
from orders.queries.figures import with_parties
from orders.queries.references import Ambiguous, by_reference
from orders.services.errors import OrderError
from orders.services.labels import Wanted, buy_label, find_trouble
from orders.services.packing import drafted, hand_over, pack_order
from orders.services.readiness import why_not_ready

COLUMNS: Mapping[str, Sequence[str]] = {
    "order": ("order", "order number", "order no", "number"),
    "parcel": ("parcel", "parcel number", "package"),
    "tracking": ("tracking", "tracking number", "tracking no"),
    "service": ("service", "carrier service", "carrier"),
}
TRACKING = 80


@dataclass(slots=True)
class Line:
    """One row. `problem` says why it can't be done; `says` what it would do."""

    number: int
    order: str
    parcel: str
    tracking: str
    service: str
    order_id: int | None = None
    package_id: int | None = None
    service_id: int | None = None
    says: str = ""
    problem: str = ""


Sheet = sheets.Sheet[Line]


def check(raw: bytes) -> Sheet:
    """Read a file and look up every row, changing nothing; raises SheetRefused."""
    found, rows = read_sheet(raw, COLUMNS)
    if "tracking" not in found or not {"order", "parcel"} & found:
        raise SheetRefused(
            "The first line names the columns: order or parcel, tracking and, if you like, service."
        )
    if not rows:
        raise SheetRefused("The file has no rows under its head.")
    sheet = Sheet([_line(row) for row in rows])
    _refuse_twins(sheet.good)
    _find_packages(sheet.good)
    _find_orders([line for line in sheet.good if line.order_id is None])
    _find_services(sheet.good)
    _refuse_taken(sheet.good)
    _foresee(sheet.good)
    return sheet


def _line(row: Row) -> Line:
    line = Line(row.number, row["order"], row["parcel"], row["tracking"], row["service"])
    if not line.order and not line.parcel:
        line.problem = "Names neither an order nor a parcel."
    elif not line.tracking:
        line.problem = "Has no tracking number."
    elif len(line.tracking) > TRACKING:
        line.problem = f"A tracking number has at most {TRACKING} characters."
    else:
        line.problem = suspicious(line.tracking)
    return line


def _refuse_twins(lines: Sequence[Line]) -> None:
    """A number, or a parcel, that the file names twice: nobody can tell which is meant."""
    for name in ("tracking", "parcel", "order"):
        seen: dict[str, Line] = {}
        for line in lines:
            key = getattr(line, name)
            if not key or (name == "order" and line.parcel):
                continue
            if key in seen:
                line.problem = line.problem or f"{key} stands in row {seen[key].number} already."
            seen.setdefault(key, line)


def _find_packages(lines: Sequence[Line]) -> None:
    wanted = [line for line in lines if line.parcel]
    rows = Package.objects.filter(number__in={line.parcel for line in wanted})
    found = {package.number: package for package in rows.select_related("order")}
    for line in wanted:
        package = found.get(line.parcel)
        if package is None:
            line.problem = f"There is no parcel {line.parcel}."
        elif line.order and line.order not in (package.order.number, package.order.external_id):
            line.problem = f"Parcel {line.parcel} belongs to order {package.order}."
        elif package.shipment_id or package.unpacked_at:
            line.problem = f"Parcel {line.parcel} has left, or was taken apart."
        else:
            line.package_id, line.order_id = package.pk, package.order_id


def _find_orders(lines: Sequence[Line]) -> None:
    found = by_reference({line.order for line in lines})
    for line in lines:
        known = found.get(line.order)
        if known is None:
            line.problem = f"There is no order {line.order}."
        elif isinstance(known, Ambiguous):
            line.problem = f"{known.count} orders are called {line.order}. Use our own number."
        else:
            line.order_id = known
    open_ones = Package.objects.filter(
        order__in=[line.order_id for line in lines if line.order_id],
        shipment=None,
        unpacked_at=None,
    )
    packages: dict[int, list[Package]] = {}
    for package in open_ones:
        packages.setdefault(package.order_id, []).append(package)
    for line in lines:
        mine = packages.get(line.order_id or 0, [])
        if len(mine) > 1:
            listed = ", ".join(package.number for package in mine[:4])
            line.problem = f"The order has several parcels ({listed}): name the parcel."
        elif mine:
            line.package_id = mine[0].pk


def _find_services(lines: Sequence[Line]) -> None:
    services = {
        name.lower(): service.pk
        for service in CarrierService.objects.filter(is_active=True, port="by_hand")
        for name in (service.key, str(service))
    }
    orders = Order.objects.in_bulk([line.order_id for line in lines if line.order_id])
    with_parties(list(orders.values()))
    for line in lines:
        order = orders[line.order_id or 0]
        if line.service:
            line.service_id = services.get(line.service.lower())
            line.problem = line.problem if line.service_id else f"No service “{line.service}”."
        else:
            line.service_id = order.service_id or order.channel.service_id
            if line.service_id is None:
                line.problem = f"{order.channel} ships with no service: name one in the file."


def _refuse_taken(lines: Sequence[Line]) -> None:
    live = Label.objects.filter(state__in=Label.LIVE)
    numbers = live.filter(tracking__in=[line.tracking for line in lines])
    taken = dict(numbers.values_list("tracking", "package__number"))
    labelled = set(
        live.filter(package__in=[line.package_id for line in lines if line.package_id]).values_list(
            "package_id", flat=True
        )
    )
    for line in lines:
        if line.tracking in taken:
            line.problem = f"{line.tracking} stands on parcel {taken[line.tracking]} already."
        elif line.package_id in labelled:
            line.problem = "The parcel has a label already. Void it first."


def _foresee(lines: Sequence[Line]) -> None:
    """What packing and labelling would say, so that the job meets nothing that was known here."""
    orders = {
        order.pk: order
        for order in Order.objects.filter(
            pk__in=[line.order_id for line in lines if line.order_id]
        ).select_related("channel__legal_entity")
    }
    parcels = _parcels(lines, orders)
    services = CarrierService.objects.in_bulk([line.service_id for line in lines])
    for line in lines:
        order, parcel = orders[line.order_id or 0], parcels.get(line.number)
        refusal: Exception | None = why_not_ready(order)
        if refusal is None and parcel is not None:
            refusal = find_trouble(order, *parcel, services[line.service_id or 0])
        if refusal is not None:
            line.problem = str(refusal)
        elif parcel is None:
            line.problem = "Has nothing set aside that could be packed."
        else:
            line.says = "Labelled" if line.package_id else "Packed and labelled"


def _parcels(
    lines: Sequence[Line], orders: Mapping[int, Order]
) -> dict[int, tuple[Package, list[PackageLine]]]:
    """The parcel of each row with its lines, as it stands or as it would be packed.

    Rows whose order has nothing to pack are left out.
    """
    known = Package.objects.prefetch_related("lines").in_bulk(
        [line.package_id for line in lines if line.package_id]
    )
    found = {
        line.number: (known[line.package_id], list(known[line.package_id].lines.all()))
        for line in lines
        if line.package_id
    }
    ready = unpacked_by_line({line.order_id for line in lines if line.order_id})
    goods = OrderLine.objects.select_related("sku").in_bulk(
        [pk for units in ready.values() for pk in units]
    )
    for line in lines:
        units = ready.get(line.order_id or 0)
        if line.package_id is None and units:
            contents = [(goods[pk], many) for pk, many in units.items()]
            found[line.number] = drafted(orders[line.order_id or 0], contents)
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one row; `problem` empty when it was done."""

    number: int
    name: str
    problem: str = ""


def apply(lines: Iterable[Line], *, leave: bool, actor: Acting) -> list[Told]:
    """Pack where needed, label, and hand over when the parcels `leave`; a row never stops another.

    A repeat does nothing twice: each row's label has a key of its own.
    """
    return [_apply(line, leave=leave, actor=actor) for line in lines]


def _apply(line: Line, *, leave: bool, actor: Acting) -> Told:
    name = line.parcel or line.order
    try:
        package_id = line.package_id or _packed(line, actor)
        key = f"file:{package_id}:{line.tracking}"[:120]
        wanted = Wanted(package_id, line.service_id or 0, key, line.tracking)
        buy_label(wanted, actor=actor)
        if leave:
            hand_over(package_id, actor=actor)
    except OrderError as error:
        return Told(line.number, name, str(error))
    return Told(line.number, name)


@transaction.atomic
def _packed(line: Line, actor: Acting) -> int:
    """The parcel of this row's order: one that a first try packed, or a new one."""
    open_ones = Package.objects.filter(order=line.order_id, shipment=None, unpacked_at=None)
    known = open_ones.order_by("pk").first()
    return known.pk if known else pack_order(line.order_id or 0, actor=actor).pk
