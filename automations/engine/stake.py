"""The money at stake in an event, for cases, previews and limits."""

from __future__ import annotations

from automations.conditions.fields import Catalogue, Facts, Field, Kind
from automations.conditions.values import read
from backoffice.money import Money


def stake_field(catalogue: Catalogue) -> Field | None:
    """The field that says how much an event is about: a total, else its first amount."""
    amounts = [field for field in catalogue if field.kind is Kind.MONEY]
    totals = [field for field in amounts if field.path.rpartition(".")[2] in ("total", "amount")]
    return next(iter(totals or amounts), None)


def stake_of(catalogue: Catalogue, facts: Facts) -> Money | None:
    """The amount; None when the event has none."""
    field = stake_field(catalogue)
    value = read(field, facts) if field else None
    return value if isinstance(value, Money) else None
