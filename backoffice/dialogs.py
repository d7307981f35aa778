"""One way to ask and to do: a dialog with a form, the service, its refusal at the form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from backoffice.versions import StaleVersion, whole
from backoffice.workbench import respond


def seen_version(request: HttpRequest) -> int | None:
    """The version that the page showed; None for an address without one."""
    return whole(request.GET.get("version", ""))


def ask(
    request: HttpRequest,
    form: forms.Form,
    *,
    title: str,
    word: str,
    back: str,
    text: str = "",
    danger: bool = False,
    refusals: tuple[type[Exception], ...],
    act: Callable[[dict[str, Any]], str],
) -> HttpResponse:
    """Show a form, or do what it asks: `act` takes its values and answers with what
    the page at `back` then says.

    `refusals` are the service's own errors: a refusal stands above the form (422), a
    stale page is told so (409); nothing typed is lost.
    """
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                said = act(form.cleaned_data)
            except refusals as error:
                form.add_error(None, str(error))
            except StaleVersion as error:
                form.add_error(None, str(error))
                status = 409
            else:
                return respond.go(request, back, said)
    context = {
        "title": title,
        "form": form,
        "text": text,
        "word": word,
        "action": request.get_full_path(),
        "button_class": "danger" if danger else "primary",
    }
    return render(request, "components/dialog.html", context, status=status)
