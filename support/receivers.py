"""What support does when orders announce: a ticket, or it forgets; in the same transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.dispatch import receiver

from backoffice import post
from backoffice.actors import Acting
from orders import signals as orders
from orders.models.carts import Cart
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.queries.erasure import Part
from orders.services.drafts import Address
from support.models import Message, OutgoingMail, Ticket
from support.queries import consents_of, tickets_of_customers
from support.services.agreeing import note_agreed
from support.services.forgetting import forget, written_elsewhere
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


@receiver(orders.carts_agreed)
def believe_the_shop(
    sender: Any, *, carts: Sequence[Cart], mails: Mapping[int, str], actor: Acting, **sent: Any
) -> None:
    """What buyers agreed to with their carts, as their shop says."""
    note_agreed(carts, mails, actor=actor)


@receiver(orders.erasure_weighed)
def weigh(sender: Any, *, ids: Collection[int], **kwargs: Any) -> list[Part]:
    """What support holds of customers."""
    tickets = tickets_of_customers(ids).order_by()
    messages = Message.objects.filter(ticket__in=tickets.values("pk")).exclude(body="")
    mails = OutgoingMail.objects.filter(customer__in=ids)
    waiting = mails.filter(state=OutgoingMail.State.QUEUED).count()
    comments, calls = written_elsewhere(ids)
    return [
        Part("Subjects of tickets", tickets.count(), goes=True),
        Part("Messages and notes in tickets", messages.count(), goes=True),
        Part("Mails waiting to be sent", waiting, goes=True),
        Part("What staff wrote on cases about them", comments, goes=True),
        Part("What was kept of calls about them", calls, goes=True),
        Part("Texts of mails that were written", mails.exclude(body="").count(), goes=True),
        Part(
            "What they agreed to, under their number",
            len(consents_of(ids)),
            goes=False,
            why="it proves that we were allowed to write",
        ),
        Part(
            "The mail as a hash",
            Customer.objects.filter(pk__in=ids).exclude(email="").count(),
            goes=False,
            why="so that an old list does not make us write to them again",
        ),
    ]


@receiver(orders.customers_erased)
def forget_them(
    sender: Any,
    *,
    customers: Sequence[Customer],
    mails: Mapping[int, tuple[str, str]],
    **kwargs: Any,
) -> None:
    """Empty tickets, messages and mails; keep the hash of the mail."""
    forget([each.pk for each in customers], [key for _, key in mails.values()])
    post.forget(address for address, _ in mails.values())
