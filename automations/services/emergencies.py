"""What can't wait for an approval: two people, one hour, told to everyone, reviewed after.

PostgreSQL says who may (migration 0103). What is live stays live below it.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from automations.engine import emergencies
from automations.models.policies import Emergency
from automations.services import doors
from automations.services.announcing import named
from automations.services.approving import SUITABLE, role_for
from automations.services.errors import NotPossible, Refused
from backoffice import audit, banners, notices, roles, standing_in
from backoffice.actors import Actor
from backoffice.models import User

DOCUMENT = "automations.document"
SUBJECT = "automations.emergency"
USE = "automations.use_emergency"


def _whole(emergency_id: int) -> Emergency:
    people = ("asked_by", "agreed_by", "ended_by", "reviewed_by")
    return Emergency.objects.select_related("rule", "document__rule", *people).get(pk=emergency_id)


@audit.traces_refusals("rules.refused", DOCUMENT, Refused, NotPossible)
@transaction.atomic
def ask(document_id: int, *, sha256: str, why: str, actor: Actor) -> Emergency:
    """Ask that a version acts for an hour before it is approved; raises Refused.

    A second person has to agree within the hour.
    """
    fresh = doors.call("ask_emergency", document_id, sha256, why, doors.person_id(actor))
    found = _whole(fresh)
    others = [user for user in notices.holders(USE) if user.pk != found.asked_by_id]
    text = f"Emergency: {found.asked_by} asks that {named(found.document)} acts now. {why}"
    _tell(others, found, text, "asked")
    return found


@audit.traces_refusals("rules.refused", SUBJECT, Refused, NotPossible)
@transaction.atomic
def agree(emergency_id: int, *, sha256: str, actor: Actor) -> Emergency:
    """Agree to it: the version acts for 60 minutes. Raises Refused.

    Finance, administrators and everyone who could have approved it are told.
    """
    doors.call("agree_emergency", emergency_id, sha256, doors.person_id(actor))
    found = _whole(emergency_id)
    _show_at_once()
    emergencies.open_case(found, SUITABLE[found.document.risk][0])
    wanted = {roles.FINANCE, *SUITABLE[found.document.risk]}
    owner = [found.rule.owner] if found.rule.owner is not None else []
    people = [*standing_in.holders_of(wanted), *notices.holders("backoffice.change_user"), *owner]
    text = (
        f"Emergency: {named(found.document)} acts without an approval until "
        f"{found.ends_at:%H:%M} UTC, by {found.asked_by} and {found.agreed_by}. {found.why}"
    )
    _tell(people, found, text, "began")
    return found


@audit.traces_refusals("rules.refused", SUBJECT, Refused, NotPossible)
@transaction.atomic
def end(emergency_id: int, *, actor: Actor) -> None:
    """End it now; one person can. What is live acts again. Raises Refused."""
    doors.call("end_emergency", emergency_id, doors.person_id(actor))
    _show_at_once()
    emergencies.cancel_left()
    emergencies.ask_for_review(emergency_id)


@audit.traces_refusals("rules.refused", SUBJECT, Refused, NotPossible)
@transaction.atomic
def review(emergency_id: int, *, was_right: bool, note: str, actor: Actor) -> None:
    """Say what one found of what it did; raises Refused for whoever had a hand in it."""
    person = doors.person_id(actor)
    found = _whole(emergency_id)
    role = role_for(User.objects.get(pk=person), found.document.risk) or ""
    doors.call("review_emergency", emergency_id, person, role, was_right, note)
    verdict = "It was right." if was_right else "It was wrong."
    emergencies.close_case(emergency_id, f"{actor.label} reviewed it. {verdict} {note}")
    people = [user for user in (found.asked_by, found.agreed_by) if user is not None]
    text = f"{actor.label} reviewed the emergency of {named(found.document)}. {verdict} {note}"
    _tell(people, found, text, "reviewed")


def _show_at_once() -> None:
    """The banner of every page begins or ends now, and once this is committed."""
    banners.forget()
    transaction.on_commit(banners.forget)


def _tell(people: list[User], found: Emergency, text: str, about: str) -> None:
    link = reverse("approval_detail", args=[found.document_id])
    notices.notify(people, text, link, key=f"emergency:{found.pk}:{about}", mail=True)


def in_force() -> list[Emergency]:
    """What acts now without an approval, for the banner of every page."""
    now = Emergency.objects.filter(state=Emergency.State.AGREED, ends_at__gt=Now())
    return list(now.select_related("rule", "document", "asked_by", "agreed_by").order_by("ends_at"))
