"""Our own running numbers."""

from __future__ import annotations

from django.db import connection


def next_order_numbers(count: int) -> list[str]:
    """As many order numbers as asked; a number taken by a failed write leaves a gap."""
    return _take("orders_order_number", count)


def next_return_numbers(count: int) -> list[str]:
    """As many return numbers as asked."""
    return [f"R{number}" for number in _take("orders_return_number", count)]


def next_claim_numbers(count: int) -> list[str]:
    """As many claim numbers as asked."""
    return [f"CL{number}" for number in _take("orders_claim_number", count)]


def next_exchange_numbers(count: int) -> list[str]:
    """As many exchange numbers as asked."""
    return [f"X{number}" for number in _take("orders_exchange_number", count)]


def next_cart_numbers(count: int) -> list[str]:
    """As many cart numbers as asked."""
    return [f"C{number}" for number in _take("orders_cart_number", count)]


def _take(sequence: str, count: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s) FROM generate_series(1, %s)", [sequence, count])
        return [str(number) for (number,) in cursor.fetchall()]
