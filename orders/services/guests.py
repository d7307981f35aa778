"""Guests whose cart says that they may be written to: known from then on, by their mail address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from backoffice import timeline
from backoffice.actors import Actor, Actors
from orders import signals
from orders.models.carts import Cart
from orders.models.customers import Customer
from orders.services.carts import LABEL
from orders.services.customers import NewCustomer, add_customers


@dataclass(frozen=True, slots=True)
class Agreed:
    """A cart whose buyer agreed to news by mail, at the address they wrote; and who says so."""

    cart: Cart
    mail: str
    actor: Actor


def tell_agreed(agreed: Iterable[Agreed]) -> None:
    """Announce carts_agreed for those that still wait for an order and have a mail address.

    The carts and their mail addresses are locked.
    """
    mine = [each for each in agreed if each.cart.is_live and each.cart.mail]
    if mine:
        signals.carts_agreed.send(
            sender=Cart,
            carts=[each.cart for each in mine],
            mails={each.cart.pk: each.mail for each in mine},
            actor=Actors({each.cart.pk: each.actor for each in mine}),
        )


@transaction.atomic
def know_guest(cart: Cart, mail: str, *, actor: Actor) -> Customer | None:
    """The buyer of a cart as a customer: made of the mail address where nobody has it yet.

    None where that can't be: it is no address, or one that several have, or somebody who was merged
    into another. The cart and its mail address are locked.
    """
    if cart.customer is not None:
        return cart.customer
    alike = list(Customer.objects.filter(mail_key=cart.mail)[:2])
    if alike:
        # Found under the lock: another cart of theirs came in just now.
        customer = alike[0] if len(alike) == 1 and alike[0].merged_into_id is None else None
    else:
        customer = _add(cart, mail)
    if customer is not None:
        cart.customer = customer
        cart.version += 1
        cart.save(update_fields=["customer", "version"])
        words = f"Is of customer {customer}, a guest who agreed to mail"
        timeline.record([timeline.Happened(LABEL, cart.pk, words, actor)])
    return customer


def _add(cart: Cart, mail: str) -> Customer | None:
    number = f"G{cart.number}"
    try:
        validate_email(mail)
    except ValidationError:
        return None
    if len(mail) > 254 or Customer.objects.filter(number=number).exists():
        return None
    return add_customers([NewCustomer(number, email=mail)])[number]
