"""Tables of the orders app, by noun. Import the submodule: `from orders.models.orders import …`."""

from orders.models import (
    carriers,
    channels,
    credit,
    customers,
    holds,
    orders,
    packages,
    places,
    returns,
    reviews,
    segments,
    shipments,
    trust,
)

__all__ = [
    "carriers",
    "channels",
    "credit",
    "customers",
    "holds",
    "orders",
    "packages",
    "places",
    "returns",
    "reviews",
    "segments",
    "shipments",
    "trust",
]
