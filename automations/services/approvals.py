"""Verdicts on what others submitted. PostgreSQL decides who may; this says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from automations.actions import Risk
from automations.engine import moving
from automations.engine.moving import Waiting
from automations.models.documents import Activation, Approval, Document, DocumentEditor
from automations.models.rules import Rule
from automations.rules.parsing import read_document
from automations.services import doors
from automations.services.errors import NotPossible, Refused
from backoffice import audit, roles
from backoffice.actors import Actor
from backoffice.models import User

DOCUMENT, RULE = "automations.document", "automations.rule"
# Mirrors automations_role_suits, which decides; here it only chooses words and buttons.
SUITABLE: Mapping[str, tuple[str, ...]] = {
    Risk.MONEY: (roles.FINANCE,),
    Risk.CUSTOMER: (roles.OPERATIONS, roles.SUPPORT),
    Risk.NONE: (roles.OPERATIONS, roles.FINANCE, roles.SUPPORT),
}


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A pause of a new version until someone has looked: after so many runs, or from a time on."""

    reviewer_id: int
    after: int | None = None
    since: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return {"reviewer": self.reviewer_id, "after": self.after, "from": self.since}


def role_for(user: User, risk: str) -> str | None:
    """The role in which this person could decide on such a risk; None when there is none."""
    held = set(user.groups.values_list("name", flat=True))
    return next((role for role in SUITABLE[risk] if role in held), None)


def why_not(document: Document, user: User) -> str | None:
    """Why this person can't decide on this document; None when they can."""
    if document.state != Document.State.SUBMITTED:
        return "This version no longer waits for approval."
    if DocumentEditor.objects.filter(document=document, user=user).exists():
        return "You edited or submitted this version, so someone else has to decide."
    if role_for(user, document.risk) is None:
        wanted = " or ".join(SUITABLE[document.risk])
        return f"Someone of {wanted} has to decide on this."
    return None


def _decide(
    document_id: int,
    verdict: Approval.Verdict,
    *,
    sha256: str,
    comment: str,
    evidence: Mapping[str, Any],
    actor: Actor,
) -> int:
    approver = doors.person_id(actor)
    risk = Document.objects.values_list("risk", flat=True).get(pk=document_id)
    role = role_for(User.objects.get(pk=approver), risk) or ""
    answer: int = doors.call(
        "decide_document",
        document_id,
        sha256,
        approver,
        role,
        verdict.value,
        comment,
        doors.as_json(evidence),
    )
    return answer


@audit.traces_refusals("rules.refused", DOCUMENT, Refused, NotPossible)
@transaction.atomic
def approve(
    document_id: int,
    *,
    sha256: str,
    actor: Actor,
    comment: str = "",
    evidence: Mapping[str, Any] | None = None,
    activate_now: bool = True,
    first_look: FirstLook | None = None,
    waiting: Waiting = "finish",
) -> Approval:
    """Agree to exactly this content, and put it in force unless told otherwise.

    `sha256` is the hash the person looked at; `evidence` is what they were shown; `waiting` says
    what becomes of runs that wait under the version before. Raises Refused.
    """
    given = _decide(
        document_id,
        Approval.Verdict.APPROVE,
        sha256=sha256,
        comment=comment,
        evidence=evidence or {},
        actor=actor,
    )
    if activate_now:
        _activate(document_id, actor, first_look, waiting)
    return Approval.objects.get(pk=given)


@audit.traces_refusals("rules.refused", DOCUMENT, Refused, NotPossible)
def reject(
    document_id: int,
    *,
    sha256: str,
    comment: str,
    actor: Actor,
    evidence: Mapping[str, Any] | None = None,
) -> Approval:
    """Say no, with a reason; raises Refused."""
    return _turn_back(document_id, Approval.Verdict.REJECT, sha256, comment, actor, evidence or {})


@audit.traces_refusals("rules.refused", DOCUMENT, Refused, NotPossible)
def request_changes(
    document_id: int,
    *,
    sha256: str,
    comment: str,
    actor: Actor,
    evidence: Mapping[str, Any] | None = None,
) -> Approval:
    """Give it back to its author with what to change; raises Refused."""
    return _turn_back(document_id, Approval.Verdict.CHANGES, sha256, comment, actor, evidence or {})


def _turn_back(
    document_id: int,
    verdict: Approval.Verdict,
    sha256: str,
    comment: str,
    actor: Actor,
    evidence: Mapping[str, Any],
) -> Approval:
    given = _decide(
        document_id, verdict, sha256=sha256, comment=comment, evidence=evidence, actor=actor
    )
    return Approval.objects.get(pk=given)


@audit.traces_refusals("rules.refused", DOCUMENT, Refused, NotPossible)
@transaction.atomic
def activate(
    document_id: int,
    *,
    actor: Actor,
    first_look: FirstLook | None = None,
    waiting: Waiting = "finish",
) -> Activation:
    """Put an approved version in force from the next matching on; raises Refused.

    `waiting` says what becomes of runs that wait under the version before.
    """
    opened = _activate(document_id, actor, first_look, waiting)
    return Activation.objects.get(pk=opened)


def _activate(
    document_id: int, actor: Actor, first_look: FirstLook | None, waiting: Waiting
) -> int:
    document = Document.objects.get(pk=document_id)
    opened: int = doors.call(
        "activate_document",
        document_id,
        doors.person_id(actor),
        doors.as_json(first_look.as_json()) if first_look is not None else None,
    )
    if document.rule_id is not None:
        key = read_document(document.text).source_key
        Rule.objects.filter(pk=document.rule_id).update(trigger=key)
        moving.settle(document.rule_id, document_id, waiting)
    return opened


@audit.traces_refusals("rules.refused", DOCUMENT, Refused, NotPossible)
def run_in_shadow(document_id: int, *, actor: Actor) -> Activation:
    """Let a submitted or approved version run beside what acts, without effects; raises Refused."""
    opened = doors.call("shadow_document", document_id, doors.person_id(actor))
    return Activation.objects.get(pk=opened)


@audit.traces_refusals("rules.refused", RULE, Refused, NotPossible)
def end_shadow(rule_id: int, *, actor: Actor) -> None:
    """End the shadow of a rule; what it noted stays."""
    doors.call("end_shadow", rule_id, doors.person_id(actor))
