"""Tables of the orders app, by noun. Import the submodule: `from orders.models.orders import …`."""

from orders.models import (
    carriers,
    channels,
    claims,
    customers,
    exchanges,
    holds,
    orders,
    packages,
    places,
    returns,
    shipments,
)

__all__ = [
    "carriers",
    "channels",
    "claims",
    "customers",
    "exchanges",
    "holds",
    "orders",
    "packages",
    "places",
    "returns",
    "shipments",
]
