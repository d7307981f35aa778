"""What the runs of a version did, and what of it could be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Max, Min, Q, QuerySet

from automations.models.documents import Document
from automations.models.runs import Run, StepRun

DONE = StepRun.Outcome.DONE


@dataclass(frozen=True, slots=True)
class Line:
    """One action of a version: how often it acted, and what of that can be undone at all."""

    action: str
    effects: int
    can: int
    never: int
    nothing: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a version has done. `oldest` and `newest` None: nothing."""

    runs: int
    undone: int
    open: int
    oldest: datetime | None
    newest: datetime | None
    lines: list[Line]


def runs_of(document: Document) -> QuerySet[Run]:
    """The runs of a version that acted, along the index of its rule's runs."""
    return Run.objects.filter(rule_id=document.rule_id or 0, document_id=document.pk, shadow=False)


LINES = """
SELECT s.action, count(*), count(*) FILTER (WHERE s.undo IS NOT NULL AND s.undo <> '{}'),
    count(*) FILTER (WHERE s.undo = '{}'), count(*) FILTER (WHERE s.undo IS NULL)
FROM automations_steprun s JOIN automations_run r ON r.id = s.run_id
WHERE r.rule_id = %s AND r.document_id = %s AND NOT r.shadow AND r.undone_at IS NULL
    AND s.outcome = 'done'
GROUP BY s.action ORDER BY 2 DESC
"""
IDS = """
SELECT DISTINCT r.id FROM automations_steprun s JOIN automations_run r ON r.id = s.run_id
WHERE r.rule_id = %s AND r.document_id = %s AND NOT r.shadow AND r.undone_at IS NULL
    AND s.outcome = 'done' AND s.undo IS NOT NULL AND s.undo <> '{}'
ORDER BY r.id DESC
"""


def footprint(document: Document) -> Footprint:
    """What the runs of a version did, by action."""
    runs = runs_of(document).aggregate(
        runs=Count("pk"),
        undone=Count("pk", filter=Q(undone_at__isnull=False)),
        open=Count("pk", filter=Q(finished_at=None)),
        oldest=Min("created_at"),
        newest=Max("created_at"),
    )
    with connection.cursor() as cursor:
        cursor.execute(LINES, [document.rule_id, document.pk])
        lines = [Line(*row) for row in cursor.fetchall()]
    return Footprint(**runs, lines=lines)


def undoable(document: Document) -> list[int]:
    """The runs of a version of which something can be undone, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(IDS, [document.rule_id, document.pk])
        return [row[0] for row in cursor.fetchall()]
