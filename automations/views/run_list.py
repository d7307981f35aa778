"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from django.db.models import Case, CharField, Model, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from automations.models.rules import RULE_SPAN
from automations.models.runs import Run
from automations.queries.runs import run_list
from automations.views.run_filters import ACTORS, RUN_FILTERS, noun
from backoffice import subjects, ui
from backoffice.actors import ActorKind
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column, M

STATES: Mapping[str, tuple[str, str]] = {
    Run.State.DUE: ("info", "player-play"),
    Run.State.WAITING: ("wait", "hourglass"),
    Run.State.CALLING: ("info", "plug"),
    Run.State.HELD: ("unk", "help-circle"),
    Run.State.PARKED: ("warn", "player-pause"),
    Run.State.FAILED: ("bad", "alert-circle"),
    Run.State.DONE: ("ok", "circle-check"),
    Run.State.OVERTAKEN: ("wait", "arrows-exchange"),
    Run.State.SKIPPED: ("wait", "player-skip-forward"),
    Run.State.CANCELLED: ("wait", "ban"),
}


def with_numbers(rows: QuerySet[M]) -> QuerySet[M]:
    """Runs or cases with `subject_number`, what people call their subjects, in one query."""
    whens = [
        When(
            subject=subject.label,
            then=Subquery(_model(subject).filter(pk=OuterRef("subject_id")).values("n")[:1]),
        )
        for subject in subjects.every()
    ]
    number = Case(*whens, default=Value(""), output_field=CharField())
    return cast("QuerySet[M]", rows.annotate(subject_number=number))


def _model(subject: subjects.Subject) -> QuerySet[Model]:
    found = subject.model._default_manager.all()
    return cast("QuerySet[Model]", found.annotate(n=Cast(subject.number, CharField())))


def subject_url(label: str, number: str) -> str:
    """A subject's page; empty where it has none."""
    try:
        return subjects.get(label).url(number)
    except (KeyError, NoReverseMatch):
        return ""


def subject_cell(row: Model) -> SafeString | str:
    """A row's subject, linked to its page."""
    label, number = str(getattr(row, "subject", "")), getattr(row, "subject_number", None)
    if not label:
        return ui.NONE
    if not number:
        return f"{noun(label)}, gone"
    url = subject_url(label, number)
    words = f"{noun(label)} {number}"
    return ui.link(url, words) if url else words


def run_state(run: Run) -> SafeString:
    token, sign = STATES[run.state]
    return ui.status(token, run.get_state_display(), sign)


def by_number(words: str) -> Q:
    """Runs by their number (`4711-3`), by their event's number, or by what became of them."""
    event, dash, rule = words.partition("-")
    if dash and event.isdecimal() and rule.isdecimal():
        return Q(pk=int(event[:12]) * RULE_SPAN + int(rule[:6]))
    if words.isdecimal():
        first = int(words[:12]) * RULE_SPAN
        return Q(pk=int(words[:18])) | Q(pk__gte=first, pk__lt=first + RULE_SPAN)
    return Q(outcome__icontains=words)


def actor_cell(run: Run) -> SafeString | str:
    """Who or what caused the event of a run."""
    kind = getattr(run, "actor_kind", "") or ""
    name = (getattr(run, "actor_name", None) or "").strip()
    if not kind:
        return ui.NONE
    return format_html(
        '<span class="row">{}{}</span>', ui.actor_mark(kind), name or ACTORS[ActorKind(kind)]
    )


RUNS = Workbench[Run](
    key="automations.runs",
    title="Runs",
    noun="run",
    url_name="run_list",
    permission="automations.view_run",
    queryset=lambda user: Run.objects.all(),
    decorate=lambda rows: with_numbers(run_list().filter(pk__in=rows.values("pk"))),
    row_label=lambda run: run.number,
    row_url=lambda run: reverse("run_detail", args=[run.pk]),
    columns=(
        Column("number", "Run", "number", sort="pk", main=True),
        Column("rule", "Rule", "rule_name"),
        Column("event", "Event", "event_id", kind="number", default=False),
        Column(
            "actor",
            "Set off by",
            actor_cell,
            export=lambda run: getattr(run, "actor_name", "") or getattr(run, "actor_kind", ""),
        ),
        Column("version", "Version", lambda run: f"v{getattr(run, 'rule_version', '')}"),
        Column(
            "subject",
            "About",
            subject_cell,
            export=lambda run: f"{noun(run.subject)} {getattr(run, 'subject_number', '')}",
        ),
        Column("state", "State", run_state, export=lambda run: run.state),
        Column("outcome", "How it ended, or what it waits for", "outcome", wide=True),
        Column("depth", "Depth", "depth", kind="number", default=False),
        Column("started", "Started", "created_at", kind="time"),
        Column("ended", "Ended", "finished_at", kind="time"),
    ),
    filters=RUN_FILTERS,
    search=by_number,
    search_hint="Run, or how it ended",
    sort=("-pk",),
    views=(
        View("all", "All"),
        View("failed", "Failed", "state=failed&state=held", empty="No run stands still."),
        View(
            "waiting",
            "Waiting",
            "state=due&state=waiting&state=parked",
            empty="No run waits for anything.",
        ),
        View("done", "Done", "state=done"),
        View("overtaken", "Overtaken", "state=overtaken", empty="No run was overtaken."),
    ),
    empty=Empty("No runs yet.", "A run begins when an event meets the conditions of a rule."),
)
