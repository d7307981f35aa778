"""The least a product may cost in a channel, set by people."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from backoffice import audit, timeline
from backoffice.actors import Actor
from backoffice.money import Money
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.prices import PriceFloor
from orders.services.errors import WrongAmount
from orders.services.prices import LABEL, MOST


@transaction.atomic
def set_floor(
    channel: Channel, sku_id: int, amount: Decimal | None, *, why: str, actor: Actor
) -> PriceFloor:
    """Set the least a product may cost; `amount` None: what a unit costs us is the floor again.

    Prices that are valid stay so; new ones and new orders are held against it. Raises WrongAmount.
    """
    if amount is not None and (not amount.is_finite() or not 0 <= amount < MOST):
        raise WrongAmount("The least price is zero or more.")
    sku = Sku.objects.select_for_update(no_key=True).get(pk=sku_id)
    row = PriceFloor.objects.create(
        channel=channel, sku=sku, currency=channel.currency, amount=amount, why=why[:300],
        actor_kind=actor.kind, actor_label=actor.label,
    )  # fmt: skip
    said = "what it costs us" if amount is None else str(Money(amount, channel.currency))
    timeline.record([timeline.Happened(LABEL, sku.pk, f"Least price in {channel}: {said}", actor)])
    audit.record(
        "orders.price_floor_set", LABEL, sku.pk, actor=actor,
        channel=channel.key, floor=said, why=why,
    )  # fmt: skip
    return row
