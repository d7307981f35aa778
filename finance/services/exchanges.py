"""The money of an exchange: what came back pays for the new goods, and the rest goes back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from django.db import transaction

from backoffice.actors import Actor
from finance.models.refunds import Refund, RefundLine
from finance.services.errors import FinanceError
from finance.services.parts import NewPart
from finance.services.refunds import NewRefund, request_refunds
from orders.models.exchanges import Exchange
from orders.services.errors import OrderError

# Units and their price, by order line.
Credits = Mapping[int, tuple[int, Decimal]]


@transaction.atomic
def ask_for_exchange(exchange: Exchange, credits: Credits, *, actor: Actor) -> list[Refund]:
    """Ask for the credit of an exchange: what pays for the new goods apart from what goes back.

    Both wait for somebody else of finance. Raises OrderError where less can be refunded.
    """
    pays = min(exchange.credit, exchange.price)
    first, rest = _cut(credits, pays)
    wanted = [
        (Refund.Reason.EXCHANGED, first),
        (Refund.Reason.RETURNED, rest),
    ]
    requests = [
        NewRefund(
            exchange.order_id, None, reason, actor, parts=parts,
            key=f"exchange:{exchange.pk}:{reason}", return_id=exchange.return_order_id,
            exchange_id=exchange.pk,
        )
        for reason, parts in wanted
        if parts
    ]  # fmt: skip
    refunds = []
    for answer in request_refunds(requests):
        if isinstance(answer, FinanceError):
            raise OrderError(f"The exchange can't be paid for: {answer}") from answer
        refunds.append(answer.refund)
    return refunds


def _cut(credits: Credits, upto: Decimal) -> tuple[tuple[NewPart, ...], tuple[NewPart, ...]]:
    """The parts that come to an amount, and those beyond; units stay where a line is whole."""
    parts: tuple[list[NewPart], list[NewPart]] = ([], [])
    left = upto
    for pk, (units, amount) in sorted(credits.items()):
        taken = min(amount, left)
        left -= taken
        for side, part in enumerate((taken, amount - taken)):
            if part > 0:
                whole = units if part == amount else None
                parts[side].append(NewPart(RefundLine.What.LINE, part, pk, whole))
    return tuple(parts[0]), tuple(parts[1])
