"""Who stands in for whom: named for some days, ended by one, told to the people concerned.

PostgreSQL's functions say who may name and who has to agree (migration 0050).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from backoffice import audit, notices, staff
from backoffice.actors import Actor
from backoffice.deputies import Deputy
from backoffice.models import User
from backoffice.roles import FINANCE, OPERATIONS, SUPPORT
from backoffice.staff import SUBJECT, StaffError

# The roles that decide on what others submit, and so can be lent.
DECIDING = (OPERATIONS, FINANCE, SUPPORT)


def roles_of(user: User) -> set[str]:
    """The roles a person holds, and those in which they stand in for somebody now."""
    own = set(user.groups.values_list("name", flat=True))
    if not own & set(DECIDING):
        return own
    away = Deputy.objects.in_force().filter(deputy=user, person__is_active=True)
    rows = away.filter(decided_by__isnull=False).values_list("lends", "person__groups__name")
    return own | {held for lent, held in rows if held in lent}


def holders_of(roles: Iterable[str]) -> QuerySet[User]:
    """The active people who decide in one of these roles now, deputies included."""
    wanted = set(roles)
    holders = User.objects.filter(groups__name__in=wanted, is_active=True)
    lent = Q(lends__overlap=sorted(wanted), decided_by__isnull=False)
    away = Deputy.objects.in_force().filter(lent, person__in=holders)
    found = Q(pk__in=holders.values("pk")) | Q(pk__in=away.values("deputy"))
    return User.objects.filter(found, is_active=True, groups__name__in=DECIDING).distinct()


def candidates(person: User) -> QuerySet[User]:
    """Who can stand in for a person: active, and of a role that decides on something."""
    found = User.objects.filter(is_active=True, groups__name__in=DECIDING).exclude(pk=person.pk)
    return found.distinct().order_by("first_name", "last_name", "pk")


def _bounds(first: date, last: date, zone: str) -> tuple[datetime, datetime]:
    """From the first day's beginning to the last day's end, where the person is."""
    there = ZoneInfo(zone)
    begins = datetime.combine(first, time(), there)
    return begins, datetime.combine(last + timedelta(days=1), time(), there)


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
@transaction.atomic
def name_deputy(
    person_id: int, *, deputy: User, first: date, last: date, why: str, actor: Actor
) -> Deputy:
    """Name who stands in for a person from one day to another, both included.

    Where the deputy lacks a deciding role of the person's, a second person has to agree first.
    Raises StaffError for somebody else's deputy, unless by an administrator.
    """
    person = User.objects.get(pk=person_id)
    begins, ends = _bounds(first, last, person.time_zone)
    fresh = staff.call("name_deputy", person_id, deputy.pk, begins, ends, why, actor.user_id)
    row = Deputy.objects.select_related("person", "deputy", "asked_by").get(pk=fresh)
    if row.state == Deputy.State.ASKED:
        _ask(row)
    else:
        _tell(row)
    return row


def _ask(row: Deputy) -> None:
    others = staff.seconds(row.asked_by_id, row.person_id, row.deputy_id)
    said = f"{row.deputy} is to stand in for {row.person} and decide in their role. Do you agree?"
    link = reverse("user_detail", args=[row.person.username])
    notices.notify(others, said, link, key=f"deputy-asked:{row.pk}", mail=True)


def _tell(row: Deputy) -> None:
    last = row.until_at.astimezone(ZoneInfo(row.person.time_zone)) - timedelta(seconds=1)
    said = f"You stand in for {row.person} until {last:%-d %B}: {row.why}"
    notices.notify([row.deputy], said, reverse("me"), key=f"deputy:{row.pk}", mail=True)


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
@transaction.atomic
def agree(row_id: int, *, actor: Actor) -> None:
    """Agree that a deputy decides in another's role; raises StaffError."""
    staff.call("decide_deputy", row_id, actor.user_id, True)
    _tell(Deputy.objects.select_related("person", "deputy").get(pk=row_id))


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
def turn_down(row_id: int, *, actor: Actor) -> None:
    """Say no to a deputy; raises StaffError."""
    staff.call("decide_deputy", row_id, actor.user_id, False)


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
def end(row_id: int, *, actor: Actor) -> None:
    """End it early; one of the two, an administrator or someone of finance. Raises StaffError."""
    staff.call("end_deputy", row_id, actor.user_id)
