"""The engine's tables, by noun. Import the submodule that holds the one you need."""

from automations.models import (
    backtests,
    connectors,
    documents,
    events,
    existing,
    failures,
    figures,
    intake,
    inventory,
    policies,
    progress,
    reviews,
    rules,
    runs,
    schedules,
    trials,
)

__all__ = [
    "backtests",
    "connectors",
    "documents",
    "events",
    "existing",
    "failures",
    "figures",
    "intake",
    "inventory",
    "policies",
    "progress",
    "reviews",
    "rules",
    "runs",
    "schedules",
    "trials",
]
