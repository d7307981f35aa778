"""Channels."""

from __future__ import annotations

from django.db import transaction

from backoffice.models import LegalEntity
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
