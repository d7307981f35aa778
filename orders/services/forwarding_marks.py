"""What packing, shipping and cancelling have to know of parcels that somebody else sends."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from backoffice.actors import Acting
from orders import signals
from orders.models.forwarding import ForwardedOrder
from orders.models.orders import Order
from orders.models.packages import Package
from orders.services.errors import WrongState

State = ForwardedOrder.State


def known_elsewhere(order_ids: Iterable[int]) -> dict[int, ForwardedOrder]:
    """A shipment of each order that somebody else may send any moment; others are left out."""
    rows = ForwardedOrder.objects.filter(order__in=list(order_ids), state__in=ForwardedOrder.KNOWN)
    return {row.order_id: row for row in rows.select_related("forwarder")}


def why_not_stopped(row: ForwardedOrder) -> WrongState:
    """For whoever wants to cancel, or to take apart, what was forwarded."""
    return WrongState(
        f"{row.reference} was forwarded to {row.forwarder}. Ask them to stop, and note that they "
        "refused it."
    )


def let_go(packages: Iterable[Package]) -> None:
    """Withdraw what nobody was told of yet, of parcels that are taken apart."""
    ForwardedOrder.objects.filter(package__in=list(packages), state=State.TO_SEND).update(
        state=State.WITHDRAWN, answered_at=timezone.now()
    )


def note_left(order: Order, package: Package, *, actor: Acting) -> None:
    """The parcel has left: what was forwarded is done, and nobody waits for an answer any more."""
    rows = ForwardedOrder.objects.filter(package=package).exclude(state=State.SHIPPED)
    for row in rows.select_related("forwarder"):
        row.state, row.answered_at = State.SHIPPED, timezone.now()
        row.version += 1
        row.save(update_fields=["state", "answered_at", "version"])
        signals.forwards_answered.send(
            sender=ForwardedOrder, orders=[order], forwarded=[row], actor=actor, history=False
        )
