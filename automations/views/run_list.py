"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from django.db.models import Case, CharField, Model, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from automations.models.rules import RULE_SPAN, Rule
from automations.models.runs import Run, StepRun
from automations.queries.runs import run_list
from automations.triggers import triggers
from backoffice import subjects, ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column, M
from backoffice.workbench.filters import Age, Choice, Text, yes_no

STATES: Mapping[str, tuple[str, str]] = {
    Run.State.DUE: ("info", "player-play"),
    Run.State.WAITING: ("wait", "hourglass"),
    Run.State.CALLING: ("info", "world"),
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


def noun(label: str) -> str:
    """What a kind of subject is called; its label where no app knows it any more."""
    try:
        return subjects.get(label).noun
    except KeyError:
        return label


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
    """Its state, with why it is kept back, and whether it is a shadow or was undone."""
    token, sign = STATES[run.state]
    words = run.get_state_display()
    if run.parked_for:
        words = f"{words}: {run.get_parked_for_display().lower()}"
    shown = ui.status(token, words, sign)
    if run.undone_at is not None:
        return ui.two_lines(shown, ui.status("wait", "undone", "arrow-back-up"))
    return ui.two_lines(shown, ui.status("info", "shadow", "eye")) if run.shadow else shown


def rule_options() -> list[tuple[str, str]]:
    return [
        (slug, name) for slug, name in Rule.objects.order_by("name").values_list("slug", "name")
    ]


@dataclass(frozen=True, kw_only=True)
class OfRule(Choice):
    """Runs of some rules, by slug. Runs carry the rule's id alone."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        ids = list(Rule.objects.filter(slug__in=values).values_list("pk", flat=True))
        return Q(rule_id__in=ids)


@dataclass(frozen=True, kw_only=True)
class OnTrigger(Choice):
    """Runs of the rules that start on some triggers."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        ids = list(Rule.objects.filter(trigger__in=values).values_list("pk", flat=True))
        return Q(rule_id__in=ids)


@dataclass(frozen=True, kw_only=True)
class OfVersion(Text):
    """Runs of one version of a rule, by the document's id."""

    def condition(self, values: Sequence[str]) -> Q:
        ids = [int(value) for value in values if value.isdecimal()]
        return Q(document_id__in=ids)


@dataclass(frozen=True, kw_only=True)
class HadStep(Choice):
    """Runs of which a step came out so, once at least."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        return Q(pk__in=StepRun.objects.filter(outcome__in=values).values("run_id"))


# What is ordinary would list nearly every run.
UNUSUAL = [
    (value, words)
    for value, words in StepRun.Outcome.choices
    if value not in ("done", "waited", "would")
]


def trigger_options() -> list[tuple[str, str]]:
    return [(trigger.key, trigger.label) for trigger in triggers]


def subject_options() -> list[tuple[str, str]]:
    return [(label, noun(label)) for label in sorted({known.subject for known in triggers})]


def by_number(words: str) -> Q:
    """Runs by their number (`4711-3`), by their event's number, or by what became of them."""
    plain = words.removesuffix("-shadow")
    event, dash, rule = plain.partition("-")
    if plain != words and dash and event.isdecimal() and rule.isdecimal():
        return Q(pk=-(int(event[:12]) * RULE_SPAN + int(rule[:6])))
    if dash and event.isdecimal() and rule.isdecimal():
        return Q(pk=int(event[:12]) * RULE_SPAN + int(rule[:6]))
    if words.isdecimal():
        first = int(words[:12]) * RULE_SPAN
        return Q(pk=int(words[:18])) | Q(pk__gte=first, pk__lt=first + RULE_SPAN)
    return Q(outcome__icontains=words)


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
    filters=(
        OfRule(key="rule", label="Rule", options=rule_options, pinned=True),
        Choice(key="state", label="State", options=Run.State.choices, pinned=True),
        OnTrigger(key="trigger", label="Starts on", options=trigger_options, pinned=True),
        Choice(key="parked", label="Kept back by", options=Run.Parked.choices, field="parked_for"),
        HadStep(key="step", label="A step was", options=UNUSUAL),
        yes_no("shadow", "Shadow", Q(shadow=True)),
        yes_no("undone", "Undone", Q(undone_at__isnull=False)),
        Choice(key="about", label="About", options=subject_options, field="subject"),
        OfVersion(key="document", label="Version’s id"),
        Age(key="age", label="Age", field="created_at"),
        Text(key="record", label="Record's id", field="subject_id", lookup="exact"),
        Text(key="ended", label="How it ended", field="outcome"),
    ),
    search=by_number,
    search_hint="Run, or how it ended",
    sort=("-pk",),
    views=(
        View("all", "All", "shadow=no"),
        View("failed", "Failed", "state=failed&state=held&shadow=no", empty="No run stands still."),
        View(
            "waiting",
            "Waiting",
            "state=due&state=waiting&state=calling&state=parked&shadow=no",
            empty="No run waits for anything.",
        ),
        View("done", "Done", "state=done&shadow=no"),
        View("overtaken", "Overtaken", "state=overtaken&shadow=no", empty="No run was overtaken."),
        View("undone", "Undone", "undone=yes", empty="No run was undone."),
        View("shadow", "Shadow", "shadow=yes", empty="No rule runs in shadow."),
    ),
    bulk=("runs.undo",),
    empty=Empty("No runs yet.", "A run begins when an event meets the conditions of a rule."),
)
