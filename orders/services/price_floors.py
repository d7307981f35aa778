"""The least a product may cost in a channel: more by one of finance, less by two."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from backoffice import audit, timeline
from backoffice.actors import Actor
from backoffice.money import Money
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.price_guards import PriceGuardChange
from orders.models.prices import PriceFloor
from orders.services.errors import WrongAmount
from orders.services.price_guards import ask_lower_floor, is_looser
from orders.services.prices import LABEL, MOST


@transaction.atomic
def set_floor(
    channel: Channel, sku_id: int, amount: Decimal | None, *, why: str, actor: Actor
) -> PriceGuardChange | None:
    """Set the least a product may cost; `amount` None: what a unit costs us is the floor again.

    More holds at once (None). Less waits for another of finance, who agrees to what is answered.
    Prices that are valid stay so; new ones and new orders are held against it. Raises WrongAmount,
    and OrderError where who asks for less is not of finance.
    """
    if amount is not None and (not amount.is_finite() or not 0 <= amount < MOST):
        raise WrongAmount("The least price is zero or more.")
    sku = Sku.objects.select_for_update(no_key=True).get(pk=sku_id)
    if is_looser(channel, sku_id, amount):
        return ask_lower_floor(channel, sku, amount, why=why, actor=actor)
    PriceFloor.objects.create(
        channel=channel, sku=sku, currency=channel.currency, amount=amount, why=why[:300],
        actor_kind=actor.kind, actor_label=actor.label,
    )  # fmt: skip
    said = "what it costs us" if amount is None else str(Money(amount, channel.currency))
    timeline.record([timeline.Happened(LABEL, sku.pk, f"Least price in {channel}: {said}", actor)])
    audit.record(
        "orders.price_floor_set", LABEL, sku.pk, actor=actor,
        channel=channel.key, floor=said, why=why,
    )  # fmt: skip
    return None
