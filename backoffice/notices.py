"""The one door for telling staff something: a notice on Home and in their list.

What carries notices further (mail, chat, a phone) listens to `stored`, sent in the same transaction
with those that are new; it must not fail the work that told them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q
from django.dispatch import Signal
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from backoffice.models import Notice, User

stored = Signal()  # notices


def notify(
    users: Iterable[User], text: str, link: str, *, key: str = "", mail: bool = False
) -> list[Notice]:
    """Tell these people one sentence, with the page to look at; answers the notices that are new.

    `key` names what it is about: a person is told once, however often it is found. Empty: always.
    Where that is decided on, a trigger ends what is unread by the key (migration 0056 and others).
    `mail`: it waits for them, so it is mailed too, unless they have read it by then. Raises
    ValueError for a link that leaves the house.
    """
    if link and not url_has_allowed_host_and_scheme(link, allowed_hosts=None):
        raise ValueError(f"A notice links to a page of ours, not to {link}.")
    key = key or uuid4().hex
    given: dict[str, Any] = {"text": text[:300], "link": link, "to_mail": mail}
    fresh = []
    for user in {user.pk: user for user in users if user.is_active}.values():
        notice, new = Notice.objects.get_or_create(user=user, key=key, defaults=given)
        if new:
            fresh.append(notice)
    if fresh:
        stored.send(sender=Notice, notices=fresh)
    return fresh


def holders(permission: str) -> list[User]:
    """The active people who hold a permission (`automations.tend_engine`) by role or by name."""
    app, _, codename = permission.partition(".")
    wanted = Permission.objects.filter(content_type__app_label=app, codename=codename)
    held = Q(groups__permissions__in=wanted) | Q(user_permissions__in=wanted)
    return list(User.objects.filter(held, is_active=True).distinct().order_by("pk"))


def read(user: User, pk: int | None = None) -> int:
    """Mark a person's notice as read, or all of them (None); answers how many were unread."""
    mine = Notice.objects.filter(user=user, read_at=None)
    if pk is not None:
        return mine.filter(pk=pk).update(read_at=timezone.now())
    with transaction.atomic():
        # Those that a decision is just marking are read by it; waiting for it here could be a ring.
        free = mine.select_for_update(skip_locked=True, no_key=True).order_by("pk")
        ids = list(free.values_list("pk", flat=True))
        return Notice.objects.filter(pk__in=ids).update(read_at=timezone.now())
