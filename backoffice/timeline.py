"""The one door to timelines: write what happened to subjects, read a subject's story."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from backoffice.actors import Actor
from backoffice.models import TimelineEntry
from backoffice.sets import Stencil, append_many

ENTRIES = Stencil(TimelineEntry)


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry to write. `at` None means now; `link` names a related record by label and id."""

    subject: str
    subject_id: int
    text: str
    actor: Actor
    at: datetime | None = None
    link: tuple[str, int] | None = None


def record(entries: Iterable[Happened]) -> None:
    """Write entries in one insert, inside the caller's transaction."""
    now = timezone.now()
    append_many(
        [
            ENTRIES.row(
                subject=entry.subject,
                subject_id=entry.subject_id,
                at=entry.at or now,
                text=entry.text,
                actor_kind=entry.actor.kind,
                actor_label=entry.actor.label,
                user_id=entry.actor.user_id,
                rule_id=entry.actor.rule_id,
                rule_version=entry.actor.rule_version,
                run_id=entry.actor.run_id,
                link=entry.link[0] if entry.link else "",
                link_id=entry.link[1] if entry.link else None,
            )
            for entry in entries
        ]
    )


def story(subject: str, subject_id: int) -> QuerySet[TimelineEntry]:
    """One subject's entries, newest first."""
    return TimelineEntry.objects.filter(subject=subject, subject_id=subject_id).order_by(
        "-at", "-id"
    )
