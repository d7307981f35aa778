"""The floor of the engine: the same work as plain SQL, with nothing around it.

Claim a batch of events, match 100 rules with compiled closures, write runs, take the effects, mark
everything done: two transactions a batch, COPY for the rows, two processes. What the engine reaches
beside it shows what rules, explanations, retries and guards cost.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import psycopg

BATCH = 500
RULES = 100

SCHEMA = """
DROP SCHEMA IF EXISTS bench_floor CASCADE;
CREATE SCHEMA bench_floor;
SET search_path = bench_floor;
CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject_id bigint NOT NULL,
    facts jsonb NOT NULL, matched boolean NOT NULL DEFAULT false);
CREATE INDEX event_open ON event (id) WHERE NOT matched;
CREATE TABLE run (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id bigint NOT NULL,
    rule_id int NOT NULL, subject_id bigint NOT NULL, state text NOT NULL,
    UNIQUE (event_id, rule_id));
CREATE INDEX run_open ON run (id) WHERE state = 'due';
CREATE TABLE effect (key text PRIMARY KEY, run_id bigint NOT NULL);
CREATE TABLE subject (id bigint PRIMARY KEY, tags text[] NOT NULL DEFAULT '{}',
    version int NOT NULL DEFAULT 1);
"""


def fill(connection: psycopg.Connection[Any], events: int) -> None:
    """Make the tables anew, with so many events nobody has matched."""
    connection.execute(SCHEMA)
    connection.execute(
        "INSERT INTO subject (id) SELECT i FROM generate_series(1, %s) AS i", [events]
    )
    connection.execute(
        "INSERT INTO event (subject_id, facts) SELECT i, jsonb_build_object('order.total', i,"
        " 'order.country', 'DE', 'rule', i %% %s) FROM generate_series(1, %s) AS i",
        [RULES, events],
    )
    connection.execute("ANALYZE")


def events_per_second(url: str, *, events: int) -> float:
    """Events per second that plain SQL matches, runs and marks done with two processes."""
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, events)
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
            "SELECT id, subject_id, facts FROM event WHERE NOT matched ORDER BY id LIMIT %s"
            " FOR UPDATE SKIP LOCKED",
            [BATCH],
        ).fetchall()
        if not events:
            return 0
        with connection.cursor().copy(
            "COPY run (event_id, rule_id, subject_id, state) FROM STDIN"
        ) as copy:
            for event, subject, facts in events:
                for number, matches in rules:
                    if matches(facts):
                        copy.write_row((event, number, subject, "due"))
        connection.execute(
            "UPDATE event SET matched = true WHERE id = ANY(%s)", [[row[0] for row in events]]
        )
    return len(events)


def _execute(connection: psycopg.Connection[Any]) -> int:
    with connection.transaction():
        runs = connection.execute(
            "SELECT id, subject_id, event_id, rule_id FROM run WHERE state = 'due' ORDER BY id"
            " LIMIT %s FOR UPDATE SKIP LOCKED",
            [BATCH],
        ).fetchall()
        if not runs:
            return 0
        subjects = sorted({row[1] for row in runs})
        connection.execute(
            "SELECT id FROM subject WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [subjects]
        )
        with connection.cursor().copy("COPY effect (key, run_id) FROM STDIN") as copy:
            for run, _, event, rule in runs:
                copy.write_row((f"{event}:{rule}:a1:0", run))
        connection.execute(
            "UPDATE subject SET tags = array_append(tags, 'x'), version = version + 1"
            " WHERE id = ANY(%s)",
            [subjects],
        )
        connection.execute(
            "UPDATE run SET state = 'done' WHERE id = ANY(%s)", [[row[0] for row in runs]]
        )
    return len(runs)
