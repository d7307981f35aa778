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
) -> Channel:
    """Open a channel that ships from a location; an existing one of this key is returned as is."""
    channel, _ = Channel.objects.get_or_create(
        key=key,
        defaults={
            "name": name,
            "kind": kind,
            "currency": currency,
            "legal_entity": legal_entity,
            "location": location,
            "ships_unpaid": ships_unpaid,
        },
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
