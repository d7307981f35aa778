"""Does work move? Asked of the database, as a process that answers may still do nothing.

A stall: work has been due for a minute and nobody has taken any for a minute, or the sweep, which
needs beat, Redis and a worker, was not seen for a minute. It is logged, becomes a case and a
notice, and `manage.py watchdog` lets whatever supervises the processes start the right one again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.urls import reverse
from django.utils import timezone

from automations.cases import CaseKind, NewCase, cases
from automations.engine import database, progress, wake
from automations.engine.failures import close_every_case
from automations.engine.in_force import stopped_now
from automations.models.documents import Activation
from automations.models.failures import Failure
from automations.models.rules import Rule
from backoffice import notices
from backoffice.models import User

logger = logging.getLogger(__name__)

stalled = Signal()  # standstill

# The oldest work of each stage, how much there is, and when a process last took some. The workers'
# start stands for a sweep that was never seen.
LOOK = """
SELECT statement_timestamp(),
    (SELECT recorded_at FROM automations_event
        WHERE id = (SELECT min(event_id) FROM automations_pendingevent)),
    (SELECT min(run_after) FROM automations_run WHERE lane = ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()),
    (SELECT min(call.run_after) FROM automations_connectoraccount a CROSS JOIN LATERAL (
        SELECT min(run_after) AS run_after FROM automations_run WHERE lane = a.key
            AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()) call
        WHERE NOT EXISTS (SELECT 1 FROM automations_stop s
            WHERE s.lane = a.key AND s.lifted_at IS NULL)),
    (SELECT max(last_claim_at) FROM automations_progress WHERE stage = 'match'),
    (SELECT max(last_claim_at) FROM automations_progress WHERE stage = 'execute'),
    (SELECT max(last_claim_at) FROM automations_progress WHERE stage = 'call'),
    coalesce((SELECT max(last_claim_at) FROM automations_progress WHERE stage = 'sweep'),
        (SELECT min(started_at) FROM automations_worker)),
    (SELECT min(due_at) FROM automations_delivery
        WHERE state = 'waiting' AND due_at <= statement_timestamp()),
    (SELECT max(last_claim_at) FROM automations_progress WHERE stage = 'take')
