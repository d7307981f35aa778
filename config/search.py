"""Search over every app, as a page and in the palette."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from backoffice.models import User
from backoffice.search import Hit, search
from config.navigation import screens

MAX_QUERY = 100


def screen_hits(query: str, user: User) -> list[Hit]:
    """Screens whose name holds the words; all of them for an empty query."""
    words = query.casefold()
    return [
        Hit("screen", screen.label, url, heading, screen.icon)
        for heading, entries in screens(user)
        for screen, url in entries
        if words in screen.label.casefold()
    ]


def _found(request: HttpRequest, limit: int) -> dict[str, object]:
    query = request.GET.get("q", "").strip()[:MAX_QUERY]
    assert isinstance(request.user, User)  # noqa: S101 (LoginRequiredMiddleware)
    return {
        "query": query,
        "groups": search(query, request.user, limit),
        "screens": screen_hits(query, request.user),
    }


@require_GET
def search_page(request: HttpRequest) -> HttpResponse:
    """Records and screens that fit the words."""
    return render(request, "config/search.html", _found(request, 20))


@require_GET
def palette(request: HttpRequest) -> HttpResponse:
    """The same, short, for the palette."""
    return render(request, "config/_palette.html", _found(request, 5))
