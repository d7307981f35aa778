"""By what a buyer is known again: marks in one spelling, written down when an order is placed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from backoffice.sets import Stencil, append_many
from orders.models.orders import Order
from orders.models.trust import MarkKind, OrderMark
from orders.services.drafts import Contact, NewOrder
from orders.services.errors import OrderError

Marks = dict[int, dict[str, str]]

_ROWS = Stencil(OrderMark)
_LONGEST = 320


def mail_mark(text: str) -> str:
    """A mail address without case and without what stands after a plus; blank if it is none."""
    name, at, host = text.strip().casefold().rpartition("@")
    name = name.partition("+")[0]
    return f"{name}@{host}" if name and at and host else ""


def phone_mark(text: str) -> str:
    """The digits of a number, without leading zeros; blank where there are too few to tell."""
    digits = re.sub(r"\D", "", text).lstrip("0")
    return digits if len(digits) >= 6 else ""


def address_mark(lines: str, postcode: str, country: str) -> str:
    """Letters and digits of street, postcode and country; blank without a street."""
    street = re.sub(r"[\W_]", "", lines.casefold())
    rest = re.sub(r"[\W_]", "", f"{postcode}{country}".casefold())
    return f"{street}/{rest}" if street else ""


def card_mark(text: str) -> str:
    """A fingerprint as the provider writes it, in lower case."""
    return text.strip().casefold()


def ip_mark(text: str) -> str:
    """An IP address in its one spelling; blank if it is none."""
    try:
        return ip_address(text.strip()).compressed
    except ValueError:
        return ""


def clean_mark(kind: MarkKind, text: str) -> str:
    """What somebody typed, in the spelling of marks; raises OrderError when it is none.

    An address is typed as street, postcode and country code, with commas between.
    """
    if kind == MarkKind.ADDRESS:
        parts = [part.strip() for part in text.split(",")]
        value = address_mark(" ".join(parts[:-2]), parts[-2], parts[-1]) if len(parts) > 2 else ""
    else:
        spell = {
            MarkKind.MAIL: mail_mark,
            MarkKind.PHONE: phone_mark,
            MarkKind.CARD: card_mark,
            MarkKind.IP: ip_mark,
        }[kind]
        value = spell(text)
    if not value or len(value) > _LONGEST:
        raise OrderError(f"“{text}” is no {kind.label.lower()} that orders can be told by.")
    return value


def marks_of(order: Order, contact: Contact) -> dict[str, str]:
    """The marks of one order by kind; `contact` without a mail address takes the customer's."""
    mail = contact.email or (order.customer.email if order.customer else "")
    found = {
        MarkKind.MAIL: mail_mark(mail),
        MarkKind.ADDRESS: address_mark(order.ship_lines, order.ship_postcode, order.ship_country),
        MarkKind.PHONE: phone_mark(contact.phone),
        MarkKind.CARD: card_mark(contact.card),
        MarkKind.IP: ip_mark(contact.ip),
    }
    return {str(kind): value[:_LONGEST] for kind, value in found.items() if value}


def write_marks(orders: Sequence[Order], drafts: Sequence[NewOrder]) -> Marks:
    """Write down the marks of orders just placed; returns them by order id."""
    marks = {
        order.pk: marks_of(order, draft.contact)
        for order, draft in zip(orders, drafts, strict=True)
    }
    append_many(
        [
            _ROWS.row(order_id=order.pk, kind=kind, value=value, placed_at=order.placed_at)
            for order in orders
            for kind, value in marks[order.pk].items()
        ]
    )
    return marks


def read_marks(orders: Sequence[Order]) -> Marks:
    """The marks of orders by order id."""
    marks: Marks = {order.pk: {} for order in orders}
    rows = OrderMark.objects.filter(order__in=orders)
    for order_id, kind, value in rows.values_list("order_id", "kind", "value"):
        marks[order_id][kind] = value
    return marks
