"""The pages of every list: the screen, its counts, fixing a view's rows, bulk actions, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from backoffice.models import Selection, User
from backoffice.versions import whole
from backoffice.workbench import bench as benches
from backoffice.workbench import bulk, jobs, respond
from backoffice.workbench.bench import Workbench, order_by
from backoffice.workbench.bulk import BulkAction
from backoffice.workbench.export import csv_response
from backoffice.workbench.listing import Listing
from backoffice.workbench.state import from_form, read, written

MOST_TICKED = 5000


def urls(bench: Workbench[Any], prefix: str) -> list[URLPattern]:
    """The addresses of a list under its prefix (`orders/`), named after `bench.url_name`."""
    benches.register(bench)
    name = bench.url_name

    def page(view: Callable[..., HttpResponse], part: str, suffix: str) -> URLPattern:
        return path(f"{prefix}{part}", partial(view, bench=bench), name=f"{name}{suffix}")

    return [
        page(list_page, "", ""),
        page(counts_part, "_/counts/", "_counts"),
        page(fix_rows, "_/fix/", "_fix"),
        page(export_page, "_/export/", "_export"),
        page(bulk_part, "_/bulk/<str:action_key>/", "_bulk"),
    ]


def listing_for(request: HttpRequest, bench: Workbench[Any]) -> Listing[Any]:
    """The list at this address for the signed-in person; raises PermissionDenied."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm(bench.permission):
        raise PermissionDenied
    roles = list(user.groups.values_list("name", flat=True))
    return Listing(bench, user, read(request.GET), roles)


@require_GET
def list_page(request: HttpRequest, *, bench: Workbench[Any]) -> HttpResponse:
    """The whole screen; only `#list` when htmx asks for that."""
    listing = listing_for(request, bench)
    if "_form" in request.GET:
        params = from_form(request.GET, listing.tab.params)
        return HttpResponseRedirect(bench.url + written(params))
    part = request.headers.get("HX-Target") == "list"
    template = "workbench/_list.html" if part else bench.template
    context = {
        "listing": listing,
        "bench": bench,
        "part": part,
        "counts_url": request.path + "_/counts/",
        "fix_url": request.path + "_/fix/",
        "export_url": request.path + "_/export/",
        "bulk_url": request.path + "_/bulk/",
        "densities": User.Density.choices,
        **(bench.context(request) if bench.context else {}),
    }
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@require_GET
def counts_part(request: HttpRequest, *, bench: Workbench[Any]) -> HttpResponse:
    """The tabs with their counts, and how many rows have arrived since the page was read."""
    listing = listing_for(request, bench)
    mark = whole(request.GET.get("mark", ""))
    arrived = 0 if mark is None else listing.arrived_since(mark)
    context = {
        "listing": listing,
        "bench": bench,
        "counts": listing.tab_counts(),
        "arrived": arrived,
    }
    return render(request, "workbench/_tabs.html", context)


@require_POST
def fix_rows(request: HttpRequest, *, bench: Workbench[Any]) -> HttpResponse:
    """Fix all rows of the view as of now for a bulk action; later ones are not among them."""
    listing = listing_for(request, bench)
    ids = list(order_by(listing.matching, listing.ordering).values_list("pk", flat=True))
    selection = Selection.objects.create(user=listing.user, screen=bench.key, ids=ids)
    return JsonResponse({"id": str(selection.key), "count": len(ids)})


@require_GET
def export_page(request: HttpRequest, *, bench: Workbench[Any]) -> Any:
    """Every row of the view as CSV."""
    if not bench.exportable:
        raise Http404
    return csv_response(listing_for(request, bench))


