"""Members of staff: add, change role, deactivate; each change is in the audit trail."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from backoffice import audit
from backoffice.actors import Acting, Actor
from backoffice.models import User
from backoffice.roles import ADMINISTRATOR

SUBJECT = "backoffice.user"


class StaffError(Exception):
    """A change of staff that is refused."""


def locked_members(ids: Iterable[int]) -> list[User]:
    rows = User.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=set(ids))
    return list(rows.order_by("pk"))


def _keep_one_administrator(leaving: Sequence[User]) -> None:
    """Somebody must be able to let people in again."""
    group = Group.objects.select_for_update(no_key=True).get(name=ADMINISTRATOR)
    rest = group.user_set.filter(is_active=True).exclude(pk__in=[user.pk for user in leaving])
    if not rest.exists():
        raise StaffError("At least one active administrator must remain.")


def add_member(
    *, username: str, first_name: str, last_name: str, email: str, role: str, actor: Acting
) -> tuple[User, str]:
    """Add a member of staff; also returns the first password, which is kept nowhere."""
    password = secrets.token_urlsafe(15)
    with transaction.atomic():
        user = User(username=username, first_name=first_name, last_name=last_name, email=email)
        user.set_password(password)
        user.save()
        user.groups.set([Group.objects.get(name=role)])
        audit.record("staff.added", SUBJECT, user.pk, actor=actor.of(user.pk), role=role)
    return user, password


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
def deactivate_members(ids: Sequence[int], *, actor: Acting) -> list[User]:
    """Lock people out and end their sessions.

    Raises StaffError for oneself or the last active administrator.
    """
    with transaction.atomic():
        members = [user for user in locked_members(ids) if user.is_active]
        if any(actor.of(user.pk).user_id == user.pk for user in members):
            raise StaffError("You can't deactivate yourself.")
        _keep_one_administrator(members)
        for user in members:
            user.is_active = False
            user.save(update_fields=["is_active"])
            audit.record("staff.deactivated", SUBJECT, user.pk, actor=actor.of(user.pk))
        _end_sessions(members)
    return members


def _end_sessions(members: Sequence[User]) -> None:
    """A session that outlived the closing of its account would open with it again."""
    ids = {str(user.pk) for user in members}
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) in ids:
            session.delete()


def activate_members(ids: Sequence[int], *, actor: Acting) -> list[User]:
    """Let people sign in again."""
    with transaction.atomic():
        members = [user for user in locked_members(ids) if not user.is_active]
        for user in members:
            user.is_active = True
            user.save(update_fields=["is_active"])
            audit.record("staff.activated", SUBJECT, user.pk, actor=actor.of(user.pk))
    return members


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
def change_role(ids: Sequence[int], role: str, *, actor: Acting) -> list[User]:
    """Give people one role instead of what they had; raises StaffError for oneself."""
    with transaction.atomic():
        members = locked_members(ids)
        if any(actor.of(user.pk).user_id == user.pk for user in members):
            raise StaffError("You can't change your own role.")
        if role != ADMINISTRATOR:
            _keep_one_administrator(members)
        group = Group.objects.get(name=role)
        for user in members:
            before = sorted(user.groups.values_list("name", flat=True))
            user.groups.set([group])
            by = actor.of(user.pk)
            audit.record("staff.role_changed", SUBJECT, user.pk, actor=by, role=role, before=before)
    return members


def change_password(form: PasswordChangeForm, *, actor: Actor) -> None:
    """Keep the password of a valid form; what is signed in elsewhere ends with the old one."""
    with transaction.atomic():
        user = form.save()
        audit.record("staff.password_changed", SUBJECT, user.pk, actor=actor)
