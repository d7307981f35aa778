"""Runs as lists and pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from django.db.models import CharField, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat

from automations.models.documents import Document
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Effect, Run, StepRun
from backoffice import subjects
from backoffice.models import User

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class RunRow(TypedDict):
    """What a run's row shows beside its own fields."""

    rule_name: str
    rule_slug: str
    rule_version: int
    # Who or what caused its event; a name for people alone.
    actor_kind: str
    actor_name: str | None


def run_list() -> QuerySet[WithAnnotations[Run, RunRow]]:
    """All runs as RunRow describes them, newest event first."""
    rule = Rule.objects.filter(pk=OuterRef("rule_id"))
    document = Document.objects.filter(pk=OuterRef("document_id"))
    event = Event.objects.filter(pk=OuterRef("event_id"))
    name = Concat("first_name", Value(" "), "last_name", output_field=CharField())
    person = User.objects.filter(pk=OuterRef("actor_user_id")).values(name=name)
    event_person = event.annotate(name=Subquery(person[:1], output_field=CharField()))
    return Run.objects.annotate(
        rule_name=Subquery(rule.values("name")[:1], output_field=CharField()),
        rule_slug=Subquery(rule.values("slug")[:1], output_field=CharField()),
        rule_version=Subquery(document.values("version")[:1], output_field=IntegerField()),
        actor_kind=Subquery(event.values("actor_kind")[:1], output_field=CharField()),
        actor_name=Subquery(event_person.values("name")[:1], output_field=CharField()),
    ).order_by("-id")


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run with all that a page shows. `case` None: it never needed a person."""

    run: Run
    rule: Rule
    document: Document
    event: Event
    steps: list[StepRun]
    effects: list[Effect]
    case: Failure | None


def run_detail(run_id: int) -> RunDetail:
    """One run; raises Run.DoesNotExist."""
    run = Run.objects.get(pk=run_id)
    return RunDetail(
        run=run,
        rule=Rule.objects.select_related("owner").get(pk=run.rule_id),
        document=Document.objects.get(pk=run.document_id),
        event=Event.objects.get(pk=run.event_id),
        steps=list(StepRun.objects.filter(run_id=run_id).order_by("number")),
        effects=list(Effect.objects.filter(run_id=run_id)),
        case=Failure.objects.filter(run_id=run_id).first(),
    )


def caused_by(run_id: int) -> QuerySet[Event]:
    """The events a run set off."""
    return Event.objects.filter(cause_run_id=run_id).order_by("id")


def numbers(rows: Iterable[Run | Failure | Event]) -> Mapping[tuple[str, int], str]:
    """The numbers people know the rows' subjects by, for a page of rows, by label and id."""
    wanted: dict[str, set[int]] = {}
    for row in rows:
        if row.subject and row.subject_id is not None:
            wanted.setdefault(row.subject, set()).add(row.subject_id)
    return {
        (label, key): number
        for label, ids in wanted.items()
        for key, number in subjects.get(label).numbers(ids).items()
    }