"""
DELIVERIES = """
SELECT count(*) FROM automations_delivery
WHERE state = 'waiting' AND due_at <= statement_timestamp()
"""
PENDING = "SELECT count(*) FROM automations_pendingevent"
DUE = """
SELECT count(*) FROM automations_run
WHERE lane = '' AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()
"""
CALLS = """
SELECT count(*) FROM automations_run r JOIN automations_connectoraccount a ON a.key = r.lane
WHERE r.state IN ('due', 'waiting') AND r.run_after <= statement_timestamp()
    AND NOT EXISTS (SELECT 1 FROM automations_stop s WHERE s.lane = a.key AND s.lifted_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What the database says at one moment. None: there is no such work, or it was never seen."""

    now: datetime
    oldest_event: datetime | None
    oldest_run: datetime | None
    oldest_call: datetime | None
    matched_at: datetime | None
    executed_at: datetime | None
    called_at: datetime | None
    swept_at: datetime | None
    oldest_delivery: datetime | None
    taken_at: datetime | None


NOUNS = {"take": "webhook", "match": "event", "execute": "run", "call": "call"}


@dataclass(frozen=True, slots=True)
class Stall:
    """Work of a stage (`take`, `match`, `execute`, `call`, `sweep`) that has not moved `since`."""

    stage: str
    since: datetime
    waiting: int = 0

    @property
    def counted(self) -> str:
        """How much waits: `312 events`."""
        noun = NOUNS[self.stage]
        return f"{self.waiting:,} {noun}{'' if self.waiting == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Standstill:
    """All that stands still at one moment, as one sentence tells it."""

    stalls: Sequence[Stall]

    @property
    def _work(self) -> list[Stall]:
        return [stall for stall in self.stalls if stall.stage != progress.SWEEP]

    @property
    def since(self) -> datetime:
        return min(stall.since for stall in self._work or self.stalls)

    @property
    def headline(self) -> str:
        """What people read first, before the time."""
        return "Rules have not run" if self._work else "The clock of the rules was not seen"

    @property
    def what(self) -> str:
        """What stands still, after the time."""
        work = self._work
        if not work:
            return "waits, retries and schedules stand still"
        one = len(work) == 1 and work[0].waiting == 1
        return f"{' and '.join(stall.counted for stall in work)} {'waits' if one else 'wait'}"

    @property
    def key(self) -> str:
        return f"{self.stalls[0].stage}:{self.since.isoformat(timespec='seconds')}"


@cases.register
class EngineStalled(CaseKind):
    """The engine stands still."""

    key = "engine.stalled"
    label = "The engine stands still"
    subject = ""
    signal = stalled

    def cases(self, standstill: Standstill) -> Sequence[NewCase]:
        """One case from its beginning to its end."""
        since = f"{standstill.since:%d %b, %H:%M} UTC"
        return [
            NewCase(
                key=standstill.key,
                cause="The engine stands still",
                says=f"{standstill.headline} since {since}: {standstill.what}.",
                subject_id=None,
                fallback=FALLBACK,
                detail={stall.stage: stall.since.isoformat() for stall in standstill.stalls},
                urgent=True,
            )
        ]


FALLBACK = (
    "See whether worker, beat and Redis run, and what the worker’s log says last. Nothing is lost: "
    "once they run, the work goes on by itself and this case closes."
)


def kind() -> CaseKind:
    return cases[EngineStalled.key]


def look() -> Look:
    """The state of the work, in one cheap query."""
    return Look(*database.fetch(LOOK)[0])


def limit() -> timedelta:
    """How long work may stand still."""
    return timedelta(seconds=settings.STALL_SECONDS)


def diagnose(since: datetime | None = None, *, swept_since: datetime | None = None) -> list[Stall]:
    """What stands still now. `since` is from when on anyone could have moved it, None for ever.

    `swept_since` stands for a sweep that was never seen; None: then nothing can be said of it.
    Where everything is stopped by people, runs rightly wait.
    """
    seen = look()
    edge = seen.now - limit()
    if since is not None and since > edge:
        return []
    found: list[Stall] = []
    if _stands(seen.oldest_delivery, seen.taken_at, edge):
        last = seen.taken_at or seen.oldest_delivery
        found.append(Stall("take", cast(datetime, last), _count(DELIVERIES)))
    if _stands(seen.oldest_event, seen.matched_at, edge):
        last = seen.matched_at or seen.oldest_event
        found.append(Stall("match", cast(datetime, last), _count(PENDING)))
    stands = _stands(seen.oldest_run, seen.executed_at, edge)
    if stands and not stopped_now().everything:
        last = seen.executed_at or seen.oldest_run
        found.append(Stall("execute", cast(datetime, last), _count(DUE)))
    stands = _stands(seen.oldest_call, seen.called_at, edge)
    if stands and not stopped_now().everything:
        last = seen.called_at or seen.oldest_call
        found.append(Stall("call", cast(datetime, last), _count(CALLS)))
    swept = seen.swept_at or swept_since
    if swept is not None and swept < edge:
        found.append(Stall("sweep", swept))
    return found


def _stands(oldest: datetime | None, taken: datetime | None, edge: datetime) -> bool:
    return oldest is not None and oldest < edge and (taken is None or taken < edge)


def _count(query: str) -> int:
    return int(database.fetch(query)[0][0])


def watch(since: datetime | None = None) -> list[Stall]:
    """Look once: report what stands still; close the case when all moves again.

    Who has only begun to look (`since`) can tell neither.
    """
    if since is not None and since > timezone.now() - limit():
        return []
    found = diagnose(swept_since=since)
    if found:
        _report(Standstill(found))
        return found
    with transaction.atomic():
        closed = close_every_case(kind(), "The work moves again.")
    if closed:
        logger.warning("The engine works again")
    return []


# It is said again now and then, not with each look.
SAID_AGAIN_SECONDS = 60.0
_said = 0.0


def _say(standstill: Standstill) -> None:
    global _said
    now = time.monotonic()
    if now < _said:
        return
    _said = now + SAID_AGAIN_SECONDS
    logger.critical(
        "%s since %s: %s. Redis %s",
        standstill.headline,
        standstill.since.isoformat(timespec="seconds"),
        standstill.what,
        "answers" if wake.redis_answers() else "does not answer",
        extra={
            "stage": ", ".join(stall.stage for stall in standstill.stalls),
            "since": standstill.since.isoformat(timespec="seconds"),
            "waiting": sum(stall.waiting for stall in standstill.stalls),
        },
    )


@transaction.atomic
def _report(standstill: Standstill) -> None:
    _say(standstill)
    progress.stood_still()
    ours = Failure.objects.filter(kind=EngineStalled.key)
    if ours.exclude(state=Failure.State.RESOLVED).exists():
        return
    stalled.send(sender=Standstill, standstill=standstill)
    case = ours.get(key=standstill.key)
    since = f"{standstill.since:%H:%M} UTC"
    notices.notify(
        _people(),
        f"{standstill.headline} since {since}: {standstill.what}.",
        reverse("failure_detail", args=[case.pk]),
        key=f"stalled:{case.pk}",
    )


def _people() -> list[User]:
    """Who is told: those who tend the engine, and the owners of rules in force."""
    in_force = Activation.objects.in_force().filter(rule__isnull=False).values("rule_id")
    rules = Rule.objects.filter(pk__in=in_force).select_related("owner")
    return [*notices.holders("automations.tend_engine"), *(r.owner for r in rules if r.owner)]


def culprits(stalls: Sequence[Stall]) -> set[str]:
    """The processes that should be started again: `worker`, `external`, `beat`, several or none.

    While Redis is down none can help. Messages that wait for the sweep tell that beat sends and
    no worker takes; none, that beat is silent.
    """
    if not stalls or not wake.redis_answers():
        return set()
    stages = {stall.stage for stall in stalls}
    found = {"external"} if "call" in stages else set()
    if wake.waiting("sweep"):
        return found | {"worker"}
    if stages & {"take", "match", "execute"}:
        found.add("worker")
    return found | ({"beat"} if "sweep" in stages else set())
