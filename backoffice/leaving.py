"""What a leaver leaves behind, and to whom it goes. Apps register what of theirs belongs to people.

What runs goes on running: only who answers for it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import User
from backoffice.staff import SUBJECT, StaffError, locked_members


@dataclass(frozen=True, slots=True)
class Belonging:
    """One kind of thing that people answer for (`rule`, `rules`).

    `hand_over(leaver, to, actor)` gives all of it to another person and answers how many.
    """

    noun: str
    nouns: str
    count: Callable[[User], int]
    hand_over: Callable[[User, User, Actor], int]


_belongings: dict[str, Belonging] = {}


def register(belonging: Belonging) -> None:
    """Add a kind; raises ImproperlyConfigured for one that is there."""
    if belonging.noun in _belongings:
        raise ImproperlyConfigured(f"{belonging.noun} is registered twice.")
    _belongings[belonging.noun] = belonging


def left_by(user: User) -> list[str]:
    """What a person answers for, such as `3 rules`; empty when it is nothing."""
    counted = [(each, each.count(user)) for each in _belongings.values()]
    return [
        f"{number:,} {each.noun if number == 1 else each.nouns}"
        for each, number in counted
        if number
    ]


@audit.traces_refusals("staff.refused", SUBJECT, StaffError)
@transaction.atomic
def hand_over(person_id: int, *, to: User, actor: Actor) -> int:
    """Give all that a person answers for to another; answers how much it was.

    Raises StaffError for a receiver who has left, or is the same person.
    """
    people = {user.pk: user for user in locked_members([person_id, to.pk])}
    leaver, receiver = people[person_id], people[to.pk]
    if not receiver.is_active or receiver.pk == leaver.pk:
        raise StaffError(f"{receiver} can't take it. Choose somebody else who is active.")
    moved = {
        each.nouns: number
        for each in _belongings.values()
        if (number := each.hand_over(leaver, receiver, actor))
    }
    audit.record("staff.handed_over", SUBJECT, leaver.pk, actor=actor, to=receiver.pk, what=moved)
    return sum(moved.values())
