"""One way to ask and to do: a dialog with a form, the service, its refusal at the form."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
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
    leave: str = "Cancel",
    danger: bool = False,
    refusals: tuple[type[Exception], ...],
    act: Callable[[dict[str, Any]], str],
) -> HttpResponse:
    """Show a form, or do what it asks: `act` takes its values and answers with what
    the page at `back` then says.

    `refusals` are the service's own errors: a refusal stands above the form (422), a
    stale page is told so and offered the newest state (409); nothing typed is lost.
    `leave` is the word of the button that does nothing. Opened as a page of its own, the
    dialog stands in the frame of the house.
    """
    # The page below may hold fields of the same names.
    form.auto_id = "dialog_%s"
    status = HTTPStatus.OK
    if request.method == "POST":
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if form.is_valid():
            try:
                said = act(form.cleaned_data)
            except refusals as error:
                form.add_error(None, str(error))
            except StaleVersion as error:
                form.add_error(None, str(error))
                status = HTTPStatus.CONFLICT
            else:
                return respond.go(request, back, said)
    alone = not request.headers.get("HX-Request")
    context = {
        "title": title,
        "form": form,
        "text": text,
        "word": word,
        "leave": leave,
        "action": request.get_full_path(),
        "button_class": "danger-solid" if danger else "primary",
        "reload_url": back if status == HTTPStatus.CONFLICT else "",
        "leave_url": back if alone else "",
    }
    template = "components/dialog_page.html" if alone else "components/dialog.html"
    return render(request, template, context, status=status)
