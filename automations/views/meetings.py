"""What a rule makes of others: beside the draft, before it is submitted, and before a verdict."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from automations.conditions.explaining import explain
from automations.engine.in_force import business_zone
from automations.interactions.findings import GRAVE
from automations.models.documents import Document
from automations.models.rules import Rule
from automations.rules.document import RuleDocument, steps_by_uid
from automations.rules.parsing import DocumentInvalid, read_document
from automations.simulation import stored
from automations.simulation.meetings import Meeting, Meetings, meetings
from automations.simulation.preview import Example
from automations.views.drafting import Drafting, may_edit
from automations.views.phrases import read
from automations.views.preview import examples
from automations.views.unfinished import finished

KEPT_SECONDS = 3600
AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class Shown:
    """One meeting as it is printed.

    `parts` are the ids of the builder's clauses and steps that it is about, `example` is a stored
    event, `made_up` one that might come.
    """

    meeting: Meeting
    token: str
    sign: str
    links: list[tuple[str, str]]
    parts: list[str]
    example: dict[str, Any] | None
    made_up: list[tuple[str, str]]


def _links(meeting: Meeting) -> list[tuple[str, str]]:
    """The other rules: each page of a version that waits, else of the rule.

    Where many are told of at once, each says how many records it came to, the most before.
    """
    finding, records = meeting.finding, meeting.of_rules
    slugs = dict(
        Rule.objects.filter(pk__in={party.rule_id for party in finding.rules}).values_list(
            "pk", "slug"
        )
    )
    found: dict[str, str] = {}
    for party in sorted(finding.rules, key=lambda each: -records.get(each.rule_id, 0)):
        if party.rule_id not in slugs:
            continue
        waits = party.state == "submitted"
        name = f"{party.name} (waits for approval)" if waits else party.name
        if len(finding.rules) > 1 and party.rule_id in records:
            name = f"{name} · {intcomma(records[party.rule_id])}"
        url = reverse("approval_detail", args=[party.document_id])
        found[name] = url if waits else reverse("rule_detail", args=[slugs[party.rule_id]])
    return list(found.items())


def _example(meeting: Meeting) -> dict[str, Any] | None:
    event = meeting.event
    if event is None:
        return None
    party = meeting.finding.both[0][0]
    seen, at = stored.of_event(event), event.occurred_at.astimezone(business_zone())
    told = explain(
        party.document.when,
        party.catalogue,
        seen.facts,
        seen.lists,
        at,
        party.document.param_values,
    )
    (found,) = examples(
        [Example(event.pk, event.subject, event.subject_id, event.occurred_at, told)]
    )
    return found


def _shown(meeting: Meeting, steps: Container[str]) -> Shown:
    finding, example = meeting.finding, _example(meeting)
    token, sign = ("warn", "alert-triangle") if finding.kind in GRAVE else ("info", "info-circle")
    made_up = finding.shown() if example is None else []
    parts = [f"{'s' if uid in steps else 'c'}-{uid}-grip" for uid in finding.uids]
    return Shown(meeting, token, sign, _links(meeting), parts, example, made_up)


def met_context(found: Meetings, document: RuleDocument) -> dict[str, Any]:
    """What the section prints: the graver ones at once, the rest behind a click."""
    steps = steps_by_uid(document)
    shown = [_shown(each, steps) for each in found.found]
    return {"met": found, "shown": shown[:AT_ONCE], "more": shown[AT_ONCE:]}


def of_draft(drafting: Drafting) -> dict[str, Any]:
    """What the draft makes of others, as it is printed; no `met` where it can’t be read yet."""
    body, left_out = finished(drafting)
    document = read(body)
    if document is None or drafting.source is None:
        return {"left_out": left_out}
    return {"left_out": left_out, **met_context(meetings(drafting.rule, document), document)}


@may_edit
@require_GET
def rule_meets(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft beside every other rule, looked at again each time it is saved."""
    drafting = Drafting.of(slug)
    starts = drafting.source is not None
    context = {**of_draft(drafting), "starts": starts, "in_builder": True}
    return render(request, "automations/_meets.html", context)


def of_document(document: Document) -> tuple[Meetings, RuleDocument] | None:
    """What a submitted version makes of others; None for what is no rule's or can't be read."""
    if document.rule is None:
        return None
    try:
        known = read_document(document.text)
    except DocumentInvalid:
        return None
    return meetings(document.rule, known, document.pk), known


def _key(document: Document) -> str:
    return f"approval-meets:{document.pk}"


@permission_required("automations.view_document", raise_exception=True)
@require_GET
def approval_meets(request: HttpRequest, pk: int) -> HttpResponse:
    """A submitted version beside every other rule, for whoever decides."""
    document = get_object_or_404(Document.objects.select_related("rule"), pk=pk)
    found = of_document(document)
    if found is None:
        raise Http404
    cache.set(_key(document), found[0].as_evidence(), KEPT_SECONDS)
    return render(request, "automations/_meets.html", met_context(*found))


def kept_meetings(document: Document) -> dict[str, Any] | None:
    """What an approver was shown of it, looked at now if they were shown nothing."""
    known: dict[str, Any] | None = cache.get(_key(document))
    if known is None:
        found = of_document(document)
        known = found[0].as_evidence() if found is not None else None
    return known
