"""What support does when orders announce: a ticket, in the same transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.dispatch import receiver

from backoffice.actors import Acting
from orders import signals as orders
from orders.models.orders import Order
from orders.services.drafts import Address
from support.models import Message, Ticket
from support.services.opening import NewTicket, open_tickets


@receiver(orders.readdress_asked)
def open_a_ticket_for_the_address(
    sender: Any,
    *,
    orders: Sequence[Order],
    addresses: Mapping[int, Address],
    actor: Acting,
    **sent: Any,
) -> None:
    """The parcel has its label or has left: somebody asks the carrier or the customer."""
    open_tickets(
        [
            NewTicket(
                subject=f"Another address for order {order}",
                actor=actor.of(order.pk),
                key=_key(order, addresses[order.pk]),
                message=_words(addresses[order.pk]),
                direction=Message.Direction.NOTE,
                priority=Ticket.Priority.HIGH,
                order=order,
            )
            for order in orders
        ]
    )


def _words(address: Address) -> str:
    parts = (
        address.name,
        address.lines,
        f"{address.postcode} {address.city}".strip(),
        address.country,
    )
    asked = "\n".join(part for part in parts if part)
    return f"The parcel has its label already, or has left. It is to go to:\n\n{asked}"


def _key(order: Order, address: Address) -> str:
    """The same address asked for twice is one ticket."""
    digest = hashlib.sha256(_words(address).encode()).hexdigest()[:16]
    return f"readdress:{order.pk}:{digest}"
