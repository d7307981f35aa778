"""What orders offers to rules: triggers, actions, kinds of case and records to go over."""

from orders.automation import (
    actions,
    cases,
    claims,
    customers,
    feeds,
    fulfilment,
    fulfilment_actions,
    parcels,
    return_actions,
    returns,
    reviews,
    scans,
    segments,
    triggers,
)

__all__ = [
    "actions",
    "cases",
    "claims",
    "customers",
    "feeds",
    "fulfilment",
    "fulfilment_actions",
    "parcels",
    "return_actions",
    "returns",
    "reviews",
    "scans",
    "segments",
    "triggers",
]
