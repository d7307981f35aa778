"""What an approver has looked at: ticked beside each difference, kept with the verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.http import QueryDict

from automations.models.connectors import SCOPE
from automations.models.documents import Approval, Document
from automations.views.existing import answered
from automations.views.phrases import Shown, differences, read
from automations.views.scopes import scope_context


def changes_of(document: Document, before: Document | None) -> list[Shown]:
    """What has to be looked at in a version; `before` is what it is compared with."""
    if document.kind == SCOPE:
        found: list[Shown] = scope_context(document)["changes"]
        return found
    now = read(json.loads(document.text))
    was = read(json.loads(before.text)) if before else None
    return differences(was, now) if now else []


def ticked(data: QueryDict) -> list[str]:
    """The places of the differences that a person ticked, as the page numbers them."""
    return [place for place in data.getlist("viewed") if place.isascii() and place.isdigit()]


def as_evidence(changes: Sequence[Shown], places: Sequence[str]) -> dict[str, list[str]]:
    """Every difference that was shown, and those among them that were ticked as looked at."""
    sentences = [shown.change.sentence for shown in changes]
    viewed = [each for place, each in enumerate(sentences, 1) if str(place) in places]
    return {"differences": sentences, "viewed": viewed}


def with_viewers(changes: Sequence[Shown], verdicts: Iterable[Approval]) -> list[Shown]:
    """The differences, each with the names of those who decided after looking at it."""
    looked = [(str(each.approver), set(_viewed(each))) for each in verdicts]
    return [
        replace(shown, viewed_by=tuple(n for n, seen in looked if shown.change.sentence in seen))
        for shown in changes
    ]


def _viewed(verdict: Approval) -> list[str]:
    found: list[str] = verdict.evidence.get("viewed", [])
    return found


def looked_at(verdict: Approval) -> tuple[Approval, str]:
    """One verdict, and in words what its giver had looked at and said beside it, after a comma."""
    shown = verdict.evidence.get("differences")
    if shown is None:
        return verdict, answered(verdict)
    things = "difference" if len(shown) == 1 else "differences"
    return verdict, f", {len(_viewed(verdict))} of {len(shown)} {things} viewed{answered(verdict)}"
