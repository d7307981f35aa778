"""The anchor: Celery with one task per event, the usual way to react to what happens.

The same rows as `floor.py`, written by one task for each event: read it, find its rule among 100,
insert the run and commit; take the effect, mark run and event done and commit. The database
connection is kept open, as `CELERY_DB_REUSE_MAX` does: out of the box Celery is three times slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from typing import Any

import psycopg
from celery import Celery
from celery.signals import worker_process_init
from psycopg.types.json import Jsonb

from tests.bench import floor

# Not the current app: the product sends its own messages through that one.
app = Celery("one_task_each", broker=os.environ.get("REDIS_URL", ""), set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    task_default_queue="one-task-each",
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)
DJANGO = "DJANGO_SETTINGS_MODULE"
_state: dict[str, Any] = {}


@worker_process_init.connect
def connect(**kwargs: object) -> None:
    """Each worker process keeps one connection."""
    _state["connection"] = psycopg.connect(os.environ["BENCH_URL"], autocommit=True)
    _state["connection"].execute("SET search_path = bench_floor")
    _state["rules"] = floor.rules()


@app.task
def react(event_id: int) -> None:
    """Everything that one event sets off."""
    connection = _state["connection"]
    with connection.transaction():
        subject_id, facts = connection.execute(
            "SELECT subject_id, facts FROM event WHERE id = %s", [event_id]
        ).fetchone()
        matching = [number for number, matches in _state["rules"] if matches(facts)]
        runs = [
            connection.execute(
                "INSERT INTO run (id, event_id, rule_id, subject_id, state, input)"
                " VALUES (%s, %s, %s, %s, 'due', %s) ON CONFLICT DO NOTHING RETURNING id",
                [uuid.uuid4(), event_id, number, subject_id, Jsonb(facts)],
            ).fetchone()
            for number in matching
        ]
    with connection.transaction():
        for run in runs:
            connection.execute("INSERT INTO effect (run_id, step) VALUES (%s, 'a1')", [run[0]])
            connection.execute("SELECT FROM subject WHERE id = %s FOR NO KEY UPDATE", [subject_id])
            connection.execute(
                "UPDATE subject SET tags = array_append(tags, 'x'), version = version + 1"
                " WHERE id = %s",
                [subject_id],
            )
            connection.execute(
                "UPDATE run SET state = 'done', finished_at = now() WHERE id = %s", [run[0]]
            )
        connection.execute("UPDATE event SET matched = true WHERE id = %s", [event_id])


def events_per_second(url: str, *, events: int) -> float:
    """Events per second, enqueued and done by two worker processes."""
    # Without Django's settings, Celery would not load the product, whose signals come with it.
    environment = {name: kept for name, kept in os.environ.items() if name != DJANGO}
    environment["BENCH_URL"] = url
    with psycopg.connect(url, autocommit=True) as connection:
        floor.fill(connection, events)
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tests.bench.one_task_each", "worker"),
                *("-c", "2", "-l", "WARNING", "--without-gossip", "--without-mingle"),
            ],
            env=environment,
            start_new_session=True,
        )
        try:
            time.sleep(6)
            started = time.perf_counter()
            for event_id in range(1, events + 1):
                react.delay(event_id)
            took = _wait(connection, events, started)
        finally:
            worker.terminate()
            worker.wait(30)
            connection.execute("DROP SCHEMA bench_floor CASCADE")
    return events / took


def _wait(connection: psycopg.Connection[Any], events: int, started: float) -> float:
    while time.perf_counter() - started < 300:
        row = connection.execute("SELECT count(*) FROM bench_floor.effect").fetchone()
        if row is not None and row[0] >= events:
            return time.perf_counter() - started
        time.sleep(0.05)
    raise RuntimeError("One task per event did not get done in five minutes.")
