"""What the pages of a product's prices, and of a change that waits, show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.price_guards import PriceGuardChange
from orders.models.prices import Price, PriceChange
from orders.queries.prices import Floor, floors, valid_prices

SHOWN = 60


@dataclass(frozen=True, slots=True)
class InChannel:
    """A product in one channel. `valid` None: it has no price there.

    `lower` is a lower floor that waits for a second person.
    """

    channel: Channel
    valid: Price | None
    floor: Floor
    later: Sequence[Price]
    waiting: PriceChange | None
    lower: PriceGuardChange | None


def prices_of(sku: Sku, *, bare: bool = True) -> list[InChannel]:
    """A product in every channel in use; `bare` False leaves out those without anything."""
    channels = list(
        Channel.objects.filter(is_active=True).select_related("prices_from").order_by("name")
    )
    valid = {
        (price.channel_id, price.currency): price
        for price in valid_prices().filter(sku=sku).select_related("rate")
    }
    later: dict[int, list[Price]] = {}
    for price in Price.objects.filter(sku=sku, starts_at__gt=timezone.now()).order_by("starts_at"):
        later.setdefault(price.channel_id, []).append(price)
    rows = PriceChange.objects.filter(sku=sku, state=PriceChange.State.WAITING)
    waiting = {row.channel_id: row for row in rows.select_related("was")}
    asked = PriceGuardChange.objects.filter(sku=sku, state=PriceGuardChange.State.WAITING)
    lower = {row.channel_id: row for row in asked.select_related("asked_by")}
    least = floors((channel.pk, sku.pk, channel.currency) for channel in channels)
    found = [
        InChannel(
            channel,
            valid.get((channel.pk, channel.currency)),
            least[channel.pk, sku.pk, channel.currency],
            later.get(channel.pk, []),
            waiting.get(channel.pk),
            lower.get(channel.pk),
        )
        for channel in channels
    ]
    return [each for each in found if bare or each.valid or each.later or each.waiting]


def wider_move(channel: Channel) -> PriceGuardChange | None:
    """That prices of a channel may move further, where somebody asks for it; else None."""
    rows = PriceGuardChange.objects.filter(channel=channel, sku=None)
    return rows.filter(state=PriceGuardChange.State.WAITING).select_related("asked_by").first()


def price_history(sku: Sku) -> list[Price]:
    """The newest prices of a product, in all channels."""
    rows = Price.objects.filter(sku=sku).select_related("channel", "rate", "change")
    return list(rows.order_by("-starts_at", "-pk")[:SHOWN])


def valid_price(sku_id: int, channel: Channel) -> Price | None:
    """The price that is valid now; None where there is none."""
    return valid_prices().filter(sku=sku_id, channel=channel, currency=channel.currency).first()
