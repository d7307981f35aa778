"""Orders of which two systems disagree, or of which the news is too old: cases that block them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from automations.cases import CaseKind, Decided, NewCase, Tie, cases, ties
from orders import signals
from orders.models.claims import Claim
from orders.models.conflicts import Conflict
from orders.models.exchanges import Exchange
from orders.models.orders import Order
from orders.models.returns import ReturnOrder


class _Conflicting(CaseKind):
    """`of` are the kinds of conflict that become a case of this kind."""

    subject = "orders.order"
    signal = signals.conflicts_found
    closed_signals = (signals.conflicts_settled,)
    closed_says = "Newer news came."
    blocks = True
    decided_at = "the order’s page"
    of: tuple[Conflict.Kind, ...]
    fallback: str

    def cases(
        self, *, orders: Sequence[Order], conflicts: Sequence[Conflict], **sent: Any
    ) -> list[NewCase]:
        by_id = {order.pk: order for order in orders}
        return [self._case(by_id[row.order_id], row) for row in conflicts if row.kind in self.of]

    def _case(self, order: Order, row: Conflict) -> NewCase:
        return NewCase(
            key=key_of(row),
            cause=row.get_kind_display(),
            says=f"Order {order}: {row.get_kind_display().lower()}. {row.ours} since "
            f"{_when(row.ours_since)}; {row.theirs}, as of {_when(row.theirs_since)}.",
            subject_id=order.pk,
            at_stake=order.total_money,
            fallback=self.fallback,
            detail={
                "One side": f"{row.ours}, since {_when(row.ours_since)}",
                "The other side": f"{row.theirs}, as of {_when(row.theirs_since)}",
            },
        )

    def closed(self, *, conflicts: Sequence[Conflict], **sent: Any) -> list[str | Decided]:
        return [_over(row) for row in conflicts if row.kind in self.of]


def key_of(row: Conflict) -> str:
    """The key of the case about a conflict."""
    return f"orders.conflict:{row.pk}"


def _when(at: Any) -> str:
    return f"{timezone.localtime(at):%-d %B %H:%M}"


def _over(row: Conflict) -> str | Decided:
    if row.decided_by_id is None:
        return key_of(row)
    words = f"{row.get_decision_display()}. {row.note}".strip()
    return Decided(key_of(row), words, row.decided_by_id)


@cases.register
class SystemsDisagree(_Conflicting):
    key = "orders.systems_disagree"
    label = "Cancelled, but on its way"
    of = (Conflict.Kind.CANCELLED,)
    fallback = (
        "Ask the carrier where the parcel is and whether it can be called back, and the shop "
        "whether the customer still wants it. Then say on the order's page which side holds."
    )


@cases.register
class NewsTooOld(_Conflicting):
    key = "orders.news_too_old"
    label = "News too old to act on"
    of = (Conflict.Kind.TRACKING, Conflict.Kind.MARKET)
    fallback = (
        "Look it up at the carrier or the marketplace. Note there what they tell, which closes "
        "this case, or say on the order's page that nobody knows more."
    )


@ties.register
class ReturnOfOrder(Tie):
    key, subject, to = "orders.return_of_order", "orders.returnorder", "orders.order"

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        rows = ReturnOrder.objects.filter(pk__in=ids, order__isnull=False)
        return {pk: order_id for pk, order_id in rows.values_list("pk", "order_id") if order_id}


@ties.register
class ClaimOfOrder(Tie):
    key, subject, to = "orders.claim_of_order", "orders.claim", "orders.order"

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        return dict(Claim.objects.filter(pk__in=ids).values_list("pk", "order_id"))


@ties.register
class ExchangeOfOrder(Tie):
    key, subject, to = "orders.exchange_of_order", "orders.exchange", "orders.order"

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        return dict(Exchange.objects.filter(pk__in=ids).values_list("pk", "order_id"))
