"""Which parcels cross a customs border, asked again whenever an order goes elsewhere."""

from __future__ import annotations

from orders.models.orders import Order
from orders.queries.borders import crosses_border


def needs_customs(order: Order) -> bool:
    """Whether parcels of this order must be declared; what is collected crosses no border."""
    sender = order.channel.legal_entity.country
    return order.method == Order.Method.HOME and crosses_border(sender, order.ship_country)


def ask_customs_again(order: Order) -> None:
    """Say on the order's parcels that are still here whether they must be declared now."""
    needed = needs_customs(order)
    for package in order.packages.filter(unpacked_at=None, shipment=None):
        if package.needs_customs != needed:
            package.needs_customs = needed
            package.version += 1
            package.save(update_fields=["needs_customs", "version"])
