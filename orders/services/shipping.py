"""Shipping what is allocated, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting, Actors
from backoffice.counting import counted
from backoffice.sets import save_many
from inventory.services.errors import StockShort
from inventory.services.reservations import Shipping, ship_reserved
from inventory.services.writing import Moving
from orders import signals
from orders.models.axes import fulfilment_axis, return_axis
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, PackageLine
from orders.models.shipments import Shipment, ShipmentLine
from orders.services.allocation import LINE
from orders.services.customs import ask_customs_again
from orders.services.drafts import Address
from orders.services.errors import (
    AlreadyCancelled,
    AlreadyShipped,
    LabelExists,
    NotAllocated,
    OrderError,
    PickingBegun,
    TooMany,
)
from orders.services.forwarding_marks import known_elsewhere, why_not_stopped
from orders.services.outcomes import lock_order
from orders.services.preorder_marks import wind_ahead
from orders.services.readiness import refuse_uncovered, why_not_ready


@transaction.atomic
def ship_order(
    order_id: int,
    *,
    quantities: Mapping[int, int] | None = None,
    carrier: str = "",
    tracking: str = "",
    at: datetime | None = None,
    key: str | None = None,
    package_id: int | None = None,
    version: int | None = None,
    actor: Acting,
) -> Shipment:
    """Ship units by line id, or all that is open (`quantities` None); `at` None means now.

    What is packed in a parcel leaves with it, which is then named by `package_id`. A repeated `key`
    ships nothing and returns the first shipment. Raises OnHold, NotPaid,
    NotAllocated, AlreadyCancelled, TooMany, StaleVersion. Announces orders_shipped.
    """
    order = lock_order(order_id)
    known = Shipment.objects.filter(order=order, key=key).first() if key else None
    if known:
        return known
    order = lock_order(order_id, version)
    if refusal := why_not_ready(order):
        raise refusal
    lines = list(order.lines.filter(kind=OrderLine.Kind.STOCK).order_by("position"))
    sending = _sending(order, lines, quantities, _packed(order, package_id))
    if package_id is None:
        refuse_uncovered(order, {line: sending.get(line.pk, 0) for line in lines})
    shipment = Shipment.objects.create(
        order=order,
        key=key or f"shipment:{uuid4()}",
        carrier=carrier,
        tracking=tracking,
        shipped_at=at or timezone.now(),
    )
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, order_line=line, quantity=sending[line.pk])
        for line in lines
        if line.pk in sending
    )
    _move(order, shipment, lines, sending, actor=actor)
    for line in lines:
        line.quantity_shipped += sending.get(line.pk, 0)
    save_many(lines, ["quantity_shipped"])
    _close(order, lines)
    _announce(order, shipment, sum(sending.values()), actor=actor)
    return shipment


def _packed(order: Order, package_id: int | None) -> dict[int, int]:
    """Units by line that other parcels hold."""
    rows = PackageLine.objects.filter(
        package__order=order, package__unpacked_at=None, package__shipment=None
    ).exclude(package=package_id)
    return dict(rows.values_list("order_line").annotate(units=Sum("quantity")))


def _sending(
    order: Order,
    lines: list[OrderLine],
    quantities: Mapping[int, int] | None,
    packed: Mapping[int, int],
) -> dict[int, int]:
    still_open = {line.pk: line.quantity_open - packed.get(line.pk, 0) for line in lines}
    if quantities is None:
        ahead = {line.pk for line in lines if line.awaits_stock}
        quantities = {pk: units for pk, units in still_open.items() if pk not in ahead}
    sending = {pk: quantity for pk, quantity in quantities.items() if quantity}
    for pk, quantity in sending.items():
        if not 0 < quantity <= still_open.get(pk, 0):
            raise TooMany(
                f"Order {order} has {counted(still_open.get(pk, 0), 'unit')} of this line left "
                f"to ship, not {quantity}. What is in a parcel leaves with it."
            )
    if not sending:
        raise OrderError(f"Order {order} has nothing left to ship.")
    return sending


def _move(
    order: Order,
    shipment: Shipment,
    lines: list[OrderLine],
    sending: Mapping[int, int],
    *,
    actor: Acting,
) -> None:
    by = actor.of(order.pk)
    shippings = [
        Shipping(
            line.pk,
            Moving(
                key=f"{shipment.key}:{line.pk}",
                sku_id=line.sku_id,
                location_id=order.ships_from_id,
                quantity=sending[line.pk],
                at=shipment.shipped_at,
                source="orders.shipment",
                source_id=shipment.pk,
            ),
        )
        for line in lines
        if line.pk in sending and line.is_stocked and line.sku_id is not None
    ]
    by_sku = Actors({shipping.moving.sku_id: by for shipping in shippings})
    try:
        ship_reserved(LINE, shippings, actor=by_sku)
    except StockShort as error:
        listed = ", ".join(shortage.code for shortage in error.shortages)
        raise NotAllocated(
            f"Order {order} has too little stock set aside of {listed}. Allocate it first."
        ) from error


def _close(order: Order, lines: list[OrderLine]) -> None:
    order.fulfilment = fulfilment_axis(
        order.units,
        sum(line.quantity_shipped for line in lines),
        sum(line.quantity_cancelled for line in lines),
        is_cancelled=False,
    )
    if order.returns in (Order.Return.PART_RETURNED, Order.Return.RETURNED):
        # All that had left was back; now more has left.
        returned = sum(line.quantity_returned for line in lines)
        shipped = sum(line.quantity_shipped for line in lines)
        order.returns = return_axis(shipped, returned, has_request=False)
    order.picking_since = None
    if order.awaits:
        wind_ahead([order], {order.pk: lines})
    order.version += 1
    order.save(
        update_fields=[
            "fulfilment", "returns", "picking_since", "awaits", "promised_on", "ship_by", "version",
        ]
    )  # fmt: skip


def _announce(order: Order, shipment: Shipment, units: int, *, actor: Acting) -> None:
    with_carrier = f" with {shipment.carrier}" if shipment.carrier else ""
    timeline.record(
        [
            timeline.Happened(
                "orders.order",
                order.pk,
                f"Shipped {counted(units, 'unit')}{with_carrier}",
                actor.of(order.pk),
                at=shipment.shipped_at,
            )
        ]
    )
    signals.orders_shipped.send(
        sender=Order, orders=[order], shipments=[shipment], actor=actor, history=False
    )


@transaction.atomic
def edit_order_address(
    order_id: int, address: Address, *, version: int | None, actor: Acting
) -> Order:
    """Change where an order is shipped to, until something has left.

    Raises AlreadyShipped, AlreadyCancelled, PickingBegun, LabelExists,
    StaleVersion.
    """
    order = lock_order(order_id, version)
    if order.is_cancelled:
        raise AlreadyCancelled(f"Order {order} is cancelled. Its address stays as it was.")
    if order.fulfilment != Order.Fulfilment.UNSHIPPED:
        raise AlreadyShipped(f"Part of order {order} has left already, to the address it had.")
    if order.picking_since is not None:
        raise PickingBegun(f"Order {order} is being picked. Take it off the pick list first.")
    if Label.objects.filter(package__order=order, state__in=Label.LIVE).exists():
        raise LabelExists(f"A parcel of order {order} has a label to its old address. Void it.")
    if elsewhere := known_elsewhere([order.pk]).get(order.pk):
        raise why_not_stopped(elsewhere)
    order.ship_name = address.name
    order.ship_lines = address.lines
    order.ship_city = address.city
    order.ship_postcode = address.postcode
    order.ship_country = address.country
    order.version += 1
    order.save(
        update_fields=[
            "ship_name",
            "ship_lines",
            "ship_city",
            "ship_postcode",
            "ship_country",
            "version",
        ]
    )
    ask_customs_again(order)
    timeline.record(
        [
            timeline.Happened(
                "orders.order",
                order.pk,
                f"Delivery address changed, country {address.country or 'unknown'}",
                actor.of(order.pk),
            )
        ]
    )
    return order
