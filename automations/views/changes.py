"""What others did to a record since a moment: told by its own timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backoffice.models import TimelineEntry
from backoffice.timeline import story

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Since:
    """Entries, newest first. `more` is how many are not among them."""

    entries: list[TimelineEntry]
    more: int

    @property
    def who(self) -> str:
        """The latest change in a few words; empty when nothing was told."""
        if not self.entries:
            return ""
        latest = self.entries[0]
        return f"{latest.actor_label}, “{latest.text}”"


def since(subject: str, subject_id: int | None, at: datetime, run_id: int | None = None) -> Since:
    """What happened to a record after a moment, but for what one run did to it."""
    if not subject or subject_id is None:
        return Since([], 0)
    found = story(subject, subject_id).filter(at__gt=at).select_related("user")
    if run_id is not None:
        found = found.exclude(run_id=run_id)
    # What people did about the case itself stands in its own log.
    found = found.exclude(link="automations.failure")
    entries = list(found[: SHOWN + 1])
    more = found.count() - SHOWN if len(entries) > SHOWN else 0
    return Since(entries[:SHOWN], more)
