"""What is known of a buyer through doubts about their orders, forgotten with them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from orders.models.carts import Cart
from orders.models.customers import Customer
from orders.models.reviews import Review
from orders.models.trust import OrderMark
from orders.services.carts import lock_mails


@transaction.atomic
def forget_doubts(order_ids: Iterable[int]) -> None:
    """Erase the marks of orders, and the addresses in their reviews; the verdicts stay.

    What stands on the blocklist stays there, for its own reason, until somebody takes it off.
    """
    ids = list(order_ids)
    OrderMark.objects.filter(order__in=ids).delete()
    for review in Review.objects.filter(order__in=ids, kind=Review.Kind.ADDRESS):
        count = len(review.found.get("problems", ()))
        review.found = {"problems": ["erased"] * count, "erased": True}
        review.save(update_fields=["found"])


class ToldMeanwhile(Exception):
    """The carts that were locked are not all of them."""


def lock_carts(customer_ids: Iterable[int]) -> set[int]:
    """Lock the carts of customers and of their mail addresses, by key; answers their ids."""
    rows = _carts(customer_ids).select_for_update(no_key=True, of=("self",)).order_by("pk")
    return set(rows.values_list("pk", flat=True))


def forget_carts(locked: set[int], customer_ids: Iterable[int]) -> None:
    """Erase the mail addresses of carts; those that were still live expire.

    The customers are locked. Raises ToldMeanwhile where there are more carts than those `locked`.
    """
    ids = list(customer_ids)
    lock_mails(_mails(ids))
    if not set(_carts(ids).values_list("pk", flat=True)) <= locked:
        raise ToldMeanwhile
    rows = Cart.objects.filter(pk__in=locked)
    rows.filter(state__in=Cart.LIVE).update(
        state=Cart.State.EXPIRED, ended_at=timezone.now(), version=F("version") + 1
    )
    rows.exclude(mail="").update(mail="")


def _mails(customer_ids: Iterable[int]) -> set[str]:
    keys = Customer.objects.filter(pk__in=list(customer_ids)).exclude(mail_key="")
    return set(keys.values_list("mail_key", flat=True))


def _carts(customer_ids: Iterable[int]) -> QuerySet[Cart]:
    ids = list(customer_ids)
    return Cart.objects.filter(Q(customer__in=ids) | Q(mail__in=_mails(ids)))
