"""Home, which composes every app, and the moving figures of the rail."""

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from automations.views.health import standstill_for
from backoffice.home import panels_for
from backoffice.views.persons import signed_in
from config import navigation


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What needs this person, what is late and what is broken."""
    user = signed_in(request)
    panels = panels_for(user)
    watches = user.has_perm("automations.tend_engine")
    # Two columns that each close up; the most important panels head them.
    context = {
        "panels": panels,
        "columns": [panels[0::2], panels[1::2]],
        "standstill": standstill_for(user) if watches else None,
        "watches": watches,
    }
    return render(request, "config/home.html", context)


@require_GET
def rail_counts(request: HttpRequest) -> HttpResponse:
    """The rail with fresh figures, for a page that stays open."""
    return _rail(request, request.GET.get("path", ""), request.GET.get("folded", ""))


@require_POST
def rail_fold(request: HttpRequest) -> HttpResponse:
    """Fold or unfold a group of the rail, here and on every page to come."""
    key, is_open = request.POST.get("group", ""), request.POST.get("open") == "yes"
    if not navigation.fold(signed_in(request), key, is_open=is_open):
        return HttpResponseBadRequest()
    return _rail(request, request.POST.get("path", ""), "" if is_open else key)


def _rail(request: HttpRequest, path: str, folded: str) -> HttpResponse:
    rail = navigation.rail(signed_in(request), path, fresh=True, folded=folded)
    context = {"navigation": rail, "rail_path": path, "rail_folded": folded}
    return render(request, "components/rail_nav.html", context)
