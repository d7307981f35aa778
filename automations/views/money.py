"""Sums by currency, as screens print them."""

from collections.abc import Mapping
from decimal import Decimal

from backoffice.money import Money


def sums(at_stake: Mapping[str, Decimal]) -> str:
    """`£12,436.20`, or one amount for each currency; empty when there is none."""
    return " + ".join(str(Money(amount, code)) for code, amount in sorted(at_stake.items()))
