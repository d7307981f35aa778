"""The floor of the engine: the same work as plain SQL, with nothing around it.

Claim a batch of events, match 100 rules with compiled closures, write runs, take the effects, mark
everything done: two transactions a batch, COPY for the rows, two processes. What the engine reaches
beside it shows what rules, explanations, retries and guards cost.

The tables are such as Django makes them: foreign keys, an index for each, the event's facts kept on
the run. `lean` is the same without foreign keys and their indexes: the least that is of any use.
"""

from __future__ import annotations

import multiprocessing
import time
import uuid
from collections.abc import Callable
from typing import Any

import orjson
import psycopg

BATCH = 500
RULES = 100

SCHEMA = """
DROP SCHEMA IF EXISTS bench_floor CASCADE;
CREATE SCHEMA bench_floor;
SET search_path = bench_floor;
CREATE TABLE rule (id bigint PRIMARY KEY);
CREATE TABLE subject (id bigint PRIMARY KEY, tags text[] NOT NULL DEFAULT '{}',
    version int NOT NULL DEFAULT 1);
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject_id bigint NOT NULL,
    facts jsonb NOT NULL, matched boolean NOT NULL DEFAULT false);
CREATE INDEX event_open ON event (id) WHERE NOT matched;
CREATE TABLE run (id uuid PRIMARY KEY, event_id bigint NOT NULL, rule_id bigint NOT NULL,
    subject_id bigint NOT NULL, state text NOT NULL, input jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
    UNIQUE (event_id, rule_id));
CREATE INDEX run_open ON run (event_id) WHERE state = 'due';
CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id uuid NOT NULL,
    step text NOT NULL, UNIQUE (run_id, step));
"""
# One statement for each foreign key, and its index.
KEYS = "".join(
    f"ALTER TABLE {table} ADD FOREIGN KEY ({other}_id) REFERENCES {other}"
    f" DEFERRABLE INITIALLY DEFERRED; CREATE INDEX ON {table} ({other}_id);"
    for table, other in (
        ("run", "event"),
        ("run", "rule"),
        ("run", "subject"),
        ("effect", "run"),
    )
)
# What an event tells, some 300 bytes.
FACTS = f"""
jsonb_build_object('order.total', i, 'order.country', 'DE', 'rule', i %% {RULES},
    'order.number', 'N' || lpad(i::text, 9, '0'), 'order.currency', 'GBP', 'order.units', 7,
    'order.payment', 'paid', 'order.fulfilment', 'unshipped', 'order.channel', 'web-shop',
    'order.placed_at', '2026-11-20T12:00:00+00:00', 'order.is_held', false,
    'customer.kind', 'private', 'customer.number', 'C0001234')
"""


def fill(connection: psycopg.Connection[Any], events: int, *, lean: bool = False) -> None:
    """Make the tables anew, with so many events nobody has matched."""
    connection.execute(SCHEMA)
    if not lean:
        connection.execute(KEYS)
    connection.execute("INSERT INTO rule SELECT i FROM generate_series(0, %s) AS i", [RULES - 1])
    connection.execute(
        "INSERT INTO subject (id) SELECT i FROM generate_series(1, %s) AS i", [events]
    )
    connection.execute(
        f"INSERT INTO event (subject_id, facts) SELECT i, {FACTS} FROM generate_series(1, %s) AS i",
        [events],
    )
    connection.execute("ANALYZE")


def events_per_second(url: str, *, events: int, lean: bool = False) -> float:
    """Events per second that plain SQL matches, runs and marks done with two processes."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, events, lean=lean)
        started = time.perf_counter()
        workers = [multiprocessing.Process(target=_work, args=(url,)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(300)
        took = time.perf_counter() - started
        row = connection.execute(
            "SELECT count(*) FROM bench_floor.effect JOIN bench_floor.run ON run.id = run_id"
            " WHERE state = 'done'"
        ).fetchone()
        connection.execute("DROP SCHEMA bench_floor CASCADE")
    if row is None or row[0] != events:
        raise RuntimeError(f"The floor lost work: {row} of {events} effects.")
    return events / took


def _rule(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda facts: (
        facts["rule"] == number and facts["order.total"] > 0 and facts["order.country"] != "GB"
    )


def rules() -> list[tuple[int, Callable[[dict[str, Any]], bool]]]:
    """The rules by number, as closures."""
    return [(number, _rule(number)) for number in range(RULES)]


def _work(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = bench_floor")
        known = rules()
        while _match(connection, known) + _execute(connection):
            pass


def _match(
    connection: psycopg.Connection[Any], rules: list[tuple[int, Callable[[dict[str, Any]], bool]]]
) -> int:
    with connection.transaction():
        events = connection.execute(
            "SELECT id, subject_id, facts::text FROM event WHERE NOT matched ORDER BY id LIMIT %s"
            " FOR UPDATE SKIP LOCKED",
            [BATCH],
        ).fetchall()
        if not events:
            return 0
        with connection.cursor().copy(
            "COPY run (id, event_id, rule_id, subject_id, state, input) FROM STDIN"
        ) as copy:
            for event, subject, told in events:
                facts = orjson.loads(told)
                for number, matches in rules:
                    if matches(facts):
                        copy.write_row((uuid.uuid4(), event, number, subject, "due", told))
        connection.execute(
            "UPDATE event SET matched = true WHERE id = ANY(%s)", [[row[0] for row in events]]
        )
    return len(events)


def _execute(connection: psycopg.Connection[Any]) -> int:
    with connection.transaction():
        runs = connection.execute(
            "SELECT id, subject_id FROM run WHERE state = 'due' ORDER BY event_id LIMIT %s"
            " FOR NO KEY UPDATE SKIP LOCKED",
            [BATCH],
        ).fetchall()
        if not runs:
            return 0
        subjects = sorted({row[1] for row in runs})
        connection.execute(
            "SELECT id FROM subject WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [subjects]
        )
        with connection.cursor().copy("COPY effect (run_id, step) FROM STDIN") as copy:
            for run, _ in runs:
                copy.write_row((run, "a1"))
        connection.execute(
            "UPDATE subject SET tags = array_append(tags, 'x'), version = version + 1"
            " WHERE id = ANY(%s)",
            [subjects],
        )
        connection.execute(
            "UPDATE run SET state = 'done', finished_at = now() WHERE id = ANY(%s)",
            [[row[0] for row in runs]],
        )
    return len(runs)
