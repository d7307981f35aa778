"""What the page of a customer shows, in few queries however much they bought."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from backoffice.money import Money
from orders.models.customers import Customer, CustomerMerge
from orders.models.orders import Order
from orders.models.returns import ReturnLine, ReturnOrder
from orders.models.segments import SegmentMember
from orders.queries.countries import country_name
from orders.queries.customers import NOTHING, Lately, lately, like, merges_of, spent_lately

LATEST_ORDERS = 20
LATEST_RETURNS = 10


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """A customer as the page shows them."""

    orders: list[Order]
    returns: list[ReturnOrder]
    open_total: int
    units_returned: int
    country: str
    lately: Lately
    spent_lately: Money | None
    merges: list[CustomerMerge]
    alike: list[Customer]
    segments: list[SegmentMember]


def customer_page(customer: Customer) -> CustomerPage:
    """A customer's figures, latest orders and returns, merges, segments and who may be the same."""
    mine = Order.objects.filter(customer=customer)
    back = ReturnLine.objects.filter(return_order__customer=customer)
    ninety = lately([customer.pk]).get(customer.pk, NOTHING)
    return CustomerPage(
        orders=list(mine.select_related("channel").order_by("-placed_at")[:LATEST_ORDERS]),
        returns=list(
            ReturnOrder.objects.filter(customer=customer)
            .select_related("order")
            .order_by("-requested_at")[:LATEST_RETURNS]
        ),
        open_total=mine.filter(fulfilment__in=["unshipped", "part_shipped"]).count(),
        units_returned=back.aggregate(units=Sum("quantity"))["units"] or 0,
        country=country_name(customer.country),
        lately=ninety,
        spent_lately=spent_lately(customer, ninety),
        merges=list(merges_of(customer)[:10]),
        alike=like(customer),
        segments=list(
            SegmentMember.objects.filter(customer=customer)
            .select_related("segment")
            .order_by("segment__name")
        ),
    )
