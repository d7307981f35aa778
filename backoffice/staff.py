"""Members of staff: add, give a role, deactivate; each change is in the audit trail.

A role takes two: PostgreSQL's functions say who may ask and who may agree (migration 0042).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from backoffice import audit, doors, notices
from backoffice.actors import Acting, Actor
from backoffice.models import User
from backoffice.role_grants import RoleGrant
from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE

SUBJECT = "backoffice.user"
# In which roles somebody agrees to a role or a deputy.
SECONDS = (ADMINISTRATOR, FINANCE)


class StaffError(Exception):
    """A change of staff that is refused."""


def locked_members(ids: Iterable[int]) -> list[User]:
    rows = User.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=set(ids))
    return list(rows.order_by("pk"))


def _keep_one_administrator(leaving: Sequence[int]) -> None:
    """Somebody must be able to let people in again."""
    if not administrators().filter(is_active=True).exclude(pk__in=leaving).exists():
        raise StaffError("At least one active administrator must remain.")


def administrators() -> QuerySet[User]:
    return User.objects.filter(groups__name=ADMINISTRATOR)


def call(function: str, *arguments: str | int | datetime | None) -> Any:
    """Call a guarded function; raises StaffError with the sentence it refuses with."""
    return doors.call(f"backoffice_{function}", *arguments, as_error=StaffError)


def add_member(
    *, username: str, first_name: str, last_name: str, email: str, role: str, actor: Acting
) -> tuple[User, str]:
    """Add a member of staff and ask for their role, which a second person agrees to.

    Also returns the first password, which is kept nowhere and only good for choosing another.
    """
    password = secrets.token_urlsafe(15)
    with transaction.atomic():
        user = User(username=username, first_name=first_name, last_name=last_name, email=email)
        user.set_password(password)
        user.password_is_first = True
        user.save()
        audit.record("staff.added", SUBJECT, user.pk, actor=actor.of(user.pk), role=role)
        change_role([user.pk], role, actor=actor)
    return user, password


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
def deactivate_members(ids: Sequence[int], *, actor: Acting) -> list[User]:
    """Lock people out and end their sessions.

    Raises StaffError for oneself or the last active administrator.
    """
    with transaction.atomic():
        # All administrators too, in one order: two who lock each other out would leave none.
        locked = locked_members([*ids, *administrators().values_list("pk", flat=True)])
        members = [user for user in locked if user.is_active and user.pk in set(ids)]
        if any(actor.of(user.pk).user_id == user.pk for user in members):
            raise StaffError("You can't deactivate yourself.")
        _keep_one_administrator([user.pk for user in members])
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
def change_role(ids: Sequence[int], role: str, *, actor: Acting) -> list[RoleGrant]:
    """Ask that people get one role instead of what they have; raises StaffError for oneself.

    `auditor` decides nothing and is given at once. Any other role comes with a second person's
    yes; until then they keep what they have. A second request replaces the first.
    """
    with transaction.atomic():
        given = [call("ask_role", pk, role, actor.of(pk).user_id) for pk in sorted(set(ids))]
        grants = list(RoleGrant.objects.filter(pk__in=given).select_related("user", "asked_by"))
        for grant in grants:
            if grant.state == RoleGrant.State.ASKED:
                _tell(grant)
    return grants


def apart(asked_by: int, people: Iterable[User], roles: Sequence[str]) -> list[User]:
    """Those of these people who are another will than whoever asks, in one of these roles.

    PostgreSQL decides when they agree (migration 0055); this is for words and buttons.
    """
    found = {user.pk: user for user in people}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM unnest(%s::bigint[]) AS p (id) WHERE backoffice_apart(%s, id, %s)",
            [list(found), asked_by, list(roles)],
        )
        return [found[pk] for (pk,) in cursor.fetchall()]


def seconds(asked_by: int, *concerned: int) -> list[User]:
    """Who could agree to a role or deputy that a person asks for, without whom it concerns."""
    people = apart(asked_by, notices.holders("backoffice.decide_rolegrant"), SECONDS)
    return [user for user in people if user.pk not in concerned]


def may_agree(grant: RoleGrant) -> list[User]:
    """Who could agree to a role that is asked for; empty: nobody but the database's owner."""
    return seconds(grant.asked_by_id, grant.user_id) if grant.asked_by_id else []


def _tell(grant: RoleGrant) -> None:
    others = may_agree(grant)
    said = f"{grant.asked_by} asks that {grant.user} gets the role {grant.role}. Do you agree?"
    link = reverse("user_detail", args=[grant.user.username])
    notices.notify(others, said, link, key=f"role-grant:{grant.pk}", mail=True)


@audit.traces_refusals("staff.refused", "backoffice.rolegrant", StaffError)
def agree_to_role(grant_id: int, *, actor: Actor) -> None:
    """Agree that somebody gets the role another asked for; raises StaffError.

    Auditors are told where the two owe their own roles to the same person.
    """
    with transaction.atomic():
        call("decide_role", grant_id, actor.user_id, True)
        _tell_of_links(RoleGrant.objects.select_related("user", "asked_by").get(pk=grant_id), actor)


def _tell_of_links(grant: RoleGrant, actor: Actor) -> None:
    """What no rule forbids and somebody should look at all the same."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT backoffice_links(%s, %s)", [grant.asked_by_id, actor.user_id])
        links = [pk for (pk,) in cursor.fetchall()]
    if not links:
        return
    audit.record(
        "staff.role_linked", SUBJECT, grant.user_id, actor=actor,
        role=grant.role, asked_by=grant.asked_by_id, linked_by=links,
    )  # fmt: skip
    auditors = User.objects.filter(groups__name=AUDITOR, is_active=True)
    said = f"{grant.asked_by} and {actor.label} gave {grant.user} the role {grant.role}. "
    by = ", ".join(str(user) for user in User.objects.filter(pk__in=links).order_by("pk"))
    said += f"Their own roles go back to one person: {by}."
    link = reverse("user_detail", args=[grant.user.username])
    notices.notify(auditors, said, link, key=f"role-linked:{grant.pk}")


@audit.traces_refusals("staff.refused", "backoffice.rolegrant", StaffError)
def turn_down_role(grant_id: int, *, actor: Actor) -> None:
    """Say no to it, or take back what one asked for; raises StaffError."""
    call("decide_role", grant_id, actor.user_id, False)


def change_password(form: PasswordChangeForm, *, actor: Actor) -> None:
    """Keep the password of a valid form; what is signed in elsewhere ends with the old one."""
    with transaction.atomic():
        user = form.save()
        user.password_is_first = False
        user.save(update_fields=["password_is_first"])
        audit.record("staff.password_changed", SUBJECT, user.pk, actor=actor)
