"""Stopping takes one person, at once; starting again takes two."""

from __future__ import annotations

from typing import Literal

from django.db import IntegrityError, transaction

from automations.engine import parking
from automations.models.documents import Activation, Stop
from automations.services import doors
from automations.services.approvals import role_for
from automations.services.errors import NotPossible, Refused
from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import User

Queued = Literal["release", "cancel"]


def stop_rule(rule_id: int | None, *, reason: str, actor: Actor) -> Stop:
    """Stop a rule, or all of them with None, before its next effect. A repeat changes nothing."""
    if not reason.strip():
        raise NotPossible("Say why, so that others know when it is safe to start again.")
    try:
        with transaction.atomic():
            stop = Stop.objects.create(
                rule_id=rule_id, stopped_by_id=doors.person_id(actor), reason=reason
            )
            audit.record("rules.stopped", "automations.stop", stop.pk, actor=actor, rule=rule_id)
    except IntegrityError:
        return Stop.objects.get(rule_id=rule_id, lifted_at=None)
    return stop


def ask_start(stop_id: int, *, actor: Actor) -> None:
    """Ask for a stop to be lifted; someone else has to agree."""
    doors.call("ask_start", stop_id, doors.person_id(actor))


def start_again(stop_id: int, *, queued: Queued, actor: Actor) -> None:
    """Agree that it starts again; `queued` says what becomes of the runs it kept back.

    Raises Refused for the one who asked, for editors and for the wrong role.
    """
    person = doors.person_id(actor)
    stop = Stop.objects.get(pk=stop_id)
    live = Activation.objects.filter(rule_id=stop.rule_id, until_at=None)
    risk = live.values_list("document__risk", flat=True).first() or "none"
    role = role_for(User.objects.get(pk=person), risk if stop.rule_id else "money") or ""
    try:
        with transaction.atomic():
            doors.call("start_again", stop_id, person, role)
            parking.leave(stop.rule_id, queued)
    except Refused as refusal:
        audit.record("rules.refused", "automations.stop", stop_id, actor=actor, why=str(refusal))
        raise
