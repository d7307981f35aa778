"""Deliveries become events: read by their source's mapping, in sets, one transaction each.

What can't be read as the mapping says goes into quarantine and becomes a case; what is older than
what was taken before of the same record starts nothing; what is about a record that is not there
yet is tried again for some hours.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from automations.engine import database, progress
from automations.engine.record import record_facts
from automations.intake.inbox import Held, deliveries_quarantined, deliveries_settled
from automations.intake.mapping import Reader, Unusable
from automations.intake.reading import Unreadable, parse
from automations.intake.values import Unmapped
from automations.models.intake import Delivery
from automations.triggers import Fact, Feed, Known, Report, Unfit, triggers
from backoffice.actors import outside

logger = logging.getLogger(__name__)

BATCH = 500
# After these a report about something that is not there is a case: six hours in all.
PATIENCE = tuple(timedelta(minutes=minutes) for minutes in (1, 4, 15, 40, 120, 180))
# So far a sender's clock may be before ours.
CLOCKS = timedelta(minutes=10)
IN_FUTURE = "It lies in the future"
State = Delivery.State
STILL_OPEN = (State.QUARANTINED, State.WAITING)

CLAIM = f"""
SELECT d.id, d.source_id, s.key, s.name, d.topic, d.body, d.received_at, d.tries, d.replays,
    {database.UNHURRIED}
FROM automations_delivery d JOIN automations_intakesource s ON s.id = d.source_id
WHERE d.id = ANY(ARRAY(SELECT id FROM automations_delivery
    WHERE state = 'waiting' AND due_at <= statement_timestamp() ORDER BY id LIMIT %s
    FOR NO KEY UPDATE SKIP LOCKED))
ORDER BY d.id
"""  # noqa: S608
CLAIM_ONE = CLAIM.replace("ORDER BY id LIMIT %s", "AND id = %s")
ROUTES = """
SELECT source_id, topic, feed, mapping FROM automations_intakeroute
WHERE source_id = ANY(%s::bigint[])
"""
SETTLE = """
UPDATE automations_delivery d SET state = r.state, says = r.says, cause = r.cause, feed = r.feed,
    event_id = r.event_id, subject = r.subject, subject_id = r.subject_id, tries = r.tries,
    due_at = coalesce(r.due_at, d.due_at),
    taken_at = CASE WHEN r.state = 'waiting' THEN NULL ELSE clock_timestamp() END
FROM json_to_recordset(%s::json) AS r(id bigint, state text, says text, cause text, feed text,
    event_id bigint, subject text, subject_id bigint, tries smallint, due_at timestamptz)
