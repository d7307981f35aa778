"""What orders brings before people: through the same queue as failed runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automations.cases import CaseKind, NewCase, cases
from backoffice.counting import counted
from backoffice.money import Money
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.returns import ReturnOrder


@cases.register
class ReturnWithoutOrder(CaseKind):
    key = "orders.return_without_order"
    label = "Return without an order"
    subject = "orders.returnorder"
    signal = signals.returns_unmatched
    closed_signals = (signals.returns_matched,)
    closed_says = "Its order was found."

    def cases(self, *, returns: Sequence[ReturnOrder], **sent: Any) -> list[NewCase]:
        return [
            NewCase(
                key=f"orders.returnorder:{row.pk}",
                cause=f"Return without an order: {row.unmatched_cause.replace('_', ' ')}",
                says=f"{row}: no order was found for this return of {counted(row.units, 'unit')}.",
                subject_id=row.pk,
                at_stake=Money(row.amount, row.currency),
                fallback="Look for the order by customer, product and date. Without one, the "
                "goods stay in quarantine and nothing is refunded.",
                detail={"return": row.number, "units": str(row.units)},
            )
            for row in returns
        ]

    def closed(self, *, returns: Sequence[ReturnOrder], **sent: Any) -> list[str]:
        return [f"orders.returnorder:{row.pk}" for row in returns]


@cases.register
class HoldRanOut(CaseKind):
    key = "orders.hold_ran_out"
    label = "Hold has run out"
    subject = "orders.order"
    signal = signals.holds_ran_out
    closed_signals = (signals.orders_released, signals.orders_cancelled)
    closed_says = "The hold has ended."

    def cases(
        self, *, orders: Sequence[Order], holds: Sequence[Hold], **sent: Any
    ) -> list[NewCase]:
        by_id = {order.pk: order for order in orders}
        return [
            NewCase(
                key=f"orders.hold:{hold.pk}",
                cause=f"Hold has run out: {hold.get_reason_display().lower()}",
                says=f"The hold of order {by_id[hold.order_id]} was meant to end by now, and "
                "nobody has decided about it.",
                subject_id=hold.order_id,
                at_stake=by_id[hold.order_id].total_money,
                fallback="Release the order, hold it for longer, or cancel it.",
                detail={"reason": hold.get_reason_display()},
            )
            for hold in holds
        ]

    def closed(
        self, *, orders: Sequence[Order], holds: Sequence[Hold] | None = None, **sent: Any
    ) -> list[str]:
        """Released: the holds that ended. Cancelled: every hold that had run out."""
        if holds is None:
            holds = list(Hold.objects.filter(order__in=orders, ran_out_at__isnull=False))
        return [f"orders.hold:{hold.pk}" for hold in holds if hold.ran_out_at is not None]


@cases.register
class StockShort(CaseKind):
    key = "orders.stock_short"
    label = "Order short of stock"
    subject = "orders.order"
    signal = signals.orders_short
    closed_signals = (signals.orders_released, signals.orders_cancelled)
    closed_says = "The order waits for no stock any more."

    def cases(
        self, *, orders: Sequence[Order], missing: Mapping[int, Mapping[str, int]], **sent: Any
    ) -> list[NewCase]:
        return [self._case(order, missing[order.pk]) for order in orders]

    def closed(
        self, *, orders: Sequence[Order], holds: Sequence[Hold] | None = None, **sent: Any
    ) -> list[str]:
        """Released: those that were held for want of stock. Cancelled: all."""
        if holds is not None:
            short = {hold.order_id for hold in holds if hold.reason == Hold.Reason.OUT_OF_STOCK}
            orders = [order for order in orders if order.pk in short]
        return [f"orders.order:{order.pk}" for order in orders]

    def _case(self, order: Order, units: Mapping[str, int]) -> NewCase:
        listed = ", ".join(f"{count} × {code}" for code, count in sorted(units.items()))
        return NewCase(
            key=f"orders.order:{order.pk}",
            cause=f"Short of {', '.join(sorted(units))}"[:300],
            says=f"Order {order} lacks {listed}. It waits on hold.",
            subject_id=order.pk,
            at_stake=order.total_money,
            fallback="Receive the goods and allocate the order again, or offer the customer "
            "another product, a later date or a cancellation.",
            detail={code: str(count) for code, count in sorted(units.items())},
        )
