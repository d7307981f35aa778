"""Steps outside: calls a second to a local fake, with the whole protocol around each.

Runs stand in the lane of one connector when the clock starts; it stops when the last effect is
confirmed. A real worker process with threads calls a fake that is a process of its own, keeps a
ledger and takes 10 ms for each answer. What stands beside it is the same client with no engine
around it.

    python -m config.local with-services --state var/bench -- python -m tests.bench.outside
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    django.setup()

from django.conf import settings
from django.db import connection

from automations.connectors.targets import read_url
from automations.connectors.transport import Limits, Transport
from automations.engine import wake
from automations.engine.execute import execute_batch
from automations.engine.match import match_batch
from automations.models.connectors import ConnectorAccount
from automations.models.runs import Effect, Run
from automations.services import approvals, connectors, rules
from backoffice.actors import person
from backoffice.models import User
from tests.bed.databases import clone, drop, make_template, serving
from tests.bed.evidence import gather
from tests.bench import company, engine
from tests.bench.results import Result, show

CAP = 64
TRIALS = 3
ANSWERS_AFTER = 0.01


def make_caller(staff: dict[str, User], url: str) -> ConnectorAccount:
    """An account at the fake, and a rule that calls it for each order."""
    keeper, finance = person(staff["administrator"]), person(staff["finance"])
    account = connectors.create_account(name="Bench", kind="automations.http", actor=keeper)
    scope = connectors.checked_scope(
        account,
        {"base": url, "auth": "none", "per_minute": 600_000, "burst": 10_000, "cap": CAP},
    )
    document = connectors.submit_scope(account.pk, scope=scope, why="Measures.", actor=keeper)
    approvals.approve(document.pk, sha256=document.sha256, actor=finance)
    step = {
        "account": account.key,
        "method": "POST",
        "path": "/orders",
        "body": json.dumps({"reference": "{{ order.number }}", "total": {"field": "order.total"}}),
    }
    body = {
        "schema": 1,
        "trigger": {"on": engine.TRIGGER},
        "when": {"all": []},
        "steps": [{"uid": "a1", "do": "automations.call_http", "with": step}],
    }
    rule = rules.create_rule(
        name="Bench outside",
        domain="orders",
        body=body,
        purpose="Measures.",
        fallback="Nothing.",
        actor=person(staff["operations"]),
    )
    made = rules.submit_rule(
        rule.pk, revision=1, why="Measures.", actor=person(staff["operations"])
    )
    gather(made)
    approvals.approve(made.pk, sha256=made.sha256, actor=finance)
    return account


def queue_calls(count: int) -> None:
    """Put so many runs into the lane: their events stored, matched, and taken to their step."""
    engine.store_events(count)
    with patch.object(wake, "send"):  # nobody begins before the clock does
        while match_batch() + execute_batch():
            pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE automations_run")


def calls_per_second(account: ConnectorAccount, count: int, *, limit: float = 300) -> float:
    """Wake the worker and wait for every effect; raises RuntimeError when one is missing."""
    confirmed = Effect.objects.filter(lane=account.key, state="confirmed")
    before = confirmed.count()
    started = time.perf_counter()
    wake.send("call", account.key)
    while (done := confirmed.count() - before) < count:
        if time.perf_counter() - started > limit:
            states = list(Run.objects.values_list("state", flat=True))
            told = {state: states.count(state) for state in set(states)}
            raise RuntimeError(f"Only {done} of {count} calls: {told}")
        time.sleep(0.05)
    return count / (time.perf_counter() - started)


def floor_per_second(url: str, count: int) -> float:
    """Calls a second of the same client, as many at once, with no engine around it."""
    transport = Transport(Limits(), CAP)
    target = read_url(f"{url}/floor")
    headers = {"Content-Type": "application/json", "Idempotency-Key": "floor"}

    def one(number: int) -> int:
        return transport.exchange("POST", target, headers, b'{"number": 1}').status

    with ThreadPoolExecutor(CAP) as pool:
        list(pool.map(one, range(CAP)))
        started = time.perf_counter()
        list(pool.map(one, range(count)))
        took = time.perf_counter() - started
    transport.close()
    return count / took


def start_fake(ledger: Path) -> tuple[subprocess.Popen[str], str]:
    """The fake system, and its address."""
    slow = json.dumps([{"do": "delay", "seconds": ANSWERS_AFTER}])
    command = [sys.executable, "-m", "tests.bed.outside", "--ledger", str(ledger)]
    command += ["--behave", slow]
    fake = subprocess.Popen(command, cwd=settings.ROOT, stdout=subprocess.PIPE, text=True)
    assert fake.stdout is not None
    port = fake.stdout.readline().rpartition(":")[2].strip()
    return fake, f"http://127.0.0.1:{port}"


def start_worker(url: str) -> subprocess.Popen[bytes]:
    """The worker of the queue “external”, as the Procfile has it."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-P", "threads"]
    command += ["-c", "16", "-Q", "external", "-l", "WARNING", "-n", "bench-external@%h"]
    command += ["--without-gossip", "--without-mingle"]
    return subprocess.Popen(
        command, env={**os.environ, "DATABASE_URL": url}, start_new_session=True
    )


def measure_outside(count: int, url: str, *, processes: int = 1) -> list[Result]:
    """The median of three trials on the database that is served now, whose address is `url`."""
    with tempfile.TemporaryDirectory() as folder:
        fake, address = start_fake(Path(folder, "ledger.sqlite"))
        workers = [start_worker(url) for _ in range(processes)]
        try:
            account = make_caller(company.staff(), address)
            time.sleep(8)
            figures = []
            for _ in range(TRIALS):
                queue_calls(count)
                figures.append(calls_per_second(account, count))
            floor = floor_per_second(address, count)
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait(60)
            fake.terminate()
            fake.wait(60)
            if fake.stdout is not None:
                fake.stdout.close()
    note = f"{count:,} calls of {ANSWERS_AFTER * 1_000:.0f} ms, {CAP} at once, "
    note += f"{processes} process, median of {TRIALS}: "
    note += ", ".join(f"{figure:.0f}" for figure in figures)
    middle = statistics.median(figures)
    return [Result("external.calls_per_s", middle, "calls/s", floor, note, must=300, aim=800)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    database = clone(make_template())
    try:
        with serving(database.name):
            company.make_orders(given.calls)
            results = measure_outside(given.calls, database.url, processes=given.processes)
    finally:
        drop(database.name)
    print(show(results))  # noqa: T201


if __name__ == "__main__":
    main()
