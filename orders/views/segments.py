"""Segments: their conditions, who is in them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.counting import counted
from backoffice.dialogs import ask
from backoffice.versions import StaleVersion, whole
from backoffice.views.me import signed_in
from backoffice.workbench import respond
from orders.forms.segments import MOST_LINES, SegmentForm, is_plain, typed_lines
from orders.models.segments import Segment
from orders.queries.segments import Choosable, language, members_of
from orders.services.errors import BadSegment, OrderError
from orders.services.segments import remove_segment, write_segment
from orders.tables.segments import words_of

SHOWN = 50
both = require_http_methods(["GET", "HEAD", "POST"])
# Lines that a new segment starts with, and that an old one has room for beside its own.
_ROOM = 2


def _page(segment: Segment) -> str:
    return reverse("segment_detail", args=[segment.slug])


@permission_required("orders.view_segment", raise_exception=True)
@require_GET
def segment_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """A segment's page: what it asks for and who is in it."""
    segment = get_object_or_404(Segment, slug=slug)
    context = {
        "segment": segment,
        "words": words_of(segment),
        "members": list(members_of(segment)[:SHOWN]),
        "shown": SHOWN,
        "editable": is_plain(segment.condition),
    }
    return render(request, "orders/segment_detail.html", context)


def _rows(lines: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """The lines of the form, with room for more."""
    room = min(MOST_LINES, len(lines) + _ROOM)
    filled = [*lines, *([("", "", "")] * (room - len(lines)))]
    fields = list(language().choosable())
    known = {field.path: field for field in fields}
    every: dict[str, str] = {}
    for field in fields:
        for op, words in field.operators:
            every.setdefault(op, words)
    rows = []
    for number, (path, op, value) in enumerate(filled):
        chosen = known.get(path)
        operators = list(every.items()) if chosen is None else list(chosen.operators)
        if op not in dict(operators):
            op = operators[0][0]
        takes = "one" if chosen is None else chosen.takes.get(op, "one")
        rows.append(
            {
                "number": number,
                "path": path,
                "op": op,
                "value": value,
                "fields": fields,
                "operators": operators,
                "takes": takes,
                "choices": () if chosen is None else _choices(chosen),
                "hint": _HINTS.get(takes) or _HINTS.get(chosen.kind if chosen else "", ""),
            }
        )
    return rows


# How a value is written, by what the operator takes, else by the kind of the field.
_HINTS = {
    "span": "90 days",
    "many": "with commas between",
    "two": "100 and 200",
    "money": "500 GBP",
    "whole": "3",
    "decimal": "12.5",
    "date": "2026-11-18",
    "datetime": "2026-11-18T09:00:00+00:00",
}


def _choices(chosen: Choosable) -> Sequence[tuple[str, str]]:
    return (("yes", "yes"), ("no", "no")) if chosen.kind == "bool" else chosen.choices


def _edit(request: HttpRequest, segment: Segment | None) -> HttpResponse:
    initial: dict[str, Any] = {"join": "all"}
    lines: list[tuple[str, str, str]] = []
    if segment is not None:
        join, lines = typed_lines(segment.condition)
        initial = {"name": segment.name, "about": segment.about, "join": join}
    form = SegmentForm(request.POST or None, initial=initial)
    status = HTTPStatus.OK
    if request.method == "POST":
        lines, status = form.lines(), HTTPStatus.UNPROCESSABLE_ENTITY
        # Another line, or another field in one, keeps what was typed and asks for nothing.
        if {"more", "redraw"} & set(request.POST):
            form, status = SegmentForm(initial=request.POST.dict()), HTTPStatus.OK
        elif form.is_valid():
            try:
                saved = _save(request, segment, form.cleaned_data)
            except (OrderError, StaleVersion) as error:
                form.add_error(None, str(error))
                if isinstance(error, StaleVersion):
                    status = HTTPStatus.CONFLICT
            else:
                return respond.go(
                    request, _page(saved), f"“{saved}” has {counted(saved.size, 'member')}"
                )
    context = {"segment": segment, "form": form, "rows": _rows(lines)}
    return render(request, "orders/segment_edit.html", context, status=status)


def _save(request: HttpRequest, segment: Segment | None, values: dict[str, Any]) -> Segment:
    return write_segment(
        values["name"],
        values["condition"],
        about=values["about"],
        segment_id=segment.pk if segment else None,
        version=whole(request.POST.get("version", "")),
        actor=actors.person(signed_in(request)),
    )


@permission_required("orders.add_segment", raise_exception=True)
@both
def segment_new(request: HttpRequest) -> HttpResponse:
    """A new segment."""
    return _edit(request, None)


@permission_required("orders.change_segment", raise_exception=True)
@both
def segment_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """What a segment asks for."""
    return _edit(request, get_object_or_404(Segment, slug=slug))


@permission_required("orders.delete_segment", raise_exception=True)
@both
def segment_remove(request: HttpRequest, slug: str) -> HttpResponse:
    segment = get_object_or_404(Segment, slug=slug)

    def act(values: dict[str, Any]) -> str:
        remove_segment(segment.pk, actor=actors.person(signed_in(request)))
        return f"“{segment}” is removed"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=reverse("segment_list"),
        title=f"Remove “{segment}”?",
        text="Rules that start when somebody comes into it will not start any more. Its members "
        "stay customers.",
        word="Remove",
        danger=True,
        refusals=(BadSegment,),
        act=act,
    )
