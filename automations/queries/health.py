"""How the engine does now: what waits, what stands still, who works. Cheap, for every scrape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, F, Max
from django.db.models.functions import Now

from automations.models.documents import Stop
from automations.models.failures import Failure
from automations.models.figures import Measured
from automations.models.progress import Progress, Worker
from automations.models.runs import Effect, Run

# Along the indexes of what is open; what has ended is counted already.
STATES = """
SELECT state, count(*) FROM automations_run
WHERE state IN ('waiting', 'calling', 'held', 'parked', 'failed') AND NOT shadow GROUP BY state
UNION ALL SELECT 'due', count(*) FROM automations_run WHERE state = 'due' AND NOT shadow
UNION ALL SELECT state, count(*) FROM automations_run, automations_measured
WHERE finished_at > upto AND NOT shadow GROUP BY state
"""
WAITING = """
SELECT (SELECT count(*) FROM automations_pendingevent),
    coalesce(extract(epoch FROM statement_timestamp() - (SELECT recorded_at FROM automations_event
        WHERE id = (SELECT min(event_id) FROM automations_pendingevent)))::float8, 0),
    count(*), coalesce(extract(epoch FROM statement_timestamp() - min(run_after))::float8, 0)
FROM automations_run
WHERE state IN ('due', 'waiting') AND run_after <= statement_timestamp()
"""
WORKER_GONE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Events that wait to be matched and runs that are due, with the age of the oldest in s."""

    events: int
    oldest_event: float
    runs: int
    oldest_run: float


def waiting() -> Waiting:
    """What waits for a worker now."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return Waiting(*(cursor.fetchone() or ()))


def runs_by_state() -> dict[str, int]:
    """Every run there is but shadows, by state; as counting them would, without reading all."""
    found = dict.fromkeys(Run.State.values, 0)
    counted = Measured.objects.get()
    for state in ("done", "overtaken", "skipped", "cancelled"):
        found[state] = getattr(counted, state)
    with connection.cursor() as cursor:
        cursor.execute(STATES)
        for state, number in cursor.fetchall():
            found[state] += number
    return found


def open_cases() -> dict[str, int]:
    """Cases that are not closed, by priority in words."""
    found = Failure.objects.exclude(state=Failure.State.RESOLVED).order_by().values("priority")
    counted = {row["priority"]: row["n"] for row in found.annotate(n=Count("pk"))}
    return {words.lower(): counted.get(value, 0) for value, words in Failure.Priority.choices}


def open_stops() -> int:
    return Stop.objects.filter(lifted_at=None).count()


def effects_in_doubt() -> int:
    """Effects that may have happened, for people to look up."""
    return Effect.objects.filter(state=Effect.State.IN_DOUBT).count()


def last_claims() -> dict[str, datetime]:
    """When each stage last took work."""
    found = Progress.objects.order_by().values("stage").annotate(at=Max("last_claim_at"))
    return {row["stage"]: row["at"] for row in found}


def workers() -> list[Worker]:
    """The workers seen in the last minutes, the longest at work first."""
    return list(
        Worker.objects.filter(seen_at__gte=Now() - WORKER_GONE).order_by(
            F("started_at").asc(), "name"
        )
    )
