"""The order desk in figures, beside a baseline that was kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from orders.forms.figures import SpanForm, span_of
from orders.models.claims import Claim, OperationsBaseline
from orders.queries.operations import Operations, baseline_figures, operations
from orders.services.baselines import take_baseline
from orders.services.errors import OrderError

both = require_http_methods(["GET", "HEAD", "POST"])
KEPT = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it says now, where from, and what the baseline said."""

    name: str
    now: str
    of: str
    before: str
    about: str


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_figures(request: HttpRequest) -> HttpResponse:
    """Processing time, touchless share, wrong items and messages, missed follow-ups."""
    span = span_of(request.GET)
    now = operations(span.since, span.until, channel_id=span.channel.pk if span.channel else None)
    kept = OperationsBaseline.objects.filter(channel=span.channel).order_by("-taken_at", "-pk")
    baseline = kept.first()
    before = baseline_figures(baseline) if baseline else None
    names = dict(Claim.Reason.choices)
    query = urlencode(span.query())
    context = {
        "form": SpanForm(initial=span.query()),
        "span": span,
        "rows": _rows(now, before),
        "reasons": [
            (names[key], count, f"{reverse('claim_list')}?view=all&reason={key}")
            for key, count in sorted(now.reasons.items(), key=lambda pair: -pair[1])
        ],
        "claims": now.claims,
        "baseline": baseline,
        "kept": list(kept[:KEPT]),
        "baseline_url": f"{reverse('order_baseline')}?{query}",
    }
    return render(request, "orders/order_figures.html", context)


@permission_required("orders.take_baseline", raise_exception=True)
@both
def order_baseline(request: HttpRequest) -> HttpResponse:
    """Keep the figures that are shown."""
    span = span_of(request.GET)

    def act(values: dict[str, Any]) -> str:
        row = take_baseline(
            span.since,
            span.until,
            channel_id=span.channel.pk if span.channel else None,
            actor=actors.person(signed_in(request)),
        )
        return f"The figures of {row} are kept"

    of = span.channel.name if span.channel else "all channels"
    return ask(
        request,
        forms.Form(request.POST or None),
        back=f"{reverse('order_figures')}?{urlencode(span.query())}",
        title="Keep as baseline",
        text=f"The figures of {of} from {span.since:%d %b %Y} to {span.until:%d %b %Y} are kept as "
        "they are now. Later ones stand beside them.",
        word="Keep",
        refusals=(OrderError,),
        act=act,
    )


def _rows(now: Operations, before: Operations | None) -> list[Row]:
    def pair(name: str, about: str, part: str, whole: str, of: str) -> Row:
        count, base = getattr(now, part), getattr(now, whole)
        old = (getattr(before, part), getattr(before, whole)) if before else None
        return Row(
            name, _share(count, base), f"{count:,} of {base:,} {of}",
            _share(*old) if old else "–", about,
        )  # fmt: skip

    left = "orders that left"
    return [
        Row(
            "Order processing time", _span(now.processing), f"{now.shipped:,} {left}",
            _span(before.processing) if before else "–",
            "Median from payment to the first dispatch.",
        ),
        pair("Touchless share", "No person did anything to them until they left.",
             "touchless", "shipped", left),
        pair("Wrong-item rate", "Claims of a wrong item.", "wrong_items", "shipped", left),
        pair("Wrong-message rate", "Claims of a wrong message.",
             "wrong_messages", "shipped", left),
        pair("Missed follow-ups", "Claims answered too late, rests sent after their day.",
             "missed", "due", "that were due"),
    ]  # fmt: skip


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _span(length: timedelta | None) -> str:
    if length is None:
        return "–"
    minutes = round(length.total_seconds() / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
