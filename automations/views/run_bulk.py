"""What may be done to many runs at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automations.actions import Risk
from automations.forms.cases import WhyForm
from automations.models.documents import Document
from automations.models.runs import Run
from automations.services import undo
from automations.simulation.parked import money_of
from automations.views.case_bulk import outcomes
from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome, Weight

AT_ONCE = 10_000


def _undo(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return outcomes(undo.undo_runs(ids, reason=params["reason"], actor=actor))


def weigh(ids: Sequence[int]) -> Weight:
    """The money that runs are about, of rules that move money: undoing others moves none."""
    money = Document.objects.filter(risk=Risk.MONEY).values("pk")
    found: list[int] = []
    for start in range(0, len(ids), AT_ONCE):
        part = Run.objects.filter(pk__in=ids[start : start + AT_ONCE], document_id__in=money)
        found += part.values_list("pk", flat=True)
    return Weight(len(ids), money_of(found))


UNDO = BulkAction(
    key="runs.undo",
    label="Undo",
    done="Undid",
    permission="automations.undo_run",
    run=_undo,
    weigh=weigh,
    form=WhyForm,
    asks="Each run is undone as far as it can be. What can’t be undone stays and is told.",
    remark="done in part",
    # Each locks its subject and what it made: few at a time, so that nobody waits long.
    chunk=10,
    icon="arrow-back-up",
    danger=True,
    subject="automations.run",
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    bulk.register(UNDO)
