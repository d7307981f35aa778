"""What erasing a customer would take away, and what must stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from orders import signals
from orders.models.carts import Cart
from orders.models.claims import Claim
from orders.models.customers import Customer, CustomerMerge
from orders.models.orders import Order, OrderNote
from orders.models.returns import ReturnOrder
from orders.models.segments import SegmentMember
from orders.models.trust import OrderMark
from orders.queries.customers import everyone_in

OPEN = Q(fulfilment__in=["unshipped", "part_shipped"])


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of record: how many, whether it goes, and why it stays where it does."""

    what: str
    count: int
    goes: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done. `open` says what must be settled first."""

    family: list[int]
    parts: list[Part]
    open: list[str]

    @property
    def going(self) -> list[Part]:
        return [part for part in self.parts if part.goes]

    @property
    def staying(self) -> list[Part]:
        return [part for part in self.parts if not part.goes]


def preview(customer: Customer) -> Preview:
    """What erasing a customer, and everyone merged into them, would do."""
    family = everyone_in(customer.pk)
    orders = Order.objects.filter(customer__in=family)
    open_orders = orders.filter(OPEN).order_by("pk").values_list("number", flat=True)
    returns = ReturnOrder.objects.filter(
        customer__in=family, state__in=["requested", "authorised", "received"]
    ).values_list("number", flat=True)
    parts = _own_parts(family, orders)
    answers: Sequence[tuple[object, Any]] = signals.erasure_weighed.send(
        sender=Customer, ids=family
    )
    for _, more in answers:
        parts += more
    return Preview(
        family,
        [part for part in parts if part.count],
        [
            *(f"order {each}" for each in open_orders[:5]),
            *(f"return {each}" for each in returns[:5]),
        ],
    )


def _own_parts(family: list[int], orders: QuerySet[Order]) -> list[Part]:
    notes = OrderNote.objects.filter(order__in=orders).exclude(text="")
    versions = Customer.history.filter(id__in=family)
    segments = SegmentMember.objects.filter(customer__in=family)
    claims = Claim.objects.filter(order__in=orders).exclude(evidence="")
    marks = OrderMark.objects.filter(order__in=orders)
    carts = Cart.objects.filter(customer__in=family).exclude(mail="")
    merges = CustomerMerge.objects.filter(survivor__in=family)
    billed = orders.exclude(bill_name="")
    invoice = "they are part of the invoice, which tax law keeps"
    return [
        Part("Name, mail, telephone, company, VAT id, tags", len(family), goes=True),
        Part("Earlier versions of these", versions.count(), goes=True),
        Part("Delivery addresses of orders", orders.exclude(ship_name="").count(), goes=True),
        Part("Notes on orders", notes.count(), goes=True),
        Part("What they wrote in claims", claims.count(), goes=True),
        Part("Marks that screening compares", marks.count(), goes=True),
        Part("Mail addresses of carts", carts.count(), goes=True),
        Part("Places in segments", segments.count(), goes=True),
        Part("What merges changed", merges.count(), goes=True),
        Part("Orders with lines, amounts, tax, country", orders.count(), False, "tax law"),
        Part("Billing names and addresses on orders", billed.count(), False, invoice),
    ]
