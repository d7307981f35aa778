"""What units of an order's lines cost, tax included, cut so that the parts add up."""

from __future__ import annotations

from decimal import Decimal

from orders.models.orders import Order, OrderLine


def charged(order: Order, line: OrderLine) -> Decimal:
    """What a line was charged, tax included."""
    return line.line_total if order.prices_include_tax else line.line_total + line.tax


def share_of(order: Order, line: OrderLine, before: int, count: int) -> Decimal:
    """What `count` units of a line cost after the `before` first ones.

    A discount on the whole order is shared by the lines' worth.
    """
    whole = charged(order, line)
    if order.discount and order.subtotal:
        whole -= order.discount * line.line_total / order.subtotal
    upto = min(before + count, line.quantity)
    after = order.money(whole * upto / line.quantity).rounded()
    return (after - order.money(whole * min(before, upto) / line.quantity).rounded()).amount


def tax_rate(lines: list[OrderLine]) -> Decimal:
    """The tax on these lines as a part of their totals; zero where they bore none."""
    totals = sum((line.line_total for line in lines), Decimal(0))
    return sum((line.tax for line in lines), Decimal(0)) / totals if totals else Decimal(0)
