"""`{% load workbench %}`: what the list templates ask of a listing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from backoffice.workbench.filters import Range
from backoffice.workbench.listing import Listing, Tab

register = template.Library()


@register.simple_tag(takes_context=True)
def tab_count(context: RequestContext, tab: Tab) -> str:
    """The number of rows of a tab, once known; the active one without filters is known at once."""
    counts: dict[str, int] = context.get("counts") or {}
    listing: Listing[Any] = context["listing"]
    if tab.slug in counts:
        return f"{counts[tab.slug]:,}"
    if tab.slug == listing.tab.slug and not listing.changed:
        return f"{listing.total:,}"
    return ""


@register.simple_tag(takes_context=True)
def keep_params(context: RequestContext, leave_out: str) -> SafeString:
    """Hidden fields for the rest of the address, so that a filter form loses nothing."""
    listing: Listing[Any] = context["listing"]
    out = {leave_out, "page", "sel"}
    if leave_out == "*unpinned":
        out |= {filter_.key for filter_ in listing.bench.filters if not filter_.pinned}
    if leave_out == "page":
        out.remove("sel")
    pairs = [
        (key, value)
        for key, values in listing.state.explicit.items()
        if key not in out
        for value in values
    ]
    return format_html_join("", '<input type="hidden" name="{}" value="{}">', pairs)


@register.simple_tag
def bounds(range_: Range, values: Sequence[str]) -> dict[str, str]:
    """The ends of a range as its form shows them."""
    return {sign: range_.shown(text) for sign, text in range_.bounds(values)}
