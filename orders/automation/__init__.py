"""What orders offers to rules: triggers, actions, kinds of case and records to go over."""

from orders.automation import (
    actions,
    cases,
    claims,
    feeds,
    fulfilment,
    fulfilment_actions,
    parcels,
    return_actions,
    returns,
    scans,
    triggers,
)

__all__ = [
    "actions",
    "cases",
    "claims",
    "feeds",
    "fulfilment",
    "fulfilment_actions",
    "parcels",
    "return_actions",
    "returns",
    "scans",
    "triggers",
]
