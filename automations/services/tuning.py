"""A rule's owner changes a named value alone, inside what was approved with it.

PostgreSQL compares and says whether it lies inside (migration 0104).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from automations.models.documents import Document
from automations.models.rules import Draft, Rule
from automations.queries.rules import live_document
from automations.rules.canonical import canonical, content_hash
from automations.rules.document import Param
from automations.rules.parsing import DocumentInvalid, parse_document, read_document
from automations.rules.validating import validate_document
from automations.services import doors, drafts
from automations.services.errors import Invalid, NotPossible, Refused
from backoffice import audit
from backoffice.actors import Actor

RULE = "automations.rule"


@dataclass(frozen=True, slots=True)
class Tunable:
    """A named value of the version in force, which its owner may change."""

    name: str
    param: Param


def tunables(live: Document) -> list[Tunable]:
    """The values of a version in force that have a range or choices."""
    params = read_document(live.text).params
    return [
        Tunable(name, param)
        for name, param in params.items()
        if param.range is not None or param.one_of is not None
    ]


def _changed(text: str, name: str, value: Any) -> str:
    """The document with another value; raises NotPossible, Invalid."""
    body = json.loads(text)
    if name not in body.get("params", {}):
        raise NotPossible("There is no such value any more. Look at the rule again.")
    body["params"][name]["value"] = value
    found = [problem for problem in validate_document(body) if problem.blocks]
    if found:
        raise Invalid(found)
    return canonical(parse_document(body))


@audit.traces_refusals("rules.refused", RULE, Refused, NotPossible, Invalid)
@transaction.atomic
def tune(rule_id: int, *, live_id: int, name: str, value: Any, why: str, actor: Actor) -> Document:
    """Give a named value another one inside its range; it holds from the next matching on.

    `value` as the document has it, `live_id` the version that was looked at. Raises Refused for
    anybody but the owner and outside of what was approved, Invalid, NotPossible.
    """
    live = Document.objects.get(pk=live_id, rule_id=rule_id)
    text = _changed(live.text, name, value)
    person = doors.person_id(actor)
    sha256 = content_hash(text, live.pins, {})
    fresh = doors.call("tune_document", rule_id, live_id, name, text, sha256, why, person)
    _keep_draft_in_line(live, text, actor)
    return Document.objects.get(pk=fresh)


def _keep_draft_in_line(live: Document, text: str, actor: Actor) -> None:
    """A draft that was what is in force goes on being that."""
    draft = Draft.objects.filter(rule=live.rule).first()
    try:
        same = draft is not None and canonical(parse_document(draft.body)) == live.text
    except DocumentInvalid:
        return
    if draft is not None and same:
        body = json.loads(text)
        drafts.save_draft(draft.rule_id, body=body, revision=draft.revision, actor=actor)


def tunables_of(rule: Rule) -> tuple[Document | None, list[Tunable]]:
    """The version of a rule in force, and what of it its owner may change."""
    live = live_document(rule)
    return live, tunables(live) if live is not None else []
