"""What the company sells before it comes: one on its way, one that was moved, one without a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from backoffice.actors import Actor, outside, person
from backoffice.models import User
from backoffice.money import Money
from backoffice.roles import OPERATIONS
from inventory.services.skus import NewSku, add_skus
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.preorders import PreOrder
from orders.services.drafts import Address, NewLine, NewOrder
from orders.services.placing import place_orders
from orders.services.preorders import NewPreOrder, move_preorder, open_preorder

SHOP = outside("Web shop")
Billing, Reserve = PreOrder.Billing, PreOrder.Reserve
_PRODUCTS = {
    "ADVENT27": ("Wooden advent calendar 2027", "34.00"),
    "LANTERN-XL": ("Storm lantern, large, brass", "58.00"),
    "QUILT-ED": ("Patchwork quilt, numbered edition", "140.00"),
}


def sell_some_ahead(channel: Channel) -> list[Order]:
    """Three products that are on their way, with orders that wait; answers what is to be paid."""
    if PreOrder.objects.exists():
        return []
    clerk = User.objects.filter(groups__name=OPERATIONS, is_active=True).order_by("pk").first()
    by = person(clerk) if clerk else outside("Operations")
    skus = add_skus(
        [
            NewSku(code=code, name=name, cost=Money(Decimal(price) / 2, channel.currency))
            for code, (name, price) in _PRODUCTS.items()
        ],
        actor=by,
    )
    today = timezone.localdate()
    advent = NewPreOrder(
        channel, skus["ADVENT27"], Billing.ORDER, Reserve.SALE, today + timedelta(days=45), 120
    )
    lantern = replace(
        advent, sku=skus["LANTERN-XL"], billing=Billing.FULFILMENT, cap=40,
        promised_on=today + timedelta(days=9),
    )  # fmt: skip
    quilt = replace(
        lantern, sku=skus["QUILT-ED"], reserve=Reserve.FULFILMENT, promised_on=None, cap=12
    )
    rows = [open_preorder(each, actor=by) for each in (advent, lantern, quilt)]
    paid = _orders(channel, "ADVENT27", 4)
    _orders(channel, "LANTERN-XL", 3)
    _orders(channel, "QUILT-ED", 2)
    _move(rows[1], by)
    return paid


def _orders(channel: Channel, code: str, count: int) -> list[Order]:
    name, price = _PRODUCTS[code]
    buyers = Customer.objects.filter(merged_into=None, country="GB").order_by("-pk")[:count]
    new = [
        NewOrder(
            channel,
            (NewLine(1 + n % 2, Decimal(price), code, description=name),),
            external_id=f"ahead-{code}-{n}",
            customer_id=buyer.pk,
            placed_at=timezone.now() - timedelta(hours=40 - 3 * n),
            ship_to=Address(buyer.name, f"{n + 3} Priory Lane", "Bath", "BA1 2LX", "GB"),
        )
        for n, buyer in enumerate(buyers)
    ]
    return place_orders(new, actor=SHOP).orders


def _move(row: PreOrder, by: Actor) -> None:
    later = timezone.localdate() + timedelta(days=30)
    move_preorder(row.pk, later, why="The container waits in Rotterdam", actor=by)
