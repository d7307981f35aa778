"""Money back: one asks, somebody else of finance approves exactly what they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import Actor, ActorKind, Actors
from backoffice.models import User
from backoffice.money import Money, total
from backoffice.roles import FINANCE
from finance import signals
from finance.models.balances import OrderBalance
from finance.models.ledger import Account
from finance.models.payments import Payment
from finance.models.refunds import Refund, RefundLine
from finance.services import balances
from finance.services.aftersale import ask_for_claim, give_claim_back, pay_replacement
from finance.services.books import accounts_by_role
from finance.services.errors import (
    FinanceError,
    RefundChanged,
    RefundClosed,
    RefundTooLarge,
    SamePerson,
)
from finance.services.journal import BusinessDays, Leg, NewEntry, post_entries
from finance.services.parts import (
    NewPart,
    check_return,
    part_rows,
    tax_inside,
    to_be_credited,
)
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.services.payment import Amount, record_refunded

LABEL = "finance.refund"
NIL = Decimal(0)


@dataclass(frozen=True, slots=True)
class NewRefund:
    """One request, by its own actor. `key` makes a repeat ask once; "" for none.

    `amount` None asks for what the parts come to, and without parts for all that can still be
    refunded; `payment_id` None leaves open which payment it goes back to. `return_id`, `claim_id`
    and `exchange_id` name what it is for.
    """

    order_id: int
    amount: Money | None
    reason: str
    actor: Actor
    note: str = ""
    payment_id: int | None = None
    key: str = ""
    parts: tuple[NewPart, ...] = ()
    return_id: int | None = None
    claim_id: int | None = None
    exchange_id: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and whether this call made it."""

    refund: Refund
    is_new: bool


def request_refund(
    order: Order,
    amount: Money | None,
    reason: str,
    *,
    actor: Actor,
    note: str = "",
    payment: Payment | None = None,
    key: str = "",
) -> Refund:
    """Ask for money back; raises RefundTooLarge, WrongCurrency, FinanceError."""
    new = NewRefund(order.pk, amount, reason, actor, note, payment.pk if payment else None, key)
    (answer,) = request_refunds([new])
    if isinstance(answer, FinanceError):
        raise answer
    return answer.refund


@transaction.atomic
def request_refunds(
    requests: Sequence[NewRefund], *, history: bool = False
) -> list[Asked | FinanceError]:
    """Ask for refunds, answering each in turn: a request, or why it is refused.

    The amount is set aside at once, so that two requests can't promise the same money. Announces
    refunds_requested.
    """
    orders = _lock_orders({new.order_id for new in requests})
    payments = Payment.objects.in_bulk([new.payment_id for new in requests if new.payment_id])
    keys = {new.key for new in requests if new.key}
    known = {refund.key: refund for refund in Refund.objects.filter(key__in=keys)}
    answers: list[Asked | FinanceError] = []
    made: list[tuple[Refund, Actor]] = []
    for new in requests:
        if new.key and new.key in known:
            answers.append(Asked(known[new.key], is_new=False))
            continue
        try:
            refund = _request(new, orders.get(new.order_id), payments, history=history)
        except FinanceError as error:
            answers.append(error)
            continue
        if new.key:
            known[new.key] = refund
        made.append((refund, new.actor))
        answers.append(Asked(refund, is_new=True))
    _tell_requests(made, history=history)
    return answers


@audit.traces_refusals("finance.refused", LABEL, FinanceError)
@transaction.atomic
def approve_refund(
    refund: Refund, *, amount: Money, version: int, actor: Actor, note: str = ""
) -> Refund:
    """Release the money of exactly the request that was shown, and book it, once.

    `amount` and `version` are what the approver saw. Raises RefundChanged when the request is
    another now, RefundClosed when it is decided, SamePerson when the approver asked for it,
    FinanceError when the actor is no person of finance. Announces refunds_approved.
    """
    approver = _approver(actor)
    (order,) = _lock_orders({refund.order_id}).values()
    refund = _lock(refund, version)
    if refund.money != amount:
        raise RefundChanged(
            f"{refund.number} is about {refund.money}, not {amount}. Look at it again."
        )
    if refund.requested_by_id == approver.pk:
        raise SamePerson(
            f"You asked for {refund.number} yourself. Somebody else of finance must approve it."
        )
    return _let_go(refund, order, approver, note, actor)


@transaction.atomic
def release_alone(refund: Refund, *, approver: User, actor: Actor) -> Refund:
    """Release what its asker may pay back without a second person, and book it, once.

    PostgreSQL decides whether they may: raises IntegrityError where not, RefundClosed when it is
    decided. Announces refunds_approved.
    """
    (order,) = _lock_orders({refund.order_id}).values()
    refund = _lock(refund, refund.version)
    refund.alone = True
    return _let_go(refund, order, approver, "Within what one person pays back alone.", actor)


