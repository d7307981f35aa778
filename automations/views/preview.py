"""The builder's right column: the draft on stored events, in words, and on one event."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from automations.conditions.operands import ConditionInvalid
from automations.forms.starts import source_of
from automations.models.events import Event
from automations.models.rules import Rule
from automations.rules.editing import Json, uid_of
from automations.rules.parsing import DocumentInvalid
from automations.simulation.preview import ClauseCount, Example, Preview, preview
from automations.simulation.preview_now import Found, preview_now
from automations.simulation.trial import try_on, try_on_record
from automations.triggers import Scan, Source
from automations.views.drafting import Drafting, may_edit, signed_in
from automations.views.money import sums
from automations.views.phrases import differences, read, told
from automations.views.rows import Rows, paths_by_uid
from automations.views.run_list import subject_url
from automations.views.start_rows import start_row
from automations.views.unfinished import finished
from backoffice import subjects
from backoffice.charts import Bar
from backoffice.subjects import Subject
from backoffice.versions import whole

PERIODS = (7, 30, 90)
# So many of a record's events can be chosen from.
EVENTS_TO_CHOOSE = 20


def examples(found: Sequence[Example]) -> list[dict[str, Any]]:
    """Events with their number and address, for links."""
    return _linked(found)


def found_examples(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Records with their number and address, for links."""
    return _linked(found)


def _linked(found: Sequence[Example | Found]) -> list[dict[str, Any]]:
    by_label: dict[str, set[int]] = {}
    for each in found:
        by_label.setdefault(each.subject, set()).add(each.subject_id)
    numbers: dict[tuple[str, int], tuple[str, str]] = {}
    for label, ids in by_label.items():
        try:
            subject = subjects.get(label)
        except KeyError:
            continue
        for pk, number in subject.numbers(ids).items():
            numbers[label, pk] = (number, subject_url(label, number))
    return [
        {
            "example": each,
            "number": numbers.get((each.subject, each.subject_id), (str(each.subject_id), ""))[0],
            "url": numbers.get((each.subject, each.subject_id), ("", ""))[1],
            "seen": _seen(each),
        }
        for each in found
    ]


def _seen(example: Example | Found) -> str:
    leaves, waiting = [], [example.explanation]
    while waiting:
        part = waiting.pop(0)
        if part.seen:
            leaves.append(part.seen)
        elif part.parts:
            waiting = [*part.parts, *waiting]
    return " · ".join(list(dict.fromkeys(leaves))[:3])


def day_bars(found: Preview) -> list[Bar]:
    return [Bar(day, count) for day, count in found.by_day.items()]


@may_edit
@require_GET
def rule_preview(request: HttpRequest, slug: str) -> HttpResponse:
    """What the draft would have matched over the last days."""
    drafting = Drafting.of(slug)
    asked = request.GET.get("days", "30")
    days = int(asked) if asked in map(str, PERIODS) else 30
    if isinstance(drafting.source, Scan):
        return _preview_now(request, drafting)
    body, left_out = finished(drafting)
    context: dict[str, Any] = {
        "rule": drafting.rule,
        "days": days,
        "periods": PERIODS,
        "left_out": left_out,
        "live": drafting.live,
        "starts": drafting.source is not None,
    }
    start = perf_counter()
    try:
        live = json.loads(drafting.live.text) if drafting.live else None
        found = preview(body, days=days, live=live)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        return render(request, "automations/builder/_preview.html", context)
    context |= {
        "found": found,
        "seconds": perf_counter() - start,
        "sums": sums(found.at_stake),
        "bars": day_bars(found),
        "examples": examples(found.examples),
        "gained": examples(found.gained_examples) if drafting.live else [],
        "lost": examples(found.lost_examples),
        "counts": _counts(drafting, body, found.clauses, found.events),
        "root_uid": uid_of(body["when"]),
    }
    return render(request, "automations/builder/_preview.html", context)


def _preview_now(request: HttpRequest, drafting: Drafting) -> HttpResponse:
    """What a schedule's or a button's draft would find among the records there are."""
    body, left_out = finished(drafting)
    context: dict[str, Any] = {
        "rule": drafting.rule,
        "left_out": left_out,
        "live": drafting.live,
        "start": start_row(drafting.body, drafting.blocking),
        "scan": drafting.source,
    }
    began = perf_counter()
    try:
        live = json.loads(drafting.live.text) if drafting.live else None
        found = preview_now(body, live=live)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        return render(request, "automations/builder/_preview_now.html", context)
    context |= {
        "found": found,
        "seconds": perf_counter() - began,
        "sums": sums(found.at_stake),
        "examples": found_examples(found.examples),
        "counts": _counts(drafting, body, found.clauses, found.sampled),
        "root_uid": uid_of(body["when"]),
    }
    return render(request, "automations/builder/_preview_now.html", context)


