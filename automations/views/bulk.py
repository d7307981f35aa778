"""What may be done to many rules, or to many of their runs, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from automations.actions import Risk
from automations.forms.cases import WhyForm as CaseWhyForm
from automations.forms.rules import ReviewForm, WhyForm
from automations.models.documents import Document
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import rules, stops, undo
from automations.services.errors import AutomationError
from automations.simulation.parked import money_of
from automations.views.case_bulk import outcomes
from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome, Weight


def _each(ids: Sequence[int], act: Callable[[int], object]) -> Iterable[Outcome]:
    """One outcome for each rule, so that one refusal does not keep the others back."""
    for pk in ids:
        try:
            act(pk)
        except AutomationError as refusal:
            yield Outcome(pk, ok=False, message=str(refusal))
        else:
            yield Outcome(pk, ok=True)


def _stop(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda pk: stops.stop_rule(pk, reason=params["why"], actor=actor))


def _review(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    versions = dict(Rule.objects.filter(pk__in=ids).values_list("pk", "version"))
    day = date.fromisoformat(params["review_on"])
    return _each(
        [pk for pk in ids if pk in versions],
        lambda pk: rules.describe_rule(pk, version=versions[pk], actor=actor, review_on=day),
    )


def _undo(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return outcomes(undo.undo_runs(ids, reason=params["reason"], actor=actor))


def _weigh_runs(ids: Sequence[int]) -> Weight:
    """The money that runs are about, of rules that move money: undoing others moves none."""
    money = Document.objects.filter(risk=Risk.MONEY).values("pk")
    found: list[int] = []
    for start in range(0, len(ids), 10_000):
        part = Run.objects.filter(pk__in=ids[start : start + 10_000], document_id__in=money)
        found += part.values_list("pk", flat=True)
    return Weight(len(ids), money_of(found))


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    bulk.register(
        BulkAction(
            key="rules.review",
            label="Set review date",
            done="Set the review date of",
            permission="automations.change_rule",
            run=_review,
            form=ReviewForm,
            icon="calendar",
        )
    )
    bulk.register(
        BulkAction(
            key="runs.undo",
            label="Undo",
            done="Undid",
            permission="automations.undo_run",
            run=_undo,
            weigh=_weigh_runs,
            form=CaseWhyForm,
            asks="Each run is undone as far as it can be. What can't be undone stays and is told.",
            # Each locks its subject and what it made: few at a time, so that nobody waits long.
            chunk=10,
            icon="arrow-back-up",
            danger=True,
            subject="automations.run",
        )
    )
    bulk.register(
        BulkAction(
            key="rules.stop",
            label="Stop",
            done="Stopped",
            permission="automations.stop_rule",
            run=_stop,
            form=WhyForm,
            shortcut="h",
            icon="hand-stop",
            danger=True,
        )
    )
