"""Pages that show what a file would do, before anything is done.

What was shown stands for the file when its reader goes on: sealed, theirs, for an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.core import signing
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from backoffice.models import User
from backoffice.sheets import Sheet, SheetRefused

SECONDS = 3_600
Understood = TypeVar("Understood", bound=Sheet[Any])


def look_at(form: Form, check: Callable[[Mapping[str, Any]], Understood]) -> Understood | None:
    """What the file of a form would do; None before one is chosen, or when it is refused.

    `check` takes the cleaned form; why it refuses a file stands at the form's `file`.
    """
    if not form.is_valid():
        return None
    try:
        return check(form.cleaned_data)
    except SheetRefused as error:
        form.add_error("file", str(error))
        return None


def show(
    request: HttpRequest, template: str, form: Form, *, back: str, job: str, **more: Any
) -> HttpResponse:
    """A page that extends components/file_page.html: `back` and `job` name its list and its job.

    Of the rest it wants `sheet`, and `rows`, the sealed ones that can be done; empty for none.
    """
    context = {"form": form, "list_url": reverse(back), "job_url": reverse(job), **more}
    return render(request, template, context, status=422 if form.errors else 200)


def seal(content: Any, user: User, *, salt: str) -> str:
    """What a page keeps of the rows it shows to this person; `salt` names the page."""
    return signing.dumps([user.pk, content], salt=salt, compress=True)


def unseal(text: str, user: User, *, salt: str) -> Any:
    """What was sealed for this person; None when it is too old, changed or somebody else's."""
    try:
        user_id, content = signing.loads(text, salt=salt, max_age=SECONDS)
    except signing.BadSignature:
        return None
    return content if user_id == user.pk else None


def too_old(request: HttpRequest, page: str) -> HttpResponse:
    """Say that the file has to be chosen again, on the page of this name."""
    context = {"message": "This page is too old. Choose the file again.", "url": reverse(page)}
    return render(request, "409.html", context, status=409)
