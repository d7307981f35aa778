"""What has had its time is let go at night, in sets that keep nobody waiting.

Events with all their runs, steps and effects, and calls of systems outside, after
`settings.KEEP_DAYS`; the bodies of webhooks after `settings.KEEP_BODIES_DAYS`. What is open, waits
or has a case stays, and so do rules, versions, approvals and the audit trail. Orders, moves and
postings are not ours. PostgreSQL refuses anything younger than 400 days (migration 0085).
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from automations.engine import database
from backoffice import audit
from backoffice.actors import HOUSE

logger = logging.getLogger(__name__)

AT_ONCE = 2_000
# Below the soft limit of a task, with room for the set in hand.
SECONDS = 20.0

EVENTS = "SELECT last_id, more, events, runs FROM automations_let_go(%s, %s, %s)"
CALLS = "SELECT last_id, more, calls FROM automations_let_go_of_calls(%s, %s, %s)"
# By number, as EVENTS are; what waits or is in quarantine is still to be read.
BODIES = """
WITH next AS (
    SELECT id, received_at < now() - make_interval(days => %s) AS old,
        body IS NOT NULL AND state IN ('taken', 'unread', 'overtaken', 'dropped') AS read
    FROM automations_delivery WHERE id > %s ORDER BY id LIMIT %s
), gone AS (
    UPDATE automations_delivery d SET body = NULL FROM next n
    WHERE d.id = n.id AND n.old AND n.read RETURNING 1
)
SELECT (SELECT max(id) FROM next), coalesce((SELECT bool_and(old) FROM next), false),
    (SELECT count(*) FROM gone)
"""


@dataclass(slots=True)
class Pass:
    """How far a night's pass has come, as one message hands it to the next."""

    event_id: int = 0
    call_id: int = 0
    delivery_id: int = 0
    events: int = 0
    runs: int = 0
    calls: int = 0
    bodies: int = 0
    more: bool = True

    def as_message(self) -> dict[str, Any]:
        return asdict(self)


def let_go(given: Pass, seconds: float = SECONDS) -> Pass:
    """Let go of what is due for so many seconds, and answer how far it came.

    Each set is a transaction of its own: a killed worker loses one set, and the next night begins
    anew. Noted in the audit trail when nothing more is due.
    """
    until = time.monotonic() + seconds
    events = calls = bodies = True
    while events or calls or bodies:
        events = events and _events(given)
        # Behind their runs, which they stay as long as.
        calls = calls and (events or _calls(given))
        bodies = bodies and _bodies(given)
        if (events or calls or bodies) and time.monotonic() > until:
            return given
    given.more = False
    _note(given)
    return given


def _events(given: Pass) -> bool:
    found = database.fetch(EVENTS, given.event_id, AT_ONCE, settings.KEEP_DAYS)[0]
    last_id, more, events, runs = found
    given.event_id = last_id or given.event_id
    given.events += events
    given.runs += runs
    return bool(more)


def _calls(given: Pass) -> bool:
    found = database.fetch(CALLS, given.call_id, AT_ONCE, settings.KEEP_DAYS)[0]
    last_id, more, calls = found
    given.call_id = last_id or given.call_id
    given.calls += calls
    return bool(more)


def _bodies(given: Pass) -> bool:
    found = database.fetch(BODIES, settings.KEEP_BODIES_DAYS, given.delivery_id, AT_ONCE)[0]
    last_id, more, bodies = found
    given.delivery_id = last_id or given.delivery_id
    given.bodies += bodies
    return bool(more)


@transaction.atomic
def _note(given: Pass) -> None:
    counts = {"events": given.events, "runs": given.runs}
    counts |= {"calls": given.calls, "bodies": given.bodies}
    if any(counts.values()):
        days = {"days": settings.KEEP_DAYS, "bodies_days": settings.KEEP_BODIES_DAYS}
        audit.record("retention.let_go", "automations.event", None, actor=HOUSE, **counts, **days)
    logger.info("Let go of %(events)s events, %(runs)s runs, %(calls)s calls", counts)
