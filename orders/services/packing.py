"""Parcels: packed from what is set aside, taken apart again, handed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.counting import counted
from backoffice.sets import save_many
from orders import signals
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package, PackageLine
from orders.queries.allocated import unpacked_by_line
from orders.services.choosing import chosen_by_itself
from orders.services.customs import needs_customs
from orders.services.errors import NoLabel, NotAllocated, OrderError, TooMany, WrongState
from orders.services.forwarding_marks import (
    known_elsewhere,
    let_go,
    note_left,
    why_not_stopped,
)
from orders.services.outcomes import lock_order
from orders.services.readiness import refuse_undervalued, why_not_covered, why_not_ready
from orders.services.shipping import ship_order
from orders.services.worth import paid_per_unit


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is known of a parcel when it is packed; `declared` None means what its goods cost."""

    weight_grams: int | None = None
    side_cm: int | None = None
    declared: Decimal | None = None


@transaction.atomic
def pack_order(
    order_id: int,
    *,
    quantities: Mapping[int, int] | None = None,
    parcel: Parcel = Parcel(),
    version: int | None = None,
    actor: Acting,
) -> Package:
    """Pack units by line id, or all that is set aside and not packed yet, into one parcel.

    Raises OnHold, NotPaid, AlreadyCancelled, NotAllocated, TooMany, StaleVersion, and OrderError
    for goods of value that are declared below what must be insured. Announces packages_packed.
    """
    order = lock_order(order_id, version)
    if refusal := why_not_ready(order):
        raise refusal
    ready = ready_to_pack(order)
    wanted = {pk: units for pk, units in (quantities or ready).items() if units}
    if not wanted:
        raise NotAllocated(f"Order {order} has nothing set aside that is not packed already.")
    lines = {line.pk: line for line in order.lines.select_related("sku").filter(pk__in=wanted)}
    for pk, units in wanted.items():
        if not 0 < units <= ready.get(pk, 0):
            raise TooMany(
                f"{counted(ready.get(pk, 0), 'unit')} of this line can be packed, not {units}: "
                "no more is set aside."
            )
    refuse_undervalued(order, {lines[pk]: units for pk, units in wanted.items()}, parcel.declared)
    package = _package(order, [(lines[pk], units) for pk, units in wanted.items()], parcel)
    order.version += 1
    order.save(update_fields=["version"])
    order = chosen_by_itself(order, actor=actor)
    _tell(order, f"Packed parcel {package}: {counted(sum(wanted.values()), 'unit')}", actor)
    signals.packages_packed.send(
        sender=Package, orders=[order], packages=[package], actor=actor, history=False
    )
    return package


def ready_to_pack(order: Order) -> dict[int, int]:
    """Units set aside that no open parcel holds yet, by line id."""
    return unpacked_by_line([order.pk]).get(order.pk, {})


def drafted(
    order: Order, contents: Sequence[tuple[OrderLine, int]], parcel: Parcel = Parcel()
) -> tuple[Package, list[PackageLine]]:
    """A parcel of these units as it would be packed, not saved and without a number."""
    worth = sum((paid_per_unit(line) * units for line, units in contents), Decimal(0))
    package = Package(
        order=order,
        location_id=order.ships_from_id,
        weight_grams=parcel.weight_grams,
        side_cm=parcel.side_cm,
        declared_value=worth if parcel.declared is None else parcel.declared,
        currency=order.currency,
        needs_customs=needs_customs(order),
    )
    lines = [
        PackageLine(
            package=package,
            order_line=line,
            quantity=units,
            hs_code=line.sku.hs_code if line.sku else "",
            origin=line.sku.origin_country if line.sku else "",
            unit_value=paid_per_unit(line),
        )
        for line, units in contents
    ]
    return package, lines


def _package(order: Order, contents: Sequence[tuple[OrderLine, int]], parcel: Parcel) -> Package:
    package, lines = drafted(order, contents, parcel)
    package.number = f"{order.number}-P{order.packages.count() + 1}"
    package.save()
    PackageLine.objects.bulk_create(lines)
    return package


