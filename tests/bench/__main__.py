"""`make bench`: first figures of the engine, the import and the pages, each beside its floor.

`--orders` and `--events` scale it down; `--file` imports an Online Retail file as well.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from tests.bed.databases import clone, drop, make_template, serving  # noqa: E402
from tests.bench import company, engine, floor, pages  # noqa: E402
from tests.bench.results import Result, keep, show  # noqa: E402

TRIALS = 3


def measure_engine(events: int, url: str, owner: str) -> list[Result]:
    """The median of three trials, each with its own events."""
    staff = company.staff()
    engine.make_rules(staff)
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "config", "worker", "-c", "2", "-l", "WARNING"),
            *("-Q", "internal,sweep", "--without-gossip", "--without-mingle"),
        ],
        env={**os.environ, "DATABASE_URL": url},
        start_new_session=True,
    )
    time.sleep(8)
    try:
        figures = []
        for _ in range(TRIALS):
            engine.store_events(events)
            figures.append(engine.events_per_second(events))
    finally:
        worker.terminate()
        worker.wait(30)
    base = floor.events_per_second(owner, events=events)
    note = f"{engine.RULES} rules, {events:,} events, 2 worker processes, median of {TRIALS}"
    return [Result("engine.events_per_s", sorted(figures)[TRIALS // 2], "events/s", base, note)]


def measure_pages(orders: int) -> list[Result]:
    """Every page as an administrator sees it, beside the smallest page there is."""
    client = company.client_of(company.staff()["administrator"])
    empty = pages.p95_ms(client, "/me/")
    results = [
        Result(f"pages.p95_ms.{name}", pages.p95_ms(client, address), "ms", empty)
        for name, address in pages.addresses().items()
    ]
    results[0] = Result(
        results[0].name, results[0].value, "ms", empty, f"{orders:,} orders; floor: /me/"
    )
    return results


def measure_import(file: Path) -> list[Result]:
    """Lines per second of the whole import, beside reading the file alone."""
    started = time.perf_counter()
    call_command("import_orders", str(file), format="online-retail")
    took = time.perf_counter() - started
    import gzip  # noqa: PLC0415

    opened = gzip.open if file.suffix == ".gz" else open
    started = time.perf_counter()
    with opened(file, "rt", encoding="utf-8") as text:
        lines = sum(1 for _ in text) - 1
    read = time.perf_counter() - started
    note = f"{lines:,} lines in {took:.0f} s; floor: reading the file"
    return [Result("import.lines_per_s", lines / took, "lines/s", lines / read, note)]


def main() -> None:
    """Measure on a database of its own, and print and keep what was measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--file", type=Path, default=settings.ROOT / SLICE)
    given = parser.parse_args()
    setup_test_environment()
    results: list[Result] = []
    for part in ("import", "company"):
        database = clone(make_template())
        try:
            with serving(database.name):
                if part == "import":
                    results += measure_import(given.file)
                else:
                    company.make_orders(given.orders)
                    results += measure_pages(given.orders)
                    owner = settings.DATABASE_OWNER_URL
                    results += measure_engine(given.events, database.url, owner)
        finally:
            drop(database.name)
    print(show(results))  # noqa: T201
    keep(results, settings.ROOT / "var" / "bench.json")


SLICE = "config/demo/data/online-retail-slice.csv.gz"

if __name__ == "__main__":
    main()
