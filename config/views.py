"""Home, which composes every app, and the moving figures of the rail."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from automations.views.health import standstill_for
from backoffice.home import panels_for
from backoffice.models import User
from config import navigation


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What needs this person, what is late and what is broken."""
    assert isinstance(request.user, User)  # noqa: S101 (LoginRequiredMiddleware)
    panels = panels_for(request.user)
    watches = request.user.has_perm("automations.tend_engine")
    # Two columns that each close up; the most important panels head them.
    context = {
        "panels": panels,
        "columns": [panels[0::2], panels[1::2]],
        "standstill": standstill_for(request.user) if watches else None,
        "watches": watches,
    }
    return render(request, "config/home.html", context)


@require_GET
def rail_counts(request: HttpRequest) -> HttpResponse:
    """The rail with fresh figures, for a page that stays open."""
    assert isinstance(request.user, User)  # noqa: S101 (LoginRequiredMiddleware)
    rail = navigation.rail(request.user, request.GET.get("path", ""), fresh=True)
    return render(request, "components/rail_nav.html", {"navigation": rail})
