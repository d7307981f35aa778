"""Verdicts on what others submitted. PostgreSQL decides who may; this says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from automations.engine import emergencies, moving, wake
from automations.engine import existing as existing_records
from automations.engine.compiled import Unusable, compiled
from automations.engine.moving import Waiting
from automations.models.documents import Activation, Approval, Document
from automations.models.rules import Rule
from automations.rules.parsing import read_document
from automations.services import announcing, doors
from automations.services.approving import role_for
from automations.services.errors import NotPossible, Refused
from backoffice import audit, banners
from backoffice.actors import Actor
from backoffice.models import User

DOCUMENT, RULE = "automations.document", "automations.rule"


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A pause of a new version until someone has looked: after so many runs, or from a time on."""

    reviewer_id: int
    after: int | None = None
    since: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return {"reviewer": self.reviewer_id, "after": self.after, "from": self.since}


def _decide(
    document_id: int,
    verdict: Approval.Verdict,
    *,
    sha256: str,
    comment: str,
    evidence: Mapping[str, Any],
    actor: Actor,
    existing: bool = False,
) -> Approval:
    approver = doors.person_id(actor)
    risk = Document.objects.values_list("risk", flat=True).get(pk=document_id)
    role = role_for(User.objects.get(pk=approver), risk) or ""
    fresh = doors.call(
        "decide_document",
        document_id,
        sha256,
        approver,
        role,
        verdict.value,
        comment,
        doors.as_json(evidence),
        existing,
    )
    people = ("approver", "document__author", "document__submitted_by", "document__rule__owner")
    given = Approval.objects.select_related(*people).get(pk=fresh)
    announcing.decided(given.document, given)
    return given


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
    existing: bool = False,
    first_look: FirstLook | None = None,
    waiting: Waiting = "finish",
) -> Approval:
    """Agree to exactly this content, and put it in force unless told otherwise.

    Where a second person has to agree, their yes does. `sha256` is the hash the person looked at;
    `evidence` is what they were shown; `existing` True: it is also applied, once, to the records
    that are there when it goes live, if all who agree say so. `waiting` says what becomes of runs
    that wait under the version before. Raises Refused.
    """
    if existing:
        _can_reach_existing(document_id)
    given = _decide(
        document_id,
        Approval.Verdict.APPROVE,
        sha256=sha256,
        comment=comment,
        evidence=evidence or {},
        actor=actor,
        existing=existing,
    )
    if activate_now and given.document.state == Document.State.APPROVED:
        _activate(document_id, actor, first_look, waiting)
    return given


def _can_reach_existing(document_id: int) -> None:
    rule = compiled([document_id])[document_id]
    if isinstance(rule, Unusable):
        raise NotPossible(str(rule))
    if not existing_records.starts_on_fact(rule):
        raise NotPossible("Only a rule that starts on a fact can be applied to what is there.")
    if why := existing_records.why_not(rule):
        raise NotPossible(why)


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


@transaction.atomic
def _turn_back(
    document_id: int,
    verdict: Approval.Verdict,
    sha256: str,
    comment: str,
    actor: Actor,
    evidence: Mapping[str, Any],
) -> Approval:
    return _decide(
        document_id, verdict, sha256=sha256, comment=comment, evidence=evidence, actor=actor
    )


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
    acting = emergencies.acting(document.rule_id)
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
        wake.soon("existing")
    if acting is not None:  # what is approved takes over from it
        banners.forget()
        transaction.on_commit(banners.forget)
        emergencies.ask_for_review(acting)
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
