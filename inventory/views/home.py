"""What inventory shows on the home page, in the search, and does to many SKUs at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from backoffice import home, search
from backoffice.actors import Actor
from backoffice.models import User
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome
from inventory.forms import ReorderPointForm
from inventory.models import LowStock, Sku
from inventory.queries.levels import available
from inventory.services.skus import set_reorder_point

SHOWN = 8


@permission_required("inventory.view_sku", raise_exception=True)
@require_GET
def sku_home_low(request: HttpRequest) -> HttpResponse:
    """What is running out, longest first."""
    low = LowStock.objects.select_related("sku").order_by("since")
    rows = list(low[:SHOWN])
    left = available([row.sku_id for row in rows])
    context = {
        "rows": [(row, left.get(row.sku_id, 0)) for row in rows],
        "number": low.count(),
        "url": f"{reverse('sku_list')}?view=low",
    }
    return render(request, "inventory/_home_low.html", context)


def _find_skus(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    for sku in Sku.objects.filter(code__startswith=words).order_by("code")[:limit]:
        yield search.Hit(
            "SKU", sku.code, reverse("sku_detail", args=[sku.code]), sku.name, "package"
        )


def _set_point(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    set_reorder_point(ids, params["point"], actor=actor)
    return [Outcome(pk, ok=True) for pk in ids]


def register_everywhere() -> None:
    """Called once when the app is ready."""
    warehouse = ("operations", "administrator", "auditor")
    home.register(
        home.HomePanel("Running low", "sku_home_low", "inventory.view_sku", 40, warehouse)
    )
    search.register("SKUs", "inventory.view_sku", _find_skus)
    bulk.register(
        BulkAction(
            key="inventory.reorder_point",
            label="Set reorder point",
            done="Set the reorder point of",
            permission="inventory.set_reorder_point",
            run=_set_point,
            form=ReorderPointForm,
            shortcut="r",
            icon="package",
            subject="inventory.sku",
        )
    )
