"""What a case shows of an effect in doubt."""

from __future__ import annotations

from dataclasses import dataclass

from automations.engine import doubts as found
from automations.models.connectors import CallLog
from automations.models.runs import Effect, Run
from automations.queries import connectors as queries
from automations.services import doubts
from automations.services.failures import IN_DOUBT
from automations.views.connector_list import OUTCOMES

Row = tuple[CallLog, str, str]


@dataclass(frozen=True, slots=True)
class Doubt:
    """An effect in doubt. The reasons are empty where a verb may act."""

    effect: Effect
    why_no_look_up: str
    why_not_absent: str
    why_no_retry: str = IN_DOUBT

    @property
    def is_looked_up(self) -> bool:
        """Whether an answer is on its way."""
        return self.effect.looking_until is not None


def calls_of(run: Run | None) -> list[Row]:
    """The calls made for a run, oldest first, with their signs."""
    if run is None:
        return []
    rows = queries.calls_of_run(run.pk)
    return [(call, *OUTCOMES[CallLog.Outcome(call.outcome)]) for call in rows]


def doubt_of(run: Run | None) -> Doubt | None:
    """What is in doubt at the step a run stands at; None when nothing is."""
    effect = found.of_run(run) if run is not None and run.state == Run.State.HELD else None
    if effect is None:
        return None
    return Doubt(effect, doubts.why_no_look_up(effect), doubts.why_not_absent(effect))