def _tell(order: Order, text: str, actor: Acting) -> None:
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor.of(order.pk))])


def lock_package(package_id: int) -> tuple[Order, Package]:
    """Lock a parcel and its order, the order first as everywhere."""
    order_id = Package.objects.values_list("order_id", flat=True).get(pk=package_id)
    order = lock_order(order_id)
    package = Package.objects.select_for_update(no_key=True).get(pk=package_id)
    return order, package


def live_label(package: Package) -> Label | None:
    """The label that stands on the parcel, or is being bought for it; None when there is none."""
    return package.labels.filter(state__in=Label.LIVE).first()


@transaction.atomic
def unpack_package(package_id: int, *, actor: Acting) -> Package:
    """Take a parcel apart; its units may be packed again. Raises WrongState."""
    order, package = lock_package(package_id)
    if package.unpacked_at is not None:
        return package
    refuse_gone(package)
    if live_label(package) is not None:
        raise WrongState(f"Parcel {package} has a label. Void it first.")
    elsewhere = known_elsewhere([order.pk]).get(order.pk)
    if elsewhere is not None and elsewhere.package_id == package.pk:
        raise why_not_stopped(elsewhere)
    let_go([package])
    package.unpacked_at = timezone.now()
    package.version += 1
    package.save(update_fields=["unpacked_at", "version"])
    order.version += 1
    order.save(update_fields=["version"])
    _tell(order, f"Parcel {package} taken apart", actor)
    return package


def refuse_gone(package: Package) -> None:
    """Raise WrongState for a parcel that has left or was taken apart."""
    if package.shipment_id is not None:
        raise WrongState(f"Parcel {package} has left already.")
    if package.unpacked_at is not None:
        raise WrongState(f"Parcel {package} was taken apart.")


@transaction.atomic
def hand_over(package_id: int, *, actor: Acting) -> Package:
    """Let a parcel leave: its units are shipped. One that has left is returned as it stands.

    Raises NoLabel for a parcel without a bought label (one that is collected needs none),
    ParcelTrouble for one of value that is not insured, and what shipping raises. Announces
    orders_shipped.
    """
    order, package = lock_package(package_id)
    if package.shipment_id is not None:
        return package
    refuse_gone(package)
    label = live_label(package)
    bought = label is not None and label.state == Label.State.BOUGHT
    if not bought and order.method == Order.Method.HOME:
        raise NoLabel(f"Parcel {package} has no label yet. Enter its tracking number first.")
    if trouble := why_not_covered(order, package):
        raise trouble
    shipment = ship_order(
        order.pk,
        quantities={line.order_line_id: line.quantity for line in package.lines.all()},
        carrier=label.carrier if label and bought else "",
        tracking=label.tracking if label and bought else "",
        key=f"package:{package.pk}",
        package_id=package.pk,
        actor=actor,
    )
    package.shipment = shipment
    package.version += 1
    package.save(update_fields=["shipment", "version"])
    note_left(order, package, actor=actor)
    return package


def hand_over_each(package_ids: Iterable[int], *, actor: Acting) -> dict[int, OrderError | None]:
    """Let parcels leave, each by itself: one that can't never keeps the others; None: it left."""
    answers: dict[int, OrderError | None] = {}
    for pk in package_ids:
        try:
            with transaction.atomic():
                hand_over(pk, actor=actor)
        except OrderError as error:
            answers[pk] = error
        else:
            answers[pk] = None
    return answers


@transaction.atomic
def set_customs(
    package_id: int, lines: Mapping[int, tuple[str, str, Decimal | None]], *, actor: Acting
) -> Package:
    """Write HS code, origin and unit value of a parcel's lines, by the line's id.

    Raises WrongState once the parcel has left.
    """
    _, package = lock_package(package_id)
    refuse_gone(package)
    rows = list(package.lines.filter(pk__in=lines))
    for row in rows:
        row.hs_code, row.origin, row.unit_value = lines[row.pk]
    save_many(rows, ["hs_code", "origin", "unit_value"])
    return package
