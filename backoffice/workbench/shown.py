"""What was shown of a file stands for it when its reader goes on: sealed, theirs, for an hour."""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from backoffice.models import User

SECONDS = 3_600


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
