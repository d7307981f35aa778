"""What orders offers to rules: triggers, actions, kinds of case and records to go over."""

from orders.automation import (
    actions,
    cases,
    feeds,
    fulfilment,
    fulfilment_actions,
    parcels,
    reviews,
    scans,
    triggers,
)

__all__ = [
    "actions",
    "cases",
    "feeds",
    "fulfilment",
    "fulfilment_actions",
    "parcels",
    "reviews",
    "scans",
    "triggers",
]
