"""Exchange rates, and channels whose prices follow those of another by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from backoffice import audit
from backoffice.actors import Actor
from backoffice.versions import refuse_stale
from orders.models.channels import Channel
from orders.models.prices import ExchangeRate
from orders.services.errors import OrderError
from orders.services.price_guards import ask_wider
from orders.services.prices import Outcome, derive_all

LABEL = "orders.channel"


@dataclass(frozen=True, slots=True)
class NewRate:
    """One unit of `base` is worth `rate` of `quote`, as of a day; `source` says who says so."""

    base: str
    quote: str
    rate: Decimal
    on_date: date
    source: str


@transaction.atomic
def note_rate(new: NewRate, *, actor: Actor) -> tuple[ExchangeRate, Outcome]:
    """Note a rate, and move the prices of channels that follow by it, through the guard.

    A rate of an older day than the newest is kept and moves nothing. Raises OrderError for a day
    that is yet to come, one currency twice, or no rate above zero. Announces as ask_prices.
    """
    if new.on_date > timezone.localdate():
        raise OrderError("A rate is one of today or of a day before.")
    if new.base == new.quote:
        raise OrderError("A rate is between two currencies.")
    if not new.rate.is_finite() or not 0 < new.rate < 10**9:
        raise OrderError("A rate is more than zero.")
    row = ExchangeRate.objects.create(
        base=new.base, quote=new.quote, rate=new.rate, on_date=new.on_date, source=new.source[:80],
        actor_kind=actor.kind, actor_label=actor.label,
    )  # fmt: skip
    audit.record(
        "orders.rate_noted", "orders.exchangerate", row.pk, actor=actor,
        rate=str(row), source=row.source,
    )  # fmt: skip
    done = Outcome()
    followers = Channel.objects.filter(currency=new.quote, prices_from__currency=new.base)
    for channel in followers.select_related("prices_from").order_by("pk"):
        moved = derive_all(channel, why=str(row), actor=actor)
        done.live += moved.live
        done.waiting += moved.waiting
        done.unchanged += moved.unchanged
    return row, done


@transaction.atomic
def edit_price_guard(
    channel_id: int,
    *,
    price_variance: int,
    prices_from: Channel | None,
    why: str = "",
    version: int | None = None,
    actor: Actor,
) -> Channel:
    """Change how far prices of a channel may move alone, and whether they follow another's.

    That they may move further is only asked for, with `why`: another of finance agrees. Its prices
    are asked for anew when it begins to follow. What waits goes on waiting. Raises StaleVersion,
    and OrderError where the other one follows as well, or is followed by this one.
    """
    ids = sorted({channel_id, *([prices_from.pk] if prices_from else [])})
    rows = Channel.objects.select_for_update(no_key=True).filter(pk__in=ids)
    locked = {row.pk: row for row in rows.order_by("pk")}
    channel = locked[channel_id]
    refuse_stale([channel], None if version is None else {channel_id: version})
    base = locked[prices_from.pk] if prices_from else None
    if base is not None and (base.pk == channel_id or base.prices_from_id):
        raise OrderError(f"{base} has no prices of its own. Choose a channel that has.")
    if base is not None and channel.followers.exists():
        raise OrderError(f"Other channels follow {channel}, so it needs prices of its own.")
    before, follows = channel.price_variance, channel.prices_from_id
    narrows = price_variance < before
    if narrows or (base.pk if base else None) != follows:
        channel.price_variance = min(price_variance, before)
        channel.prices_from = base
        channel.version += 1
        channel.save(update_fields=["price_variance", "prices_from", "version"])
        audit.record(
            "channels.price_guard_changed", LABEL, channel_id, actor=actor,
            before=before, percent=channel.price_variance, follows=base.key if base else "",
        )  # fmt: skip
    if base is not None and base.pk != follows:
        derive_all(channel, why=f"{channel} follows {base}", actor=actor)
    if price_variance > before:
        ask_wider(channel, price_variance, why=why, actor=actor)
    return channel
