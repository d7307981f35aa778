"""Money back by one person, within a limit that two have set. PostgreSQL holds every part of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from backoffice import audit, notices
from backoffice.actors import Actor, ActorKind
from backoffice.doors import call
from backoffice.models import User
from backoffice.money import Money
from finance.models.refund_limits import RefundLimit
from finance.models.refunds import Refund
from finance.services.errors import FinanceError, RefundClosed
from finance.services.refunds import release_alone

LABEL = "finance.refundlimit"
PERMISSION = "finance.pay_small_refund"
# What is paid back alone is added up over so long.
WHILE = timedelta(hours=24)
HELD_BACK = ("refund_alone_within_limit", "refund_alone_by_who_asked")


def given_lately(user: User, currency: str) -> Money:
    """What a person has paid back alone within the last 24 hours."""
    since = timezone.now() - WHILE
    alone = Refund.objects.filter(
        requested_by=user, currency=currency, alone=True, decided_at__gt=since
    )
    found = alone.aggregate(found=Sum("amount"))["found"]
    return Money(found or Decimal(0), currency)


def left_alone(user: User, currency: str) -> Money | None:
    """The most this person can pay back alone now, at once; None: nothing, two people decide."""
    if not user.has_perm(PERMISSION):
        return None
    limit = RefundLimit.objects.filter(currency=currency, amount__gt=0).first()
    if limit is None:
        return None
    left = min(limit.amount, limit.a_day - given_lately(user, currency).amount)
    return Money(left, currency) if left > 0 else None


@transaction.atomic
def pay_if_small(refund: Refund, *, actor: Actor) -> bool:
    """Release a refund that its asker may pay back alone; False: it waits for finance.

    Announces refunds_approved.
    """
    user = User.objects.filter(pk=actor.user_id or 0, is_active=True).first()
    if actor.kind != ActorKind.PERSON or user is None or refund.requested_by_id != user.pk:
        return False
    most = left_alone(user, refund.currency)
    if most is None or refund.state != Refund.State.REQUESTED or refund.money > most:
        return False
    try:
        with transaction.atomic():
            release_alone(refund, approver=user, actor=actor)
    except RefundClosed:
        return False
    except IntegrityError as error:
        said = getattr(error.__cause__, "diag", None)
        if getattr(said, "constraint_name", "") not in HELD_BACK:
            raise
        return False  # another of theirs was faster, or the limit has changed
    return True


def change_limit(currency: str, amount: Decimal, a_day: Decimal, *, actor: Actor) -> bool:
    """Lower a limit at once, or ask for a higher one; answers whether it holds already.

    Raises FinanceError.
    """
    return _change(None, currency, amount, a_day, actor=actor)


# A limit has a currency for a number: refusals are recorded of none.
@audit.traces_refusals("finance.refused", LABEL, FinanceError)
@transaction.atomic
def _change(_: None, currency: str, amount: Decimal, a_day: Decimal, *, actor: Actor) -> bool:
    said = _call("set_refund_limit", currency, amount, a_day, actor.user_id)
    if said == "asked":
        others = [
            user
            for user in notices.holders("finance.change_refundlimit")
            if user.pk != actor.user_id
        ]
        money, day = Money(amount, currency), Money(a_day, currency)
        text = f"{actor.label} asks that one person pays back up to {money} alone, {day} a day."
        row = RefundLimit.objects.get(pk=currency)
        key = f"refundlimit:{currency}:{row.asked_at:%Y%m%d%H%M%S%f}"
        notices.notify(others, text, reverse("refund_limits"), key=key, mail=True)
    return bool(said == "lowered")


def answer_limit(
    currency: str, amount: Decimal, a_day: Decimal, *, agrees: bool, actor: Actor
) -> None:
    """Agree to a higher limit, as the second person, or leave it; what was seen is asked for.

    Raises FinanceError.
    """
    _answer(None, currency, amount, a_day, agrees=agrees, actor=actor)


@audit.traces_refusals("finance.refused", LABEL, FinanceError)
@transaction.atomic
def _answer(
    _: None, currency: str, amount: Decimal, a_day: Decimal, *, agrees: bool, actor: Actor
) -> None:
    _call("agree_refund_limit", currency, amount, a_day, actor.user_id, agrees)


def _call(function: str, *arguments: Any) -> Any:
    return call(f"finance_{function}", *arguments, as_error=FinanceError)