@require_POST
def bulk_part(request: HttpRequest, action_key: str, *, bench: Workbench[Any]) -> HttpResponse:
    """Ask for what a bulk action needs, then do it at once, or draft a job when it is large."""
    listing = listing_for(request, bench)
    action = _action(bench, action_key, listing.user)
    ids = _ids(request, listing)
    if not ids:
        return respond.toast("None of these rows is there any more.", level="warn")
    form = action.form(request.POST) if action.form and "_asked" in request.POST else None
    weight = action.weight(ids)
    large = len(ids) > bench.bulk_confirm_over or (len(ids) > 1 and bool(weight.sums))
    asks_first = action.form is not None or (bool(action.asks) and not large)
    if asks_first and ("_asked" not in request.POST or (form is not None and not form.is_valid())):
        return _dialog(request, bench, action, ids, form)
    params = _params(form)
    back = request.POST.get("back", "") or bench.url
    if large:
        job = jobs.draft_job(
            action,
            ids,
            screen=bench.key,
            params=params,
            back=back if back.startswith(bench.url) else bench.url,
            user=listing.user,
            weight=weight,
        )
        return respond.go(request, f"/jobs/{job.pk}/")
    return _at_once(request, bench, action, ids, params, listing.user)


def _action(bench: Workbench[Any], key: str, user: User) -> BulkAction:
    """The action if this list offers it, itself or as an undo, to this person."""
    try:
        action = bulk.get(key)
    except KeyError as error:
        raise Http404 from error
    offered = {*bench.bulk, *(bulk.get(name).undo for name in bench.bulk)}
    if key not in offered:
        raise Http404
    if not user.has_perm(action.permission):
        raise PermissionDenied
    return action


def _ids(request: HttpRequest, listing: Listing[Any]) -> list[int]:
    """The rows acted on: ticked ones that this person may see, or a view fixed before."""
    if frozen := request.POST.get("frozen"):
        own = Selection.objects.filter(user=listing.user, screen=listing.bench.key)
        try:
            return get_object_or_404(own, key=frozen).ids
        except ValidationError as error:
            raise Http404 from error
    texts = request.POST.get("ids", "").split(",")[:MOST_TICKED]
    wanted = [key for text in texts if (key := whole(text)) is not None]
    seen = set(listing.base.filter(pk__in=wanted).values_list("pk", flat=True))
    return [pk for pk in dict.fromkeys(wanted) if pk in seen]


def _params(form: Any) -> dict[str, Any]:
    """A form's values as JSON: model instances by key, dates and amounts as text."""
    if form is None:
        return {}
    values = {name: getattr(value, "pk", value) for name, value in form.cleaned_data.items()}
    found: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return found


def _dialog(
    request: HttpRequest, bench: Workbench[Any], action: BulkAction, ids: list[int], form: Any
) -> HttpResponse:
    status = 200 if form is None else 422
    if form is None and action.form is not None:
        form = action.form()
    context = {
        "action": action,
        "form": form,
        "count": len(ids),
        "counted": bench.counted(len(ids)),
        "url": request.path,
        "ids": request.POST.get("ids", ""),
        "frozen": request.POST.get("frozen", ""),
        "back": request.POST.get("back", ""),
    }
    return render(request, "workbench/_bulk_dialog.html", context, status=status)


def _at_once(
    request: HttpRequest,
    bench: Workbench[Any],
    action: BulkAction,
    ids: list[int],
    params: dict[str, Any],
    user: User,
) -> HttpResponse:
    outcomes = jobs.perform(action, ids, params, user)
    good = [outcome.target_id for outcome in outcomes if outcome.ok]
    refused = [outcome for outcome in outcomes if not outcome.ok]
    named = _named(bench, user, good)
    if refused:
        words = f"{action.done} {named}. " if good else ""
        text = f"{words}{len(refused)} refused: {refused[0].message}"
        return respond.toast(text, level="bad" if not good else "warn")
    partly = [outcome for outcome in outcomes if outcome.message]
    if action.remark and partly:
        text = f"{action.done} {named}. {len(partly)} {action.remark}: {partly[0].message}"
        return respond.toast(text, level="warn")
    undo = None
    if action.undo:
        url = request.path.replace(f"/{action.key}/", f"/{action.undo}/")
        undo = (url, {"ids": ",".join(str(pk) for pk in good), "_asked": "1"})
    return respond.toast(f"{action.done} {named}", undo=undo)


def _named(bench: Workbench[Any], user: User, ids: list[int]) -> str:
    """The rows by name where they are few, by number where not."""
    if not ids:
        return ""
    records = bench.queryset(user).filter(pk__in=ids[:3])
    names = ", ".join(bench.row_label(record) for record in records)
    return names if len(ids) <= 3 else bench.counted(len(ids))
