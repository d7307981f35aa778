"""Who came in and who was kept out, in the audit trail. Connected once, when the app is ready."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from backoffice import audit
from backoffice.actors import Actor, ActorKind, person
from backoffice.models import User

SUBJECT = "backoffice.user"


def on_sign_in(sender: object, user: User, **kwargs: object) -> None:
    """A decision is as good as the sign-in behind it."""
    audit.record("access.signed_in", SUBJECT, user.pk, actor=person(user))


def on_lock_out(sender: object, username: str, **kwargs: object) -> None:
    """Too many wrong passwords for an account there is; what else was typed is nobody's name."""
    user = User.objects.filter(username=username).first()
    if user is not None:
        nobody = Actor(ActorKind.OUTSIDE, "Nobody signed in")
        audit.record("access.locked_out", SUBJECT, user.pk, actor=nobody)


def refuse(request: HttpRequest, user: User) -> None:
    """Someone tried to do what their role may not."""
    match = request.resolver_match
    given: dict[str, Any] = match.kwargs if match else {}
    audit.record(
        "access.refused",
        SUBJECT,
        user.pk,
        actor=person(user),
        address=match.view_name if match else "",
        **({"of": {name: str(value)[:100] for name, value in given.items()}} if given else {}),
    )


def connect() -> None:
    """Listen."""
    user_logged_in.connect(on_sign_in, dispatch_uid="audit-sign-in")
    user_locked_out.connect(on_lock_out, dispatch_uid="audit-lock-out")
