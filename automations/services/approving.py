"""Who can decide on a version. PostgreSQL decides; this says it in words, and to whom."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet
from django.utils import timezone

from automations.actions import Risk
from automations.models.documents import Approval, Document, DocumentEditor
from automations.services import doors
from backoffice import roles, standing_in
from backoffice.models import User

# Mirrors automations_role_suits, which decides; here it only chooses words and buttons.
SUITABLE: Mapping[str, tuple[str, ...]] = {
    Risk.MONEY: (roles.FINANCE,),
    Risk.CUSTOMER: (roles.OPERATIONS, roles.SUPPORT),
    Risk.NONE: (roles.OPERATIONS, roles.FINANCE, roles.SUPPORT),
}


def role_for(user: User, risk: str) -> str | None:
    """The role in which this person could decide on such a risk; None when there is none.

    One's own before one in which one stands in for somebody.
    """
    held = standing_in.roles_of(user)
    own = set(user.groups.values_list("name", flat=True))
    fitting = [role for role in SUITABLE[risk] if role in held]
    return next((role for role in fitting if role in own), next(iter(fitting), None))


def why_not(document: Document, user: User) -> str | None:
    """Why this person can't decide on this document; None when they can."""
    if document.state != Document.State.SUBMITTED:
        return "This version no longer waits for approval."
    if DocumentEditor.objects.filter(document=document, user=user).exists():
        return "You edited or submitted this version, so someone else has to decide."
    if role_for(user, document.risk) is None:
        wanted = " or ".join(SUITABLE[document.risk])
        return f"Someone of {wanted} has to decide on this."
    if agreed(document).filter(approver=user).exists():
        return "You agreed to this version. Someone else has to as well."
    return None


def agreed(document: Document) -> QuerySet[Approval]:
    """The yeses to a version that are not too old to count."""
    given = document.approvals.filter(verdict=Approval.Verdict.APPROVE)
    return given.filter(expires_at__gt=timezone.now())


def deciders(document: Document) -> list[User]:
    """Who can decide on a version now; empty where nobody can.

    Those of a suitable role, deputies included, without whoever worked on it and without those
    who have their role from one who did.
    """
    worked = DocumentEditor.objects.filter(document=document).values("user")
    people = standing_in.holders_of(SUITABLE[document.risk]).exclude(pk__in=worked)
    people = people.exclude(pk__in=agreed(document).values("approver"))
    return [user for user in people.order_by("pk") if _untouched(document, user)]


def _untouched(document: Document, user: User) -> bool:
    role = role_for(user, document.risk)
    return role is not None and not doors.call("given_by_editor", document.pk, user.pk, role)
