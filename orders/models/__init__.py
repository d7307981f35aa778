"""Tables of the orders app, by noun. Import the submodule: `from orders.models.orders import …`."""

from orders.models import (
    carriers,
    channels,
    claims,
    credit,
    customers,
    exchanges,
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
    "claims",
    "credit",
    "customers",
    "exchanges",
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
