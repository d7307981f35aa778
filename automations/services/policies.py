"""How many have to agree to a version, by its risk: finance says so, fewer takes two."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse

from automations.models.policies import ApprovalPolicy
from automations.services import doors
from backoffice import notices, roles, standing_in
from backoffice.actors import Actor

RISK_WORDS = {"money": "money", "customer": "customers", "none": "nothing outside the house"}


def quorum(risk: str) -> int:
    """How many people have to agree to a version of this risk."""
    found = ApprovalPolicy.objects.filter(risk=risk).values_list("approvers", flat=True).first()
    return found if found is not None else 2


@transaction.atomic
def change(risk: str, approvers: int, *, actor: Actor) -> bool:
    """Let more people agree from now on, or ask that fewer do; answers whether it holds already.

    Raises Refused.
    """
    said = doors.call("set_quorum", risk, approvers, doors.person_id(actor))
    if said == "asked":
        asker = doors.person_id(actor)
        others = [user for user in standing_in.holders_of([roles.FINANCE]) if user.pk != asker]
        text = f"{actor.label} asks that {approvers} instead of {quorum(risk)} agrees to rules of"
        link = reverse("approval_policy")
        key = f"quorum:{risk}:{ApprovalPolicy.objects.get(pk=risk).asked_at:%Y%m%d%H%M%S%f}"
        notices.notify(others, f"{text} risk {RISK_WORDS[risk]}.", link, key=key, mail=True)
    return bool(said == "raised")


@transaction.atomic
def agree(risk: str, *, actor: Actor) -> None:
    """Agree that fewer people have to agree; raises Refused for who asked."""
    doors.call("agree_quorum", risk, doors.person_id(actor), True)


@transaction.atomic
def keep(risk: str, *, actor: Actor) -> None:
    """Leave it as it is: turn down what was asked, or take it back. Raises Refused."""
    doors.call("agree_quorum", risk, doors.person_id(actor), False)
