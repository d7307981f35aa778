"""What a refund brings about beyond its own order: the claim it answers, the goods it pays for."""

from __future__ import annotations

from django.utils import timezone

from backoffice.actors import Actor
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.payments import NewPayment, record_payments
from orders.models.claims import Claim
from orders.models.orders import Order
from orders.services.claims import mark_refund_asked, reopen_claim
from orders.services.errors import OrderError

# What the payment of new goods by those that came back is called among providers.
EXCHANGE = "exchange"


def ask_for_claim(claim_id: int, order: Order, actor: Actor) -> Claim:
    """Note on a claim of this order that its refund is asked for; raises FinanceError."""
    if not Claim.objects.filter(pk=claim_id, order=order).exists():
        raise FinanceError(f"That claim is not one of order {order.number}.")
    try:
        return mark_refund_asked(claim_id, actor=actor)
    except OrderError as error:
        raise FinanceError(str(error)) from error


def give_claim_back(refund: Refund, actor: Actor) -> None:
    """Open the claim of a refund again that came to nothing."""
    if refund.claim_id is not None:
        reopen_claim(refund.claim_id, actor=actor)


def pay_replacement(refund: Refund, actor: Actor) -> None:
    """Pay new goods with what those that came back cost, once the refund is approved."""
    exchange = refund.exchange
    if exchange is None or refund.reason != Refund.Reason.EXCHANGED:
        return
    new = NewPayment(
        order_id=exchange.replacement_id,
        provider=EXCHANGE,
        external_id=exchange.number,
        amount=refund.money,
        received_at=timezone.now(),
        method=Payment.Method.OTHER,
    )
    record_payments([new], actor=actor)
