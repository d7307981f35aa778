"""What must hold when all is quiet, read from PostgreSQL and the outside system's own ledger.

Plain SQL, and nothing of the product's code: a check that shares a bug with what it checks finds
nothing. Each violation is a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from tests.chaos.company import CALLS, TAGS, Company
from tests.chaos.feeder import Spec
from tests.chaos.ledger import Act

SHOWN = 3
STOP_SECONDS = 2.0


@dataclass(slots=True)
class Evidence:
    """What a run leaves behind, and what the harness itself did to it."""

    company: Company
    specs: Sequence[Spec]
    acts: Sequence[Act]
    # Runs that were put back to their beginning, as a restored backup would.
    rewound: Collection[int] = ()
    # Replies posted to the site: key and whether the site said it took it.
    replies: Mapping[str, bool] = field(default_factory=dict)
    db: psycopg.Connection | None = None

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        assert self.db is not None
        return self.db.execute(query.encode(), given or None).fetchall()

    def name(self, rule_id: int) -> str:
        return next((n for n, known in self.company.rules.items() if known == rule_id), "?")


Check = Callable[[Evidence], Iterator[str]]


def violations(seen: Evidence) -> list[str]:
    """Everything that does not hold, a sentence each; none: all is well."""
    return [said for check in CHECKS for said in check(seen)]


def _some(found: Sequence[Any]) -> str:
    """How many, and the first few of them."""
    shown = ", ".join(str(each) for each in found[:SHOWN])
    return f"{len(found)} ({shown}{', …' if len(found) > SHOWN else ''})"


# --- nothing lost, nothing twice ----------------------------------------------------------------


def _arrived(seen: Evidence) -> dict[str, list[int]]:
    """The events of each thing that happened, by its number."""
    found: dict[str, list[int]] = {}
    parcels = """SELECT p.number, e.id FROM depot_parcel p JOIN automations_event e
        ON e.subject = 'depot.parcel' AND e.subject_id = p.id AND e.trigger = 'depot.parcel_arrived'
        """
    orders = """SELECT o.external_id, e.id FROM orders_order o JOIN automations_event e
        ON e.subject = 'orders.order' AND e.subject_id = o.id AND e.trigger = 'orders.order_placed'
        """
    for number, event_id in seen.rows(parcels) + seen.rows(orders):
        found.setdefault(number, []).append(event_id)
    return found


def every_event_once(seen: Evidence) -> Iterator[str]:
    known = _arrived(seen)
    lost = [spec.number for spec in seen.specs if spec.number not in known]
    twice = [number for number, events in known.items() if len(events) > 1]
    if lost:
        yield f"Events were lost before they were stored: {_some(lost)}."
    if twice:
        yield f"What was delivered twice became two events: {_some(twice)}."


def every_run_once(seen: Evidence) -> Iterator[str]:
    known = _arrived(seen)
    wanted = {
        (event_id, seen.company.rules[name])
        for spec in seen.specs
        for event_id in known.get(spec.number, [])[:1]
        for name in {spec.kind, "tag"} - ({"tag"} if spec.kind == "ticket" else set())
        if name in seen.company.rules
    }
    query = "SELECT event_id, rule_id, count(*) FROM automations_run WHERE NOT shadow GROUP BY 1, 2"
    runs = {(row[0], row[1]): row[2] for row in seen.rows(query)}
    missing = sorted(wanted - set(runs))
    if missing:
        yield f"Events were lost: they have no run under a rule they match: {_some(missing)}."
    if more := sorted(set(runs) - wanted):
        yield f"Runs were made for events that match no rule: {_some(more)}."
    if twice := [pair for pair, count in runs.items() if count > 1]:
        yield f"An event has two runs under one rule: {_some(twice)}."


# --- inside -------------------------------------------------------------------------------------


def every_tag_once(seen: Evidence) -> Iterator[str]:
    tags = {
        (seen.company.rules[name], uid): tag
        for name, of in TAGS.items()
        if name in seen.company.rules
        for uid, tag in of.items()
    }
    parcels = {row[0]: row[1:] for row in seen.rows("SELECT id, touched, tags FROM depot_parcel")}
    query = """SELECT r.subject_id, r.rule_id, f.uid, r.id FROM automations_effect f
        JOIN automations_run r ON r.id = f.run_id
        WHERE f.action IN ('depot.add_tag', 'depot.slow_tag') AND f.state = 'confirmed'"""
    recorded: dict[int, Counter[str]] = {}
    for subject_id, rule_id, uid, _ in seen.rows(query):
        recorded.setdefault(subject_id, Counter())[tags[rule_id, uid]] += 1
    twice, lost, unrecorded = [], [], []
    for pk, (touched, found) in parcels.items():
        there, known = Counter(found), recorded.get(pk, Counter())
        if touched != len(set(found)) or any(count > 1 for count in there.values()):
            twice.append(pk)
        lost += [(pk, tag) for tag in known if tag not in there]
        unrecorded += [(pk, tag) for tag in there if tag not in known]
    if twice:
        yield f"An internal effect was taken twice, on parcels: {_some(twice)}."
    if lost:
        yield f"An effect is recorded and was not taken: {_some(lost)}."
    if unrecorded:
        yield f"An effect was taken and is not recorded: {_some(unrecorded)}."


def every_finished_run_complete(seen: Evidence) -> Iterator[str]:
    query = """SELECT r.id, r.rule_id, array_agg(f.uid) FILTER (WHERE f.state = 'confirmed')
        FROM automations_run r LEFT JOIN automations_effect f ON f.run_id = r.id
        WHERE r.state = 'done' GROUP BY 1, 2"""
    short = [
        run_id
        for run_id, rule_id, uids in seen.rows(query)
        if _uids(seen.name(rule_id)) - set(uids or ())
    ]
    if short:
        yield f"A run says it is done and has not taken all its effects: {_some(short)}."


def _uids(name: str) -> set[str]:
    return {"a1"} if name == "ticket" else set(TAGS.get(name, ())) | {CALLS.get(name, "a1")}


def every_step_done_once(seen: Evidence) -> Iterator[str]:
    query = """SELECT run_id, cursor FROM automations_steprun WHERE outcome = 'done'
        GROUP BY 1, 2 HAVING count(*) > 1"""
    found = [row for row in seen.rows(query) if row[0] not in seen.rewound]
    if found:
        yield f"A step is recorded as done twice: {_some(found)}."


def every_ticket_once(seen: Evidence) -> Iterator[str]:
    if "ticket" not in seen.company.rules:
        return
    query = """SELECT o.external_id, count(t.id) FROM orders_order o
        LEFT JOIN support_ticket t ON t.order_id = o.id AND t.channel = 'rule'
        GROUP BY 1 HAVING count(t.id) <> 1"""
    found = seen.rows(query)
    if twice := [row[0] for row in found if row[1] > 1]:
        yield f"An internal effect was taken twice: two tickets for the orders {_some(twice)}."
    if none := [row[0] for row in found if row[1] == 0]:
        yield f"Orders have no ticket: {_some(none)}."


def stock_adds_up(seen: Evidence) -> Iterator[str]:
    query = """SELECT l.sku_id, l.allocated, (SELECT coalesce(sum(quantity), 0)
            FROM orders_orderline o WHERE o.sku_id = l.sku_id),
        l.on_hand, (SELECT coalesce(sum(CASE WHEN m.to_location_id = l.location_id
            THEN m.quantity ELSE -m.quantity END), 0) FROM inventory_stockmove m
            WHERE m.sku_id = l.sku_id
                AND l.location_id IN (m.to_location_id, m.from_location_id))
        FROM inventory_stocklevel l JOIN inventory_location p ON p.id = l.location_id
        WHERE p.kind = 'internal'"""
    for sku_id, allocated, ordered, on_hand, moved in seen.rows(query):
        if allocated != ordered:
            yield f"Of SKU {sku_id} {allocated} are promised, but {ordered} are ordered."
        if on_hand != moved:
            yield f"Of SKU {sku_id} {on_hand} are on hand, but the moves add up to {moved}."


# --- outside ------------------------------------------------------------------------------------

EFFECTS = """
SELECT a.prefix || '-' || f.run_id || ':' || f.uid || ':' || f.target || ':' || f.generation,
    f.state, f.run_id