def _counts(
    drafting: Drafting, body: Json, clauses: Sequence[ClauseCount], of: int
) -> list[dict[str, Any]]:
    """For every clause of the builder how many events or records pass it, by its uid."""
    uids = paths_by_uid(Rows(drafting.catalogue, []).root(body))
    return [
        {
            "uid": uids[clause.path],
            "passed": clause.passed,
            "unknown": clause.unknown,
            "percent": round(100 * clause.passed / of) if of else 0,
        }
        for clause in clauses
        if clause.path in uids
    ]


@may_edit
@require_GET
def rule_words(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft in words, and its difference from what is live."""
    drafting = Drafting.of(slug)
    body, left_out = finished(drafting)
    document = read(body)
    live = read(json.loads(drafting.live.text)) if drafting.live else None
    context = {
        "rule": drafting.rule,
        "told": told(document) if document else None,
        "changes": differences(live, document) if document and live else None,
        "live": drafting.live,
        "left_out": left_out,
        "problems": drafting.blocking,
    }
    return render(request, "automations/builder/_words.html", context)


@may_edit
@require_http_methods(["GET"])
def rule_try(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft on one record, or on its newest event: explained, listed, nothing done."""
    drafting = Drafting.of(slug)
    body, _ = finished(drafting)
    return _try(request, drafting.rule, body, drafting.source, reverse("rule_try", args=[slug]))


@permission_required("automations.view_rule", raise_exception=True)
@require_GET
def rule_test(request: HttpRequest, slug: str) -> HttpResponse:
    """What is in force, else the draft, on one record or one of its events; nothing is done."""
    drafting = Drafting.of(slug)
    body = json.loads(drafting.live.text) if drafting.live else finished(drafting)[0]
    return _try(request, drafting.rule, body, source_of(body), reverse("rule_test", args=[slug]))


def _try(
    request: HttpRequest, rule: Rule, body: Json, known: Source | None, action: str
) -> HttpResponse:
    """A document on a record, at the event that was chosen or its newest: listed, nothing done."""
    number = request.GET.get("number", "").strip()[:60]
    context: dict[str, Any] = {"rule": rule, "number": number, "action": action}
    if known is None:
        return render(request, "automations/builder/_try.html", context)
    subject = subjects.get(known.subject)
    context |= {"noun": subject.noun, "is_now": isinstance(known, Scan)}
    pk = _key_of(subject, number) if number else None
    if pk is not None and not signed_in(request).has_perm(subject.view_permission):
        pk = None  # what it is made of is not theirs to see
    chosen = whole(request.GET.get("event", ""))
    try:
        context |= _tried(body, known, subject, pk, chosen)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        context["unreadable"] = True
    if "trial" not in context and number:
        context["missing"] = "unreadable" not in context
    if "trial" in context and pk is not None:
        context["number"] = subject.numbers([pk]).get(pk, number)
    else:
        context["example"] = _example(known, subject)
    return render(request, "automations/builder/_try.html", context)


def _example(known: Source, subject: Subject) -> str:
    """The number of a record that the rule could be tried on; empty when there is none."""
    if isinstance(known, Scan):
        newest = subject.model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    else:
        events = Event.objects.filter(trigger=known.key, subject=subject.label).order_by("-id")
        newest = events.values_list("subject_id", flat=True).first()
    return subject.numbers([newest]).get(newest, "") if newest is not None else ""


def _tried(
    body: Json, known: Source, subject: Subject, pk: int | None, chosen: int | None
) -> dict[str, Any]:
    """The trial, the event it was on, and those to choose from; nothing without a record."""
    if pk is None:
        return {}
    if isinstance(known, Scan):
        trial = try_on_record(body, pk)
        return {"trial": trial} if trial is not None else {}
    found = Event.objects.filter(trigger=known.key, subject=subject.label, subject_id=pk)
    events = list(found.order_by("-id")[:EVENTS_TO_CHOOSE])
    event = next((each for each in events if each.pk == chosen), next(iter(events), None))
    if event is None:
        return {}
    return {"trial": try_on(body, event), "event": event, "events": events}


def _key_of(subject: Subject, number: str) -> int | None:
    """The key of the record with this number; None when there is none."""
    wanted = {f"{subject.number}__iexact": re.sub(r"^#", "", number)}
    rows = subject.model._default_manager.filter(**wanted)
    return rows.values_list("pk", flat=True).first()