def _let_go(refund: Refund, order: Order, approver: User, note: str, actor: Actor) -> Refund:
    version = refund.version
    refund.state = Refund.State.APPROVED
    refund.approved_by = approver
    _decide(refund, note, ["state", "approved_by", "alone"])
    _book(refund, order, actor)
    amounts = [Amount(order.pk, refund.money)]
    (refund.order,) = record_refunded(amounts, actor=actor, history=refund.is_history)
    pay_replacement(refund, actor)
    said = "paid back by one person, within the limit" if refund.alone else "approved"
    _tell(refund, f"Refund {refund.number} of {refund.money} {said}", actor)
    audit.record(
        "finance.refund_approved",
        LABEL,
        refund.pk,
        actor=actor,
        amount=refund.money.as_json(),
        version=version,
        order=order.number,
        alone=refund.alone,
    )
    signals.refunds_approved.send(
        sender=Refund, refunds=[refund], actor=actor, history=refund.is_history
    )
    return refund


@audit.traces_refusals("finance.refused", LABEL, FinanceError)
@transaction.atomic
def reject_refund(refund: Refund, *, version: int, note: str, actor: Actor) -> Refund:
    """Say no, with the reason; the money is free for other requests. Announces refunds_rejected.

    Raises RefundChanged, RefundClosed, FinanceError without a reason.
    """
    if not note.strip():
        raise FinanceError("Say why, so that whoever asked knows what to do.")
    _approver(actor)
    refund = _close(refund, Refund.State.REJECTED, version, note, actor)
    audit.record("finance.refund_rejected", LABEL, refund.pk, actor=actor, version=version)
    signals.refunds_rejected.send(sender=Refund, refunds=[refund], actor=actor, history=False)
    return refund


@transaction.atomic
def withdraw_refund(refund: Refund, *, version: int, actor: Actor) -> Refund:
    """Take a request back. Announces refunds_withdrawn. Raises RefundChanged, RefundClosed."""
    refund = _close(refund, Refund.State.WITHDRAWN, version, "", actor)
    signals.refunds_withdrawn.send(sender=Refund, refunds=[refund], actor=actor, history=False)
    return refund


def _request(
    new: NewRefund, order: Order | None, payments: dict[int, Payment], *, history: bool
) -> Refund:
    if order is None:
        raise FinanceError("The order of this refund does not exist.")
    balance = balances.balance_of(order)
    parts = part_rows(order, new.parts)
    amount = _asked(new, order, balance, parts)
    balances.check_currency(order, amount.currency)
    _check_amount(amount, balance, order)
    if new.return_id is not None:
        check_return(ReturnOrder.objects.get(pk=new.return_id), order)
    payment = payments.get(new.payment_id) if new.payment_id else None
    if new.payment_id and (payment is None or payment.order_id != order.pk):
        raise FinanceError(f"That payment is not one of order {order.number}.")
    if new.claim_id is not None:
        ask_for_claim(new.claim_id, order, new.actor)
    balances.reserve(order.pk, amount.amount)
    refund = Refund.objects.create(
        order=order,
        return_order_id=new.return_id,
        claim_id=new.claim_id,
        exchange_id=new.exchange_id,
        payment=payment,
        amount=amount.amount,
        currency=amount.currency,
        reason=new.reason,
        note=new.note,
        key=new.key,
        requested_by_id=new.actor.user_id,
        actor_kind=new.actor.kind,
        actor_label=new.actor.label,
        rule_id=new.actor.rule_id,
        rule_version=new.actor.rule_version,
        run_id=new.actor.run_id,
        is_history=history,
    )
    for part in parts:
        part.refund = refund
    RefundLine.objects.bulk_create(parts)
    return refund


def _asked(
    new: NewRefund, order: Order, balance: OrderBalance, parts: Sequence[RefundLine]
) -> Money:
    """The amount of a request; raises FinanceError where its parts come to another."""
    if not parts:
        return balance.refundable if new.amount is None else new.amount
    amount = total((order.money(part.amount) for part in parts), order.currency)
    if new.amount is not None and new.amount != amount:
        raise FinanceError(f"The parts come to {amount}, not {new.amount}.")
    return amount


