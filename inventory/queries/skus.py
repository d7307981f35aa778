"""SKUs by code."""

from __future__ import annotations

from collections.abc import Iterable

from inventory.models import Sku


def skus_by_code(codes: Iterable[str]) -> dict[str, Sku]:
    """SKUs by their exact code; a code nobody knows is left out."""
    return {sku.code: sku for sku in Sku.objects.filter(code__in=set(codes))}
