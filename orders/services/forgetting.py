"""What is known of a buyer through doubts about their orders, forgotten with them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from orders.models.reviews import Review
from orders.models.trust import OrderMark


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