FROM automations_effect f JOIN automations_connectoraccount a ON a.key = f.lane
WHERE f.lane <> ''
"""


def no_call_twice(seen: Evidence) -> Iterator[str]:
    acted = Counter(act.key for act in seen.acts)
    if twice := [key for key, count in acted.items() if count > 1]:
        yield f"The outside system acted twice for one effect: {_some(twice)}."


def ledgers_agree(seen: Evidence) -> Iterator[str]:
    acted = {act.key for act in seen.acts}
    effects = {row[0]: row[1] for row in seen.rows(EFFECTS)}
    if ghosts := sorted(acted - set(effects)):
        yield f"The outside system acted and nothing here says it was to: {_some(ghosts)}."
    by_state = {
        state: [key for key, known in effects.items() if known == state]
        for state in ("confirmed", "failed", "intent")
    }
    if wrong := [key for key in by_state["confirmed"] if key not in acted]:
        yield f"An effect is called done and the outside system knows nothing: {_some(wrong)}."
    if wrong := [key for key in by_state["failed"] if key in acted]:
        yield f"An effect is called not done and the outside system did it: {_some(wrong)}."
    if by_state["intent"]:
        yield f"An effect is still called under way: {_some(by_state['intent'])}."


def every_doubt_shown(seen: Evidence) -> Iterator[str]:
    query = """SELECT f.run_id FROM automations_effect f WHERE f.state = 'in_doubt'
        AND NOT EXISTS (SELECT 1 FROM automations_failure c
            WHERE c.run_id = f.run_id AND c.state <> 'resolved')"""
    if silent := [row[0] for row in seen.rows(query)]:
        yield f"An effect is in doubt and no case shows it: {_some(silent)}."


def nothing_sent_late(seen: Evidence) -> Iterator[str]:
    query = """SELECT s.run_id, s.cursor, min(s.finished_at), r.lane FROM automations_steprun s
        JOIN automations_run r ON r.id = s.run_id
        WHERE s.outcome = 'in_doubt' AND s.says LIKE 'The worker was lost%' GROUP BY 1, 2, 4"""
    lost: dict[str, datetime] = {
        f"{run_id}:{cursor}": at
        for run_id, cursor, at, lane in seen.rows(query)
        if run_id not in seen.rewound
    }
    late = []
    for act in seen.acts:
        run_id, uid, *_ = act.key.partition("-")[2].split(":")
        at = lost.get(f"{run_id}:{uid}")
        if at is not None and act.at > at.timestamp():
            late.append(act.key)
    if late:
        yield f"A call was sent after its lease had ended and it was in doubt: {_some(late)}."


# --- at rest ------------------------------------------------------------------------------------


def nothing_stuck(seen: Evidence) -> Iterator[str]:
    pending = seen.rows("SELECT event_id FROM automations_pendingevent ORDER BY 1")
    if pending:
        yield f"Events wait to be matched: {_some([row[0] for row in pending])}."
    query = "SELECT id, rule_id, state, parked_for FROM automations_run WHERE state = ANY(%s)"
    found = seen.rows(query, ["due", "waiting", "calling", "parked"])
    stopped = seen.company.rules.get("stop")
    stuck = [r[0] for r in found if (r[1], r[2], r[3]) != (stopped, "parked", "stop")]
    if stuck:
        states = Counter(row[2] for row in found if row[0] in set(stuck))
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        yield f"Runs are stuck ({told}): {_some(stuck)}."


def every_standing_run_has_a_case(seen: Evidence) -> Iterator[str]:
    query = """SELECT r.id, r.state FROM automations_run r WHERE r.state IN ('held', 'failed')
        AND NOT EXISTS (SELECT 1 FROM automations_failure c
            WHERE c.run_id = r.id AND c.state <> 'resolved')"""
    if silent := [row[0] for row in seen.rows(query)]:
        yield f"A run stands still and no case shows it: {_some(silent)}."
    query = """SELECT r.id FROM automations_run r JOIN automations_failure c ON c.run_id = r.id
        WHERE r.state = 'done' AND c.state <> 'resolved'"""
    if stale := [row[0] for row in seen.rows(query)]:
        yield f"A run went on although its case is open: a stale write was taken: {_some(stale)}."


def no_orphans(seen: Evidence) -> Iterator[str]:
    orphans = {
        "Notes of dead workers remain": "SELECT id FROM automations_runclaim",
        "Runs have no event": """SELECT id FROM automations_run r WHERE NOT EXISTS
            (SELECT 1 FROM automations_event e WHERE e.id = r.event_id)""",
        "Effects have no run": """SELECT run_id FROM automations_effect f WHERE NOT EXISTS
            (SELECT 1 FROM automations_run r WHERE r.id = f.run_id)""",
        "Attempts have no run": """SELECT run_id FROM automations_steprun s WHERE NOT EXISTS
            (SELECT 1 FROM automations_run r WHERE r.id = s.run_id)""",
        "Cases have no run": """SELECT id FROM automations_failure c WHERE kind = 'run'
            AND NOT EXISTS (SELECT 1 FROM automations_run r WHERE r.id = c.run_id)""",
        "Sessions were forgotten in a transaction": """SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction'
            AND now() - state_change > interval '5 seconds'""",
    }
    for says, query in orphans.items():
        if found := [row[0] for row in seen.rows(query)]:
            yield f"{says}: {_some(found)}."


def the_stop_holds(seen: Evidence) -> Iterator[str]:
    query = """SELECT f.run_id FROM automations_stop s
        JOIN automations_run r ON r.rule_id = s.rule_id
        JOIN automations_effect f ON f.run_id = r.id AND f.state = 'confirmed'
        WHERE f.at > s.stopped_at + %s * interval '1 second'"""
    if found := [row[0] for row in seen.rows(query, STOP_SECONDS)]:
        yield f"A stopped rule went on acting: {_some(found)}."


def every_reply_once(seen: Evidence) -> Iterator[str]:
    query = "SELECT message_id, count(*) FROM support_message WHERE message_id = ANY(%s) GROUP BY 1"
    found = dict(seen.rows(query, list(seen.replies)))
    lost = [key for key, taken in seen.replies.items() if taken and key not in found]
    if lost:
        yield f"The site said it took a reply and has lost it: {_some(lost)}."
    if twice := [key for key, count in found.items() if count > 1]:
        yield f"A reply stands there twice: {_some(twice)}."


CHECKS: tuple[Check, ...] = (
    every_event_once,
    every_run_once,
    every_tag_once,
    every_finished_run_complete,
    every_step_done_once,
    every_ticket_once,
    stock_adds_up,
    no_call_twice,
    ledgers_agree,
    every_doubt_shown,
    nothing_sent_late,
    nothing_stuck,
    every_standing_run_has_a_case,
    no_orphans,
    the_stop_holds,
    every_reply_once,
)
