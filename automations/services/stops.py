"""Stopping takes one person, at once; starting again takes two."""

from __future__ import annotations

from typing import Literal

from django.db import IntegrityError, connection, transaction

from automations.actions import Risk
from automations.engine import parking
from automations.models.documents import Activation, DocumentEditor, Stop
from automations.services import doors
from automations.services.approving import SUITABLE, role_for
from automations.services.errors import NotPossible, Refused
from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import User

Queued = Literal["release", "cancel"]
TRIES = 5


def stop_rule(rule_id: int | None, *, reason: str, actor: Actor) -> Stop:
    """Stop a rule, or all of them with None, before its next effect. A repeat changes nothing."""
    return _stop(reason, actor, rule_id=rule_id)


def stop_connector(key: str, *, reason: str, actor: Actor) -> Stop:
    """Stop all calls of a connector before the next one. A repeat changes nothing."""
    return _stop(reason, actor, lane=key)


def _stop(reason: str, actor: Actor, *, rule_id: int | None = None, lane: str = "") -> Stop:
    if not reason.strip():
        raise NotPossible("Say why, so that others know when it is safe to start again.")
    for _ in range(TRIES):
        try:
            return _stopped(reason, actor, rule_id, lane)
        except IntegrityError:
            known = Stop.objects.filter(lifted_at=None, lane=lane)
            known = known.filter(rule=None) if rule_id is None else known.filter(rule=rule_id)
            if (stands := known.first()) is not None:
                return stands
            # It was lifted at this very moment: whoever asks now wants it stopped all the same.
    raise NotPossible("Others start it again at this very moment. Stop it once more.")


@transaction.atomic
def _stopped(reason: str, actor: Actor, rule_id: int | None, lane: str) -> Stop:
    stop = Stop.objects.create(
        rule_id=rule_id, lane=lane, stopped_by_id=doors.person_id(actor), reason=reason
    )
    told = {"connector": lane} if lane else {"rule": rule_id}
    audit.record("rules.stopped", "automations.stop", stop.pk, actor=actor, **told)
    return stop


def why_not_agree(stop: Stop, user: User) -> str:
    """Why this person can't agree that it starts again; empty when they can.

    Mirrors automations_start_again, which decides; here it only chooses words and buttons.
    """
    live = None
    if stop.rule_id is not None:
        versions = Activation.objects.in_force().filter(rule=stop.rule_id)
        live = versions.values_list("document", flat=True).first()
    if DocumentEditor.objects.filter(document=live, user=user).exists():
        return "You edited or submitted this rule, so someone else has to agree."
    risk = _risk(stop)
    role = role_for(user, risk)
    if role is None:
        return f"Someone of {' or '.join(SUITABLE[risk])} has to agree."
    if _given_role(stop, live, user, role):
        return (
            "Who asked for this, or edited the rule, gave you your role, "
            "so someone else has to agree."
        )
    return ""


def _given_role(stop: Stop, live: int | None, user: User, role: str) -> bool:
    """Whether who asked, or edited the version in force, had a hand in this person's role."""
    if doors.call("given_by_editor", live, user.pk, role):
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s IN (SELECT backoffice_givers(%s, %s))", [stop.asked_by_id, user.pk, role]
        )
        return bool(cursor.fetchone()[0])


def _risk(stop: Stop) -> str:
    """The risk of what would start: of the version in force, of all rules together money."""
    if stop.rule is None:
        return Risk.MONEY
    live = Activation.objects.in_force().filter(rule=stop.rule)
    return live.values_list("document__risk", flat=True).first() or Risk.NONE


@audit.traces_refusals("rules.refused", "automations.stop", Refused)
def ask_start(stop_id: int, *, actor: Actor) -> None:
    """Ask for a stop to be lifted; someone else has to agree."""
    doors.call("ask_start", stop_id, doors.person_id(actor))


@audit.traces_refusals("rules.refused", "automations.stop", Refused)
@transaction.atomic
def start_again(stop_id: int, *, queued: Queued, actor: Actor) -> None:
    """Agree that it starts again; `queued` says what becomes of the runs it kept back.

    Raises Refused for the one who asked, for editors and for the wrong role.
    """
    person = doors.person_id(actor)
    stop = Stop.objects.get(pk=stop_id)
    role = role_for(User.objects.get(pk=person), _risk(stop)) or ""
    doors.call("start_again", stop_id, person, role)
    parking.leave(stop.rule_id, queued, stop.lane)
