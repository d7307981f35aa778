"""Tables of the orders app, by noun. Import the submodule: `from orders.models.orders import …`."""

from orders.models import (
    carriers,
    channels,
    customers,
    holds,
    orders,
    packages,
    places,
    returns,
    segments,
    shipments,
)

__all__ = [
    "carriers",
    "channels",
    "customers",
    "holds",
    "orders",
    "packages",
    "places",
    "returns",
    "segments",
    "shipments",
]
