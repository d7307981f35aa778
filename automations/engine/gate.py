"""The last look before something leaves the house: is it stopped, and is the lease still ours?

The stops are read by a query that began after the caller asked. All who ask while a query runs
share the next one, on one connection: a query each would cost more than the calls themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db import DatabaseError, InterfaceError, connection

from automations.actions import Outcome
from automations.connectors import staging
from automations.engine import database
from automations.engine.in_force import STOPPED, Stopped

logger = logging.getLogger(__name__)

LOOK = f"SELECT statement_timestamp(), {STOPPED}"
PATIENCE_SECONDS = 10.0
# A worker that was paused between its look and the first byte looks again.
FRESH_SECONDS = 1.0
# What a lease has to hold beyond the call itself, for settling it.
MARGIN = timedelta(seconds=5)


class NotSent(Outcome):
    """Kept back at the gate: certainly not done. `stopped`: because someone stopped it."""

    def __init__(self, message: str, *, stopped: bool = False) -> None:
        super().__init__(message)
        self.stopped = stopped


def clock() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    known = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(known) if known is not None else time.monotonic()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found; `stopped` None: PostgreSQL did not answer.

    `lanes`: in a sandbox, those that may be called; None elsewhere: all.
    """

    now: datetime | None
    stopped: Stopped | None
    at: float
    lanes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Until when a set of calls may be under way: PostgreSQL's clock, and this machine's."""

    token: int
    until: datetime
    by_our_clock: float


class Watch(threading.Thread):
    """Reads the stops whenever someone asks. One a process; it has a connection of its own."""

    def __init__(self) -> None:
        super().__init__(name="stops", daemon=True)
        self._changed = threading.Condition()
        self._asked = 0
        self._answered = 0
        self._seen = Seen(None, None, 0.0)

    def look(self) -> Seen:
        """What a query sees that begins after this call."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            if self._changed.wait_for(lambda: self._answered >= mine, PATIENCE_SECONDS):
                return self._seen
        return Seen(None, None, clock())

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._answered)
                upto = self._asked
            seen = _query()
            with self._changed:
                self._answered, self._seen = upto, seen
                self._changed.notify_all()


def _query() -> Seen:
    at = clock()
    try:
        now, *found = database.fetch(LOOK)[0]
        open_lanes = staging.open_lanes()
    except (DatabaseError, InterfaceError):
        logger.exception("The stops can't be read, so nothing is sent")
        connection.close()
        return Seen(None, None, at)
    rules, lanes, everything, over = found
    stopped = Stopped(frozenset(rules), frozenset(lanes), everything, frozenset(over))
    return Seen(now, stopped, at, open_lanes)


@cache
def watch() -> Watch:
    """The watch of this process."""
    made = Watch()
    made.start()
    return made


def pass_through(
    rule_id: int, lane: str, lease: Lease, needs: timedelta, document_id: int = 0
) -> None:
    """Let one call of a version begin, which may take as long as `needs`; raises NotSent.

    Nothing is sent when PostgreSQL does not answer: what can't be known to be allowed is not.
    """
    while True:
        seen = watch().look()
        if seen.now is None or seen.stopped is None:
            raise NotSent("It could not be asked whether this is stopped.")
        if seen.stopped.holds(rule_id, lane, document_id):
            raise NotSent("It was stopped.", stopped=True)
        if seen.lanes is not None and lane not in seen.lanes:
            raise NotSent("It is not marked as staging any more, and this is a sandbox.")
        now = clock()
        length = (needs + MARGIN).total_seconds()
        if seen.now + needs + MARGIN > lease.until or now + length > lease.by_our_clock:
            raise NotSent("The worker came too late to it.")
        if now - seen.at <= FRESH_SECONDS:
            return
