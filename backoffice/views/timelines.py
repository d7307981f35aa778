"""A record's story: what happened, who or which rule did it, and what people noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from backoffice import links, subjects
from backoffice.actors import ActorKind
from backoffice.links import Link
from backoffice.models import Note, TimelineEntry, User
from backoffice.subjects import Subject
from backoffice.timeline import story
from backoffice.versions import whole
from backoffice.views.me import signed_in

SHOWN = 60
# The page around the story may hold fields of the same names.
NOTE_ID = "note_%s"
KINDS: dict[str, tuple[str, tuple[ActorKind, ...]]] = {
    "all": ("All", tuple(ActorKind)),
    "people": ("People", (ActorKind.PERSON,)),
    "rules": ("Rules", (ActorKind.RULE,)),
    "outside": ("Outside", (ActorKind.OUTSIDE, ActorKind.IMPORT)),
}


class NoteForm(forms.Form):
    text = forms.CharField(
        label="Note", max_length=2000, widget=forms.Textarea(attrs={"rows": 2, "data-key": "n"})
    )


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story. A rule is named with its version and its run."""

    at: datetime
    kind: str
    actor: str
    text: str
    is_note: bool = False
    rule: Link | None = None
    rule_version: int | None = None
    run: Link | None = None
    link: Link | None = None

    @property
    def by_rule(self) -> bool:
        return self.kind == ActorKind.RULE


def told(entries: list[TimelineEntry], notes: list[Note], user: User) -> list[Told]:
    """Entries and notes as this person reads them, newest first; links in one query for each kind
    of record.
    """
    wanted = [
        pair
        for entry in entries
        for pair in (
            (entry.link, entry.link_id),
            ("automations.rule", entry.rule_id),
            ("automations.run", entry.run_id),
        )
        if pair[0] and pair[1] is not None
    ]
    found = links.resolve(((label, pk) for label, pk in wanted if pk is not None), user)
    lines = [
        Told(
            entry.at,
            entry.actor_kind,
            entry.actor_label,
            entry.text,
            rule=found.get(("automations.rule", entry.rule_id or 0)),
            rule_version=entry.rule_version,
            run=found.get(("automations.run", entry.run_id or 0)),
            link=found.get((entry.link, entry.link_id or 0)),
        )
        for entry in entries
    ]
    lines += [
        Told(note.at, ActorKind.PERSON, str(note.user), note.text, is_note=True) for note in notes
    ]
    return sorted(lines, key=lambda line: line.at, reverse=True)


def by_day(lines: list[Told]) -> list[tuple[date, list[Told]]]:
    """The lines under the viewer's days."""
    days = groupby(lines, key=lambda line: timezone.localtime(line.at).date())
    return [(day, list(group)) for day, group in days]


def _may_see(label: str, user: User) -> Subject:
    try:
        subject = subjects.get(label)
    except KeyError as error:
        raise Http404 from error
    if not user.has_perm(subject.view_permission):
        raise PermissionDenied
    return subject


def _part(request: HttpRequest, label: str, pk: int, form: NoteForm, status: int) -> HttpResponse:
    kind = request.GET.get("kind", "all")
    if kind not in KINDS:
        kind = "all"
    entries = story(label, pk).filter(actor_kind__in=KINDS[kind][1])
    notes = Note.objects.filter(subject=label, subject_id=pk).select_related("user")
    shown = min(max(whole(request.GET.get("shown", "")) or SHOWN, SHOWN), 2000)
    with_notes = kind in ("all", "people")
    lines = told(
        list(entries[: shown + 1]),
        list(notes.order_by("-at")[: shown + 1]) if with_notes else [],
        signed_in(request),
    )
    context = {
        "label": label,
        "pk": pk,
        "kind": kind,
        "kinds": [(key, words) for key, (words, _) in KINDS.items()],
        "days": by_day(lines[:shown]),
        "more": shown + 200 if len(lines) > shown else 0,
        "form": form,
        "today": timezone.localdate(),
        "takes_notes": request.GET.get("notes") != "no",
    }
    return render(request, "components/timeline.html", context, status=status)


@require_GET
def timeline_part(request: HttpRequest, label: str, pk: int) -> HttpResponse:
    """The story as a panel of the record's page."""
    _may_see(label, signed_in(request))
    return _part(request, label, pk, NoteForm(auto_id=NOTE_ID), 200)


@permission_required("backoffice.add_note", raise_exception=True)
@require_POST
def note_add(request: HttpRequest, label: str, pk: int) -> HttpResponse:
    """Write a note about a record; answers with the story."""
    user = signed_in(request)
    if not _may_see(label, user).numbers([pk]):
        raise Http404
    form = NoteForm(request.POST, auto_id=NOTE_ID)
    if not form.is_valid():
        return _part(request, label, pk, form, 422)
    Note.objects.create(subject=label, subject_id=pk, user=user, text=form.cleaned_data["text"])
    return _part(request, label, pk, NoteForm(auto_id=NOTE_ID), 200)
