"""Editing a rule: one candidate, every saved state kept, undo across reloads and tabs."""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction

from automations.models.documents import Document
from automations.models.rules import Draft, DraftRevision
from automations.rules.parsing import measure
from automations.services import doors
from automations.services.errors import Invalid, NotPossible, Stale
from backoffice.actors import Actor

OPEN_CANDIDATE = (Document.State.SUBMITTED, Document.State.APPROVED)


def _locked(rule_id: int, revision: int) -> Draft:
    draft = Draft.objects.select_for_update(no_key=True).get(rule_id=rule_id)
    if draft.revision != revision:
        raise Stale(f"{draft.updated_by} saved this rule meanwhile. Look at both before you go on.")
    return draft


def _withdraw_candidate(rule_id: int, actor: Actor) -> None:
    """An edit voids what was asked for and agreed to: it was about other content."""
    candidates = Document.objects.never_in_force().filter(rule_id=rule_id, state__in=OPEN_CANDIDATE)
    for document_id in candidates.values_list("pk", flat=True):
        doors.call("withdraw_document", document_id, doors.person_id(actor), "The rule was edited.")


def _write(
    draft: Draft,
    body: Any,
    *,
    actor: Actor,
    note: str,
    repeats: int | None = None,
    restores: int | None = None,
) -> Draft:
    person = doors.person_id(actor)
    number = draft.revision + 1
    DraftRevision.objects.create(
        rule_id=draft.rule_id,
        number=number,
        parent=draft.current,
        repeats=repeats,
        restores_id=restores,
        body=body,
        editor_id=person,
        note=note,
    )
    draft.body, draft.revision, draft.updated_by_id = body, number, person
    draft.current = number if repeats is None else repeats
    draft.save(update_fields=["body", "revision", "current", "updated_by", "updated_at"])
    _withdraw_candidate(draft.rule_id, actor)
    return draft


@transaction.atomic
def save_draft(rule_id: int, *, body: Any, revision: int, actor: Actor, note: str = "") -> Draft:
    """Keep a new state of the draft, which may still have problems.

    `revision` is the one the form was made from. Voids a submission or approval of earlier
    content. Raises Stale, and Invalid when the body is no JSON of a rule's size.
    """
    if problems := measure(body):
        raise Invalid(problems)
    draft = _locked(rule_id, revision)
    if body == draft.body:
        return draft
    return _write(draft, body, actor=actor, note=note)


def _revision(draft: Draft, number: int | None, nothing: str) -> DraftRevision:
    if number is None:
        raise NotPossible(nothing)
    return DraftRevision.objects.get(rule_id=draft.rule_id, number=number)


@transaction.atomic
def undo_draft(rule_id: int, *, revision: int, actor: Actor) -> Draft:
    """Go back to the state before this one; raises NotPossible at the first."""
    draft = _locked(rule_id, revision)
    here = _revision(draft, draft.current, "There is nothing to undo.")
    back = _revision(draft, here.parent, "There is nothing to undo.")
    return _write(draft, back.body, actor=actor, note="Undo", repeats=back.number)


@transaction.atomic
def redo_draft(rule_id: int, *, revision: int, actor: Actor) -> Draft:
    """Go forward to the last state made from this one; raises NotPossible at the newest."""
    draft = _locked(rule_id, revision)
    later = DraftRevision.objects.filter(rule_id=rule_id, parent=draft.current, repeats=None)
    number = later.order_by("-number").values_list("number", flat=True).first()
    forward = _revision(draft, number, "There is nothing to redo.")
    return _write(draft, forward.body, actor=actor, note="Redo", repeats=forward.number)


@transaction.atomic
def restore_version(document_id: int, *, revision: int, actor: Actor) -> Draft:
    """Put an earlier version's content into the draft; it needs approval like any other."""
    document = Document.objects.get(pk=document_id)
    if document.rule_id is None:
        raise NotPossible("Only a version of a rule can be restored as its draft.")
    draft = _locked(document.rule_id, revision)
    note = f"Version {document.version} restored"
    body = json.loads(document.text)
    return _write(draft, body, actor=actor, note=note, restores=document.pk)
