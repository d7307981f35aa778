"""Stores and companies to choose from: what every list of records can be narrowed to."""

from __future__ import annotations

from collections.abc import Iterable

from backoffice.models import LegalEntity
from orders.models.channels import Channel


def store_options() -> list[tuple[str, str]]:
    """Channels by key."""
    return list(Channel.objects.order_by("name").values_list("key", "name"))


def stores_by_key(keys: Iterable[str]) -> dict[str, Channel]:
    """Channels by their exact key; a key nobody knows is left out."""
    return {channel.key: channel for channel in Channel.objects.filter(key__in=set(keys))}


def company_options() -> list[tuple[str, str]]:
    """Our legal entities by id."""
    rows = LegalEntity.objects.order_by("name").values_list("pk", "name")
    return [(str(pk), name) for pk, name in rows]