WHERE d.id = r.id
"""
# Sorted by key, as everyone locks them. Answers what stands there afterwards.
NEWEST = """
INSERT INTO automations_newest AS n (source_id, topic, reference, at)
SELECT r.source_id, r.topic, r.reference, max(r.at)
FROM json_to_recordset(%s::json) AS r(source_id bigint, topic text, reference text, at timestamptz)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (source_id, topic, reference) DO UPDATE SET at = greatest(n.at, excluded.at)
RETURNING source_id, topic, reference, at
"""


@dataclass(slots=True)
class Taken:
    """A delivery in hand, and what became of it."""

    id: int
    source_id: int
    key: str
    name: str
    topic: str
    body: bytes | None
    received_at: datetime
    tries: int
    replays: int
    state: State = State.WAITING
    says: str = ""
    cause: str = ""
    lacks_value: bool = False
    feed: Feed | None = None
    report: Report | None = None
    reference: str = ""
    fact: Fact | None = None
    event_id: int | None = None
    due_at: datetime | None = None

    def hold(self, says: str, cause: str, *, lacks_value: bool = False) -> None:
        """Put it into quarantine."""
        self.state, self.says, self.cause = State.QUARANTINED, says, cause
        self.lacks_value = lacks_value

    def as_row(self) -> dict[str, Any]:
        fact = self.fact
        return {
            "id": self.id,
            "state": self.state.value,
            "says": self.says,
            "cause": self.cause[:300],
            "feed": self.feed.key if self.feed else "",
            "event_id": self.event_id,
            "subject": self.feed.subject if self.feed and fact else "",
            "subject_id": fact.subject_id if fact else None,
            "tries": self.tries,
            "due_at": self.due_at,
        }


def take_batch(limit: int = BATCH) -> int:
    """Take deliveries off the inbox; answers how many. One that breaks is set aside alone."""
    try:
        return _take(limit)
    except database.Broke as broke:
        logger.exception("A batch of %s deliveries can't be taken", len(broke.ids))
        if len(broke.ids) > 1:
            return take_batch(len(broke.ids) // 2)
        return _set_aside(broke.ids[0])


@transaction.atomic
def _set_aside(delivery_id: int) -> int:
    """Put a delivery into quarantine, for people to look at, unless somebody else has it now."""
    taken = [Taken(*row[:9]) for row in database.fetch(CLAIM_ONE, delivery_id)]
    for each in taken:
        each.hold("Reading it broke. The worker's log says why.", "Reading it broke")
    _settle(taken)
    return 1


@transaction.atomic
def _take(limit: int) -> int:
    taken = [Taken(*row[:9]) for row in database.fetch(CLAIM, limit)]
    if not taken:
        return 0
    progress.claimed("take")
    with database.in_hand([each.id for each in taken]):
        readers = _readers({each.source_id for each in taken})
        for each in taken:
            _read(each, readers)
        _overtake([each for each in taken if each.report is not None])
        _record([each for each in taken if each.report is not None and each.state == State.WAITING])
        _settle(taken)
    return len(taken)


# --- reading ------------------------------------------------------------------------------------

Readers = Mapping[tuple[int, str], Reader | str]
# By what they say: making one anew for each batch would cost more than the batch.
_made: dict[tuple[str, str], Reader | str] = {}
MOST_MADE = 500


def _readers(source_ids: Iterable[int]) -> Readers:
    """What reads each topic of these sources; a sentence where its mapping is of no use."""
    found: dict[tuple[int, str], Reader | str] = {}
    for source_id, topic, feed, mapping in database.fetch(ROUTES, database.ids(source_ids)):
        name = (feed, mapping)
        if name not in _made:
            if len(_made) > MOST_MADE:
                _made.clear()
            _made[name] = _reader(feed, database.loads(mapping))
        found[source_id, topic] = _made[name]
    return found


def _reader(feed_key: str, mapping: Any) -> Reader | str:
    feed = triggers.get(feed_key)
    if not isinstance(feed, Feed):
        return f"Nothing here takes reports as “{feed_key}” any more."
    try:
        return Reader(feed, mapping)
    except Unusable as error:
        return f"Its mapping no longer fits: {error}"


def _read(each: Taken, readers: Readers) -> None:
    reader = readers.get((each.source_id, each.topic)) or readers.get((each.source_id, ""))
    if reader is None:
        each.state = State.UNREAD
        each.says = "Nobody said what messages of this topic feed."
    elif isinstance(reader, str):
        each.hold(reader, reader)
    elif each.body is None:
        each.hold("Its content was let go already.", "Content was let go")
    else:
        each.feed = reader.feed
        _report(each, reader)


def _report(each: Taken, reader: Reader) -> None:
    try:
        told = reader.read(parse(bytes(each.body or b"")), each.key, each.topic)
    except Unreadable as error:
        each.hold(str(error), str(error).rstrip("."))
    except Unmapped as error:
        each.hold(str(error), error.cause, lacks_value=error.lacks_value)
    except Exception:
        logger.exception("Delivery %s can't be read", each.id)
        each.hold("Reading it broke. The worker's log says why.", "Reading it broke")
    else:
        at = getattr(told, reader.feed.occurred, None) or each.received_at
        if at > each.received_at + CLOCKS:
            # Of records that only the newest is taken of, it would silence all that comes after.
            each.hold(f"It lies in the future, at {at:%d %b %Y, %H:%M} UTC.", IN_FUTURE)
            return
        each.reference = str(getattr(told, reader.feed.reference, "") or "")
        each.report = Report(each.id, told, at, outside(each.name))


# --- older than what came before ----------------------------------------------------------------


def _overtake(taken: Sequence[Taken]) -> None:
    """Let nothing start from what is older than a report of the same record that was taken."""
    ordered = [each for each in taken if each.feed and each.feed.newest_only and each.reference]
    if not ordered:
        return
    rows = [
        {"source_id": e.source_id, "topic": e.topic, "reference": e.reference, "at": _at(e)}
        for e in ordered
    ]
    newest = {row[:3]: row[3] for row in database.fetch(NEWEST, database.rows(rows))}
    for each in ordered:
        at = newest[each.source_id, each.topic, each.reference]
        if _at(each) < at:
            each.state = State.OVERTAKEN
            each.says = f"A newer one about {each.reference} came before, of {at:%d %b, %H:%M} UTC."


def _at(each: Taken) -> datetime:
    return each.report.occurred_at if each.report is not None else each.received_at


# --- events -------------------------------------------------------------------------------------


def _record(taken: Sequence[Taken]) -> None:
    by_feed: dict[str, list[Taken]] = defaultdict(list)
    for each in taken:
        if each.feed is not None:
            by_feed[each.feed.key].append(each)
    writing = ""
    for key, several in by_feed.items():
        feed = several[0].feed
        if feed is None:
            continue
        # Two would lock what they write crosswise to others; what is left is in the next batch.
        if feed.writes and writing:
            continue
        writing = writing or (key if feed.writes else "")
        _feed(feed, several)


def _feed(feed: Feed, taken: Sequence[Taken]) -> None:
    answers = feed.answers([each.report for each in taken if each.report is not None])
    now = database.now()
    fits: list[tuple[Taken, Fact]] = []
    for each, answer in zip(taken, answers, strict=True):
        if isinstance(answer, Unfit):
            _unfit(each, answer, now)
        elif isinstance(answer, Known):
            each.state, each.says = State.OVERTAKEN, answer.says
        else:
            fits.append((each, answer))
    ids = record_facts(feed, [fact for _, fact in fits])
    for (each, fact), event_id in zip(fits, ids, strict=True):
        each.fact, each.event_id, each.state = fact, event_id, State.TAKEN


def _unfit(each: Taken, answer: Unfit, now: datetime) -> None:
    if answer.wait and each.tries < len(PATIENCE):
        each.due_at, each.says = now + PATIENCE[each.tries], answer.says
        each.tries += 1
    else:
        each.hold(answer.says, answer.cause)


def _settle(taken: Sequence[Taken]) -> None:
    """Write what became of them, open cases for what is held, and close those that are over."""
    database.write(SETTLE, database.rows(each.as_row() for each in taken))
    held = [
        Held(each.id, each.name, each.topic, each.says, each.cause, each.lacks_value)
        for each in taken
        if each.state == State.QUARANTINED
    ]
    if held:
        deliveries_quarantined.send(sender=Delivery, held=held)
    over = [each.id for each in taken if each.replays and each.state not in STILL_OPEN]
    if over:
        deliveries_settled.send(sender=Delivery, ids=over)