def _tell_requests(made: Sequence[tuple[Refund, Actor]], *, history: bool) -> None:
    if not made:
        return
    timeline.record(
        entry
        for refund, actor in made
        for entry in _both(refund, f"Refund {refund.number} of {refund.money} asked for", actor)
    )
    signals.refunds_requested.send(
        sender=Refund,
        refunds=[refund for refund, _ in made],
        actor=Actors({refund.pk: actor for refund, actor in made}),
        history=history,
    )


def _check_amount(amount: Money, balance: OrderBalance, order: Order) -> None:
    left = balance.refundable
    if left.amount <= 0:
        raise RefundTooLarge(f"Nothing is left to refund on order {order.number}.")
    if amount.amount <= 0 or amount != amount.rounded():
        raise FinanceError(f"{amount} is no refund. Enter an amount above zero.")
    if amount > left:
        raise RefundTooLarge(
            f"{amount} is more than can still be refunded on order {order.number}: {left}. "
            "Ask for less, or look at the refunds that are open."
        )


def _approver(actor: Actor) -> User:
    """The person of finance behind an actor; a rule approves no money."""
    user = User.objects.filter(pk=actor.user_id or 0, is_active=True).first()
    if actor.kind != ActorKind.PERSON or user is None:
        raise FinanceError("Only a person of finance can decide on a refund.")
    # By role, as PostgreSQL asks it: no rank stands in for finance.
    if not user.groups.filter(name=FINANCE).exists():
        raise FinanceError(f"{user} may not decide on refunds. Ask somebody of finance.")
    return user


def _lock_orders(ids: set[int]) -> dict[int, Order]:
    """Orders come before refunds in the order of locks."""
    rows = (
        Order.objects.select_for_update(no_key=True, of=("self",))
        .select_related("channel")
        .filter(pk__in=ids)
        .order_by("pk")
    )
    return {order.pk: order for order in rows}


def _lock(refund: Refund, version: int) -> Refund:
    locked = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund.pk)
    if locked.state != Refund.State.REQUESTED:
        raise RefundClosed(
            f"{locked.number} is decided already: {locked.get_state_display().lower()}."
        )
    if locked.version != version:
        raise RefundChanged(f"{locked.number} changed since you opened it. Look at it again.")
    return locked


def _close(refund: Refund, state: str, version: int, note: str, actor: Actor) -> Refund:
    _lock_orders({refund.order_id})
    refund = _lock(refund, version)
    refund.state = state
    _decide(refund, note, ["state"])
    balances.release(refund.order_id, refund.amount)
    give_claim_back(refund, actor)
    _tell(refund, f"Refund {refund.number} {refund.get_state_display().lower()}", actor)
    return refund


def _decide(refund: Refund, note: str, fields: list[str]) -> None:
    refund.decided_at = timezone.now()
    refund.decision_note = note.strip()
    refund.version += 1
    refund.save(update_fields=[*fields, "decided_at", "decision_note", "version"])


def _book(refund: Refund, order: Order, actor: Actor) -> None:
    """Book a refund: first against what we owe the customer, the rest as an allowance.

    Goods that are still to come are credited when they arrive, so until then the customer owes
    what was given back for them. The allowance takes its share of the tax along, as it was charged.
    """
    coming = to_be_credited(refund)
    owed = max(-balances.balance_of(order).balance, NIL) + coming
    from_credit = min(owed, refund.amount)
    allowance = refund.amount - from_credit
    entity = order.channel.legal_entity_id
    books = accounts_by_role([entity])
    inside = order.money(tax_inside(refund, allowance, coming)).rounded().amount
    sides = [
        (Account.Role.CUSTOMERS, from_credit),
        (Account.Role.RETURNS, allowance - inside),
        (Account.Role.TAX, inside),
        (Account.Role.PSP_CLEARING, -refund.amount),
    ]
    entry = NewEntry(
        entity_id=entity,
        posted_on=BusinessDays([entity]).of(entity, timezone.now()),
        code="refund",
        source=(LABEL, refund.pk, "approved"),
        legs=[
            Leg(books.account(entity, role), order.money(amount), refund.reason)
            for role, amount in sides
            if amount
        ],
        actor=actor,
        reference=refund.number,
    )
    post_entries([entry], history=refund.is_history)
    balances.refund(order.pk, refund.amount, credited=allowance)


def _tell(refund: Refund, words: str, actor: Actor) -> None:
    timeline.record(_both(refund, words, actor))


def _both(refund: Refund, words: str, actor: Actor) -> list[timeline.Happened]:
    """The same words in the refund's story and in its order's."""
    order, own = ("orders.order", refund.order_id), (LABEL, refund.pk)
    return [
        timeline.Happened(*own, words, actor, None, order),
        timeline.Happened(*order, words, actor, None, own),
    ]
