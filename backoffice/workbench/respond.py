"""Answers that ui.js understands: toasts, refreshed lists, closed dialogs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from backoffice import counts
from backoffice.models import User


def toast(
    text: str,
    *,
    level: str = "ok",
    undo: tuple[str, Mapping[str, str]] | None = None,
    refresh: bool = True,
) -> HttpResponse:
    """An empty answer that shows a toast, and reads the list again unless told not to.

    `level` is ok, warn or bad; `undo` is the address and the values of the inverse action.
    """
    detail: dict[str, Any] = {"text": text, "level": level}
    if undo is not None:
        detail["undo"] = {"url": undo[0], "values": dict(undo[1])}
    events: dict[str, Any] = {"toast": detail}
    if refresh:
        events["list:refresh"] = {}
    response = HttpResponse(status=204)
    response["HX-Trigger"] = json.dumps(events)
    return response


def go(request: HttpRequest, url: str, text: str = "") -> HttpResponse:
    """Send the browser to a page, from htmx or a plain form; `text` is shown there."""
    if text:
        messages.success(request, text)
    if isinstance(request.user, User):
        counts.forget(request.user)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
