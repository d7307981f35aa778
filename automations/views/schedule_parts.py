"""A scheduled rule's times: when it comes round next, what became of the last, what is late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from automations.engine import schedule
from automations.models.documents import Activation, Document
from automations.models.rules import Rule
from automations.models.schedules import ScheduleSlot
from automations.rules.document import Every, RuleDocument
from automations.rules.parsing import DocumentInvalid, read_document
from automations.rules.rhythms import schedule_words
from automations.views.drafting import signed_in
from automations.views.start_rows import NEXT, when_words
from backoffice.models import Calendar

MOST_SLOTS = 12
STATES = {
    ScheduleSlot.State.DUE: ("info", "hourglass"),
    ScheduleSlot.State.SCANNING: ("info", "player-play"),
    ScheduleSlot.State.DONE: ("ok", "circle-check"),
    ScheduleSlot.State.SKIPPED: ("wait", "player-skip-forward"),
    ScheduleSlot.State.MISSED: ("warn", "clock-x"),
    ScheduleSlot.State.FAILED: ("bad", "alert-circle"),
}


@dataclass(frozen=True, slots=True)
class SlotLine:
    """One slot as a table shows it."""

    slot: ScheduleSlot
    when: str
    token: str
    words: str
    sign: str


@dataclass(frozen=True, slots=True)
class Times:
    """What a rule's page says of its schedule. `late` is empty when nothing is late."""

    words: str
    zone: str
    next_times: Sequence[str]
    late: str
    lines: Sequence[SlotLine]
    missed: int


def _line(slot: ScheduleSlot, zone: str) -> SlotLine:
    token, sign = STATES[ScheduleSlot.State(slot.state)]
    words = slot.get_state_display()
    if slot.shadow:
        words = f"{words}, in shadow"
    return SlotLine(slot, when_words(slot.fire_at, zone), token, words, sign)


def times_of(rule: Rule, document: RuleDocument | None, *, is_live: bool) -> Times | None:
    """The times of a rule; None when the document shown is of no schedule."""
    start = document.trigger if document is not None else None
    if not isinstance(start, Every):
        return None
    slots = ScheduleSlot.objects.filter(rule=rule)
    lines = [_line(slot, start.zone) for slot in slots.order_by("-fire_at", "shadow")[:MOST_SLOTS]]
    late = [each for each in schedule.overdue() if each.rule_id == rule.pk] if is_live else []
    return Times(
        schedule_words(start.every, start.zone),
        start.zone,
        [when_words(moment, start.zone) for moment in _next(start)] if is_live else [],
        f"{when_words(late[0].fire_at, start.zone)}: {late[0].says}" if late else "",
        lines,
        slots.filter(state=ScheduleSlot.State.MISSED, shadow=False).count(),
    )


def _next(start: Every) -> list[datetime]:
    return schedule.upcoming(start, NEXT)


@require_GET
def calendar_rules(request: HttpRequest, pk: int) -> HttpResponse:
    """A part of a calendar's page: the scheduled rules that keep to it."""
    user = signed_in(request)
    if not user.has_perms(["backoffice.view_calendar", "automations.view_rule"]):
        raise PermissionDenied
    calendar = get_object_or_404(Calendar, pk=pk)
    named = Q(text__contains=f'"calendar":"{calendar.key}"')
    live = Activation.objects.in_force().values("document_id")
    documents = Document.objects.filter(named, pk__in=live).select_related("rule")
    context = {"rows": [_kept(document) for document in documents if document.rule is not None]}
    return render(request, "automations/_calendar_rules.html", context)


def _kept(document: Document) -> dict[str, Any]:
    try:
        start: Any = read_document(document.text).trigger
    except DocumentInvalid:
        start = None
    times = schedule.upcoming(start, 1) if isinstance(start, Every) else []
    slug = document.rule.slug if document.rule else ""
    return {
        "rule": document.rule,
        "url": reverse("rule_detail", args=[slug]),
        "next": when_words(times[0], start.zone) if times else "",
    }
