"""Handing a case to someone else, and watching what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.urls import reverse

from automations.models.failures import Failure, FailureWatch
from automations.services import doors
from automations.services.errors import NotPossible
from automations.services.failures import because, locked, log, save
from backoffice import notices, roles
from backoffice.actors import Actor
from backoffice.models import User

# Who works on what is handed over; administrators and auditors do not.
TEAMS = (roles.OPERATIONS, roles.FINANCE, roles.SUPPORT)


def may_work(user: User, failure: Failure) -> bool:
    """Whether this person works on the case: by role, or because it was handed to them."""
    return user.has_perm("automations.work_failure") or is_theirs(user, failure)


def is_theirs(user: User, failure: Failure) -> bool:
    """Whether it waits for this person: as its owner, in their role, or for their answer."""
    if failure.owner_id is not None:
        return failure.owner_id == user.pk
    wanted = {role for role in (failure.team, failure.role) if role}
    return bool(wanted) and user.groups.filter(name__in=wanted).exists()


def may_answer(user: User, failure: Failure) -> bool:
    """Whether this person is of the role that a question is for; without a role, works on cases."""
    if not failure.role:
        return user.has_perm("automations.work_failure")
    return user.groups.filter(name=failure.role).exists()


@transaction.atomic
def hand_over(
    failure_id: int,
    *,
    version: int,
    note: str,
    actor: Actor,
    to: User | None = None,
    team: str = "",
) -> Failure:
    """Give the case to a person or to a role, with what they need to know.

    The giver goes on watching it. Raises NotPossible, Stale.
    """
    if (to is None) == (not team):
        raise NotPossible("Choose a person or a role.")
    if to is not None and not to.is_active:
        raise NotPossible(f"{to} has left. Choose someone else.")
    if team and team not in TEAMS:
        raise NotPossible(f"{team} takes no cases.")
    why = because(note)
    failure = locked(failure_id, version)
    receiver = {"to": to.pk} if to is not None else {"to": None, "team": team}
    log(failure, "hand_over", actor, why, changes={"owner": {"from": failure.owner_id, **receiver}})
    failure = save(failure, owner_id=to.pk if to else None, team=team)
    watch(failure, doors.person_id(actor))
    told = [to] if to is not None else list(User.objects.filter(groups__name=team, is_active=True))
    _notify(failure, told, f"{actor.label} handed you case {failure.pk}: {why}", "handed")
    return failure


def watch(failure: Failure, user_id: int) -> None:
    """Let this person know how the case goes on."""
    FailureWatch.objects.get_or_create(failure=failure, user_id=user_id)


def stop_watching(failure_id: int, user_id: int) -> None:
    """Tell this person nothing more about the case."""
    FailureWatch.objects.filter(failure_id=failure_id, user_id=user_id).delete()


def _notify(failure: Failure, people: Iterable[User], text: str, kind: str) -> None:
    link = reverse("failure_detail", args=[failure.pk])
    notices.notify(people, text, link, key=f"{kind}:{failure.pk}:{failure.version}")
