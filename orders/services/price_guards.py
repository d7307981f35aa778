"""Lower floors and wider moves of prices: asked for by one of finance, agreed to by another.

PostgreSQL says what is looser and who may agree (migration 0120).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.urls import reverse

from backoffice import audit, notices, staff, timeline
from backoffice.actors import Actor
from backoffice.doors import call
from backoffice.roles import FINANCE
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.price_guards import PriceGuardChange
from orders.services.errors import OrderError
from orders.services.prices import LABEL as SKU

LABEL = "orders.priceguardchange"
CHANNEL = "orders.channel"


def is_looser(channel: Channel, sku_id: int, amount: Decimal | None) -> bool:
    """Whether a product may cost less by this floor; `amount` None: what it costs us."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT orders_floor_is_looser(%s, %s, %s, %s)",
            [channel.pk, sku_id, channel.currency, amount],
        )
        return bool(cursor.fetchone()[0])


def ask_lower_floor(
    channel: Channel, sku: Sku, amount: Decimal | None, *, why: str, actor: Actor
) -> PriceGuardChange:
    """Ask that a product may cost less, `amount` None: down to what it costs us.

    Raises OrderError for whoever is not of finance.
    """
    return _ask(channel, sku, amount, None, why, actor)


def ask_wider(channel: Channel, percent: int, *, why: str, actor: Actor) -> PriceGuardChange:
    """Ask that prices of a channel may move further; raises OrderError as ask_lower_floor."""
    return _ask(channel, None, None, percent, why, actor)


def _ask(
    channel: Channel,
    sku: Sku | None,
    amount: Decimal | None,
    percent: int | None,
    why: str,
    actor: Actor,
) -> PriceGuardChange:
    of = sku.pk if sku is not None else None
    fresh = _call("ask_price_guard", channel.pk, of, amount, percent, why, actor.user_id)
    found = _whole(fresh)
    audit.record("orders.price_guard_asked", *_on(found), actor=actor, **_told(found))
    others = staff.apart(found.asked_by_id, notices.holders("orders.guard_price"), [FINANCE])
    text = f"{actor.label} asks: {_said(found)}, not {found.before}. Another of finance agrees."
    notices.notify(others, text, where(found), key=f"looser:{found.pk}", mail=True)
    return found


@audit.traces_refusals("orders.refused", LABEL, OrderError)
@transaction.atomic
def agree_to_looser(change_id: int, *, actor: Actor) -> PriceGuardChange:
    """Let it hold, as the second person of finance.

    Prices and orders from now on are held against it. Raises OrderError.
    """
    _call("decide_price_guard", change_id, True, actor.user_id)
    found = _whole(change_id)
    told = _told(found)
    audit.record(
        "orders.price_guard_loosened", *_on(found), actor=actor, asked_by=found.asked_by_id, **told
    )
    if found.sku is not None:
        said = f"{_said(found)}, as {found.asked_by} asked"
        timeline.record([timeline.Happened(SKU, found.sku.pk, said, actor)])
    else:
        found.channel.save(update_fields=["version"])  # for its history: nothing else changes
    return found


@audit.traces_refusals("orders.refused", LABEL, OrderError)
@transaction.atomic
def keep_as_tight(change_id: int, *, actor: Actor) -> PriceGuardChange:
    """Leave it as it is; one of finance may, also who asked. Raises OrderError."""
    _call("decide_price_guard", change_id, False, actor.user_id)
    found = _whole(change_id)
    audit.record("orders.price_guard_kept", *_on(found), actor=actor, **_told(found))
    return found


def where(change: PriceGuardChange) -> str:
    """The page on which it is decided."""
    if change.sku is not None:
        return reverse("price_detail", args=[change.sku.code])
    return reverse("channel_detail", args=[change.channel.key])


def _whole(pk: int) -> PriceGuardChange:
    return PriceGuardChange.objects.select_related("channel", "sku", "asked_by").get(pk=pk)


def _said(change: PriceGuardChange) -> str:
    if change.sku is None:
        return f"prices of {change.channel} move alone by up to {change.wanted}"
    return f"Least price of {change.sku} in {change.channel}: {change.wanted}"


def _on(change: PriceGuardChange) -> tuple[str, int]:
    return (SKU, change.sku_id) if change.sku_id is not None else (CHANNEL, change.channel_id)


def _told(change: PriceGuardChange) -> dict[str, Any]:
    return {
        "channel": change.channel.key,
        "before": change.before,
        "after": change.wanted,
        "why": change.why,
    }


def _call(function: str, *arguments: Any) -> Any:
    return call(f"orders_{function}", *arguments, as_error=OrderError)
