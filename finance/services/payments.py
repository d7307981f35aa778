"""Take in what providers say was paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.money import Money
from finance import signals
from finance.models.ledger import Account
from finance.models.payments import Payment
from finance.services.balances import Change, add_to_balances, check_currency, sums_by_order
from finance.services.books import accounts_by_role
from finance.services.errors import FinanceError, PaymentConflict
from finance.services.journal import BusinessDays, Leg, NewEntry, post_entries
from orders.models.orders import Order
from orders.services.payment import Amount, mark_orders_paid


@dataclass(frozen=True, slots=True)
class NewPayment:
    """One payment as the provider reports it; `external_id` is the provider's reference."""

    order_id: int
    provider: str
    external_id: str
    amount: Money
    received_at: datetime
    method: str = Payment.Method.CARD


@dataclass(frozen=True, slots=True)
class Recorded:
    """The payments in the order asked for, and the ids of those that this call recorded."""

    payments: list[Payment]
    new_ids: frozenset[int]


def record_payments(
    payments: Sequence[NewPayment], *, actor: Acting, history: bool = False
) -> Recorded:
    """Record payments, book them and tell the orders; a known reference is left as it stands.

    Part payments add up; paying too much is recorded too. Raises WrongCurrency, PaymentConflict
    (a known reference with another order or amount), FinanceError. `actor.of()` is asked with the
    order's id. Announces payments_received.
    """
    try:
        with transaction.atomic():
            return _record(payments, actor, history=history)
    except IntegrityError:
        # Another transaction recorded a reference for another order a moment ago: now it is seen.
        with transaction.atomic():
            return _record(payments, actor, history=history)


def _record(payments: Sequence[NewPayment], actor: Acting, *, history: bool) -> Recorded:
    orders = _lock({new.order_id for new in payments})
    known = _known(payments)
    fresh: dict[tuple[str, str], NewPayment] = {}
    for new in payments:
        _guard(new, orders, known)
        if (new.provider, new.external_id) not in known:
            _same(new, fresh.setdefault((new.provider, new.external_id), new))
    made = Payment.objects.bulk_create(
        [_payment(new, history=history) for new in fresh.values()], batch_size=1000
    )
    if made:
        _book(made, orders, actor, history=history)
        told = mark_orders_paid(
            [Amount(payment.order_id, payment.money, payment.received_at) for payment in made],
            actor=actor,
            history=history,
        )
        _show(made, told, orders)
        signals.payments_received.send(sender=Payment, payments=made, actor=actor, history=history)
    known |= {(payment.provider, payment.external_id): payment for payment in made}
    return Recorded(
        [known[new.provider, new.external_id] for new in payments],
        frozenset(payment.pk for payment in made),
    )


def _lock(ids: Iterable[int]) -> dict[int, Order]:
    rows = (
        Order.objects.select_for_update(no_key=True, of=("self",))
        .select_related("channel")
        .filter(pk__in=ids)
        .order_by("pk")
    )
    return {order.pk: order for order in rows}


def _known(payments: Sequence[NewPayment]) -> dict[tuple[str, str], Payment]:
    """Payments with these references; looked up under the orders' locks."""
    wanted = {(new.provider, new.external_id) for new in payments}
    rows = Payment.objects.filter(
        provider__in={provider for provider, _ in wanted},
        external_id__in=[external_id for _, external_id in wanted],
    )
    found = {(payment.provider, payment.external_id): payment for payment in rows}
    return {key: found[key] for key in wanted & found.keys()}


def _guard(
    new: NewPayment, orders: dict[int, Order], known: dict[tuple[str, str], Payment]
) -> None:
    if new.order_id not in orders:
        raise FinanceError("The order of this payment does not exist.")
    check_currency(orders[new.order_id], new.amount.currency)
    if new.amount.amount <= 0 or new.amount != new.amount.rounded():
        raise FinanceError(
            f"{new.amount} is no payment. Enter an amount above zero, in whole minor units."
        )
    before = known.get((new.provider, new.external_id))
    if before is not None:
        _same(new, before)


def _same(new: NewPayment, before: Payment | NewPayment) -> None:
    amount = before.amount.amount if isinstance(before, NewPayment) else before.amount
    if before.order_id != new.order_id or amount != new.amount.amount:
        raise PaymentConflict(
            f"{new.provider} reference {new.external_id} is recorded already, for another order "
            "or amount. Check the reference with the provider."
        )


def _payment(new: NewPayment, *, history: bool) -> Payment:
    return Payment(
        order_id=new.order_id,
        provider=new.provider,
        external_id=new.external_id,
        method=new.method,
        amount=new.amount.amount,
        currency=new.amount.currency,
        received_at=new.received_at,
        is_history=history,
    )


def _show(made: Sequence[Payment], told: Sequence[Order], orders: dict[int, Order]) -> None:
    """Let listeners see the orders as they are now."""
    now = {order.pk: order for order in told}
    for payment in made:
        payment.order = now[payment.order_id]
        payment.order.channel = orders[payment.order_id].channel


def _book(
    payments: Sequence[Payment], orders: dict[int, Order], actor: Acting, *, history: bool
) -> None:
    """Post each payment, add it to its order's balance and write it to the stories."""
    entity_of = {pk: order.channel.legal_entity_id for pk, order in orders.items()}
    books = accounts_by_role(entity_of.values())
    days = BusinessDays(entity_of.values())
    entries = []
    for payment in payments:
        payment.order = orders[payment.order_id]
        entity = entity_of[payment.order_id]
        entries.append(
            NewEntry(
                entity_id=entity,
                posted_on=days.of(entity, payment.received_at),
                code="payment",
                source=("finance.payment", payment.pk, "received"),
                legs=[
                    Leg(books.account(entity, Account.Role.PSP_CLEARING), payment.money),
                    Leg(books.account(entity, Account.Role.CUSTOMERS), -payment.money),
                ],
                actor=actor.of(payment.order_id),
                reference=payment.number,
            )
        )
    post_entries(entries, history=history)
    paid = sums_by_order((payment.order_id, payment.amount) for payment in payments)
    add_to_balances({pk: Change(paid=amount) for pk, amount in paid.items()})
    timeline.record(
        timeline.Happened(
            "finance.payment",
            payment.pk,
            f"Received {payment.money} by {payment.provider}",
            actor.of(payment.order_id),
            payment.received_at,
            ("orders.order", payment.order_id),
        )
        for payment in payments
    )
