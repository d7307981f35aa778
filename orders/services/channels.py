"""Channels."""

from __future__ import annotations

from django.db import transaction

from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import LegalEntity
from backoffice.versions import refuse_stale
from inventory.models import Location
from orders.models.channels import Channel


@transaction.atomic
def open_channel(
    key: str,
    *,
    name: str,
    kind: Channel.Kind,
    currency: str,
    legal_entity: LegalEntity,
    location: Location,
    ships_unpaid: bool = False,
    checks_addresses: bool = True,
    duplicate_hours: int = 24,
) -> Channel:
    """Open a channel that ships from a location; an existing one of this key is returned as is.

    `duplicate_hours`: an order like one placed so long before is held; 0: none is.
    """
    channel, _ = Channel.objects.get_or_create(
        key=key,
        defaults={
            "name": name,
            "kind": kind,
            "currency": currency,
            "legal_entity": legal_entity,
            "location": location,
            "ships_unpaid": ships_unpaid,
            "checks_addresses": checks_addresses,
            "duplicate_hours": duplicate_hours,
        },
    )
    return channel


@transaction.atomic
def edit_checks(
    channel_id: int,
    *,
    checks_addresses: bool,
    duplicate_hours: int,
    version: int | None,
    actor: Actor,
) -> Channel:
    """Change what is looked at in a channel's new orders; raises StaleVersion."""
    channel = Channel.objects.select_for_update(no_key=True).get(pk=channel_id)
    refuse_stale([channel], None if version is None else {channel_id: version})
    channel.checks_addresses = checks_addresses
    channel.duplicate_hours = duplicate_hours
    channel.version += 1
    channel.save(update_fields=["checks_addresses", "duplicate_hours", "version"])
    audit.record(
        "channels.checks_changed",
        "orders.channel",
        channel_id,
        actor=actor,
        addresses=checks_addresses,
        duplicate_hours=duplicate_hours,
    )
    return channel


@transaction.atomic
def edit_return_window(channel_id: int, days: int, *, version: int | None, actor: Actor) -> Channel:
    """Change for how many days after delivery goods may be sent back; raises StaleVersion."""
    channel = Channel.objects.select_for_update(no_key=True).get(pk=channel_id)
    refuse_stale([channel], None if version is None else {channel_id: version})
    before, channel.return_days = channel.return_days, days
    channel.version += 1
    channel.save(update_fields=["return_days", "version"])
    audit.record(
        "channels.return_window_changed", "orders.channel", channel.pk, actor=actor,
        before=before, days=days,
    )  # fmt: skip
    return channel


@transaction.atomic
def edit_cart_minutes(
    channel_id: int, minutes: int, *, version: int | None, actor: Actor
) -> Channel:
    """Change after how many minutes carts count as abandoned, 0: never; raises StaleVersion."""
    channel = Channel.objects.select_for_update(no_key=True).get(pk=channel_id)
    refuse_stale([channel], None if version is None else {channel_id: version})
    before, channel.cart_minutes = channel.cart_minutes, minutes
    channel.version += 1
    channel.save(update_fields=["cart_minutes", "version"])
    audit.record(
        "channels.cart_minutes_changed", "orders.channel", channel.pk, actor=actor,
        before=before, minutes=minutes,
    )  # fmt: skip
    return channel
