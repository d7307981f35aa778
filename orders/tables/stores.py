"""Every list of records can be narrowed to a store and to a company of ours."""

from __future__ import annotations

from backoffice.workbench.filters import Choice
from orders.queries.stores import company_options, store_options


def store_filters(channel: str) -> tuple[Choice, Choice]:
    """The two filters of a list whose rows lead to a channel by the lookup `channel`."""
    return (
        Choice(key="store", label="Store", options=store_options, field=f"{channel}__key"),
        Choice(
            key="company",
            label="Company",
            options=company_options,
            field=f"{channel}__legal_entity",
        ),
    )
