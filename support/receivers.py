"""What support does when a customer is forgotten: it forgets them too, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.dispatch import receiver

from orders import signals as orders
from orders.models.customers import Customer
from orders.queries.erasure import Part
from support.models import Message, OutgoingMail
from support.queries import consents_of, tickets_of_customers
from support.services.forgetting import forget


@receiver(orders.erasure_weighed)
def weigh(sender: Any, *, ids: Collection[int], **kwargs: Any) -> list[Part]:
    """What support holds of customers."""
    tickets = tickets_of_customers(ids).order_by()
    messages = Message.objects.filter(ticket__in=tickets.values("pk")).exclude(body="")
    mails = OutgoingMail.objects.filter(customer__in=ids)
    waiting = mails.filter(state=OutgoingMail.State.QUEUED).count()
    return [
        Part("Subjects of tickets", tickets.count(), goes=True),
        Part("Messages and notes in tickets", messages.count(), goes=True),
        Part("Mails waiting to be sent", waiting, goes=True),
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
