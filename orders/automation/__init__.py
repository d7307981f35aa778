"""What orders offers to rules: triggers, actions, kinds of case and records to go over."""

from orders.automation import (
    actions,
    cases,
    customers,
    feeds,
    fulfilment,
    fulfilment_actions,
    parcels,
    reviews,
    scans,
    segments,
    triggers,
)

__all__ = [
    "actions",
    "cases",
    "customers",
    "feeds",
    "fulfilment",
    "fulfilment_actions",
    "parcels",
    "reviews",
    "scans",
    "segments",
    "triggers",
]
