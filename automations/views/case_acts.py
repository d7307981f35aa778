"""How a verb on a case is asked for and answered: dialog, toast, refusal, stale page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations.models.failures import Failure
from automations.services.errors import AutomationError, Stale
from automations.services.handing import may_work
from backoffice import actors
from backoffice.actors import Actor
from backoffice.versions import whole
from backoffice.views.me import signed_in
from backoffice.workbench import respond

may_view = permission_required("automations.view_failure", raise_exception=True)
both = require_http_methods(["GET", "HEAD", "POST"])

Act = Callable[[dict[str, Any]], object]
Undo = tuple[str, dict[str, str]] | None


def case_or_404(pk: int) -> Failure:
    rows = Failure.objects.select_related("rule__owner", "owner", "resolved_by")
    return get_object_or_404(rows, pk=pk)


def working(request: HttpRequest, pk: int) -> Failure:
    """The case, for someone who works on it; raises PermissionDenied for others."""
    case = case_or_404(pk)
    if not may_work(signed_in(request), case):
        raise PermissionDenied
    return case


def actor_of(request: HttpRequest) -> Actor:
    return actors.person(signed_in(request))


def seen(request: HttpRequest) -> int:
    """The version the button showed; a link without one is nobody's button."""
    shown = whole(request.GET.get("version", "") or request.POST.get("version", ""))
    if shown is None:
        raise Http404
    return shown


def url_of(name: str, pk: int, version: int) -> str:
    return f"{reverse(name, args=[pk])}?version={version}"


def done(request: HttpRequest, pk: int, text: str, undo: Undo = None) -> HttpResponse:
    """The toast; list and case are read again where they stand."""
    if not request.headers.get("HX-Request"):
        return respond.go(request, reverse("failure_detail", args=[pk]), text)
    response = respond.toast(text, undo=undo)
    events = json.loads(response["HX-Trigger"])
    response["HX-Trigger"] = json.dumps({**events, "record:changed": {}})
    return response


def refused(request: HttpRequest, pk: int, error: AutomationError) -> HttpResponse:
    """A button pressed on what is not so any more: nothing was done, and the newest is shown."""
    status = 409 if isinstance(error, Stale) else 422
    if not request.headers.get("HX-Request"):
        url = reverse("failure_detail", args=[pk])
        return render(request, "409.html", {"message": str(error), "url": url}, status=status)
    detail = {"text": str(error), "level": "bad"}
    response = HttpResponse(status=status)
    response["HX-Reswap"] = "none"
    response["HX-Trigger"] = json.dumps(
        {"toast": detail, "record:changed": {}, "list:refresh": {}, "dialog:close": {}}
    )
    return response


def press(request: HttpRequest, pk: int, act: Callable[[], object], said: str) -> HttpResponse:
    """A verb without a dialog: what it says when it is done, or why it was refused."""
    try:
        act()
    except AutomationError as error:
        return refused(request, pk, error)
    return done(request, pk, said)


def ask(
    request: HttpRequest, pk: int, form: forms.Form, act: Act, said: str, **shown: Any
) -> HttpResponse:
    """The verb's dialog, or the verb: a refusal stands above the form, a stale page is told so."""
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                act(form.cleaned_data)
            except Stale as error:
                return refused(request, pk, error)
            except AutomationError as error:
                form.add_error(None, str(error))
            else:
                return done(request, pk, said)
    context = {"form": form, "action": request.get_full_path(), **shown}
    template = shown.get("template", "automations/_case_dialog.html")
    return render(request, template, context, status=status)
