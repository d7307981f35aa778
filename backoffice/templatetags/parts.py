"""`{% load parts %}`: the parts of a record's page that come from elsewhere."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import RequestContext

from backoffice.panels import panels_for

register = template.Library()


@register.inclusion_tag("components/panel_slots.html", takes_context=True)
def panel_slots(context: RequestContext, label: str, pk: int, slot: str) -> dict[str, Any]:
    """The parts that apps registered for a record, each loaded by itself."""
    user = context["request"].user
    shown = [
        panel
        for panel in panels_for(label)
        if panel.slot == slot and user.has_perm(panel.permission)
    ]
    return {"panels": shown, "pk": pk}


@register.inclusion_tag("components/timeline_slot.html")
def timeline_slot(label: str, pk: int, *, notes: bool = True) -> dict[str, Any]:
    """The record's timeline, loaded by itself. `notes` False where the record keeps its own."""
    return {"label": label, "pk": pk, "notes": notes}
