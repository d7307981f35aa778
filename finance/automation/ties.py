"""Money that stands and falls with its order: what blocks the order blocks it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from automations.cases import Tie, ties
from finance.models.payments import Payment
from finance.models.refunds import Refund


@ties.register
class RefundOfOrder(Tie):
    key, subject, to = "finance.refund_of_order", "finance.refund", "orders.order"

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        return dict(Refund.objects.filter(pk__in=ids).values_list("pk", "order_id"))


@ties.register
class PaymentOfOrder(Tie):
    key, subject, to = "finance.payment_of_order", "finance.payment", "orders.order"

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        return dict(Payment.objects.filter(pk__in=ids).values_list("pk", "order_id"))
