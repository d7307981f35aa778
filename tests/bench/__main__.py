"""`make bench`: what the budgets speak of, each figure beside its floor and its anchor.

`BENCH=engine,latency make bench` measures some parts; `--history 10000000`, `--orders 1000000` and
`--file FILE` are the large forms. Parts: import, pages, engine, outside, hooks, processes, scaling,
history, health, inventory, scans, backtest, preview.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from automations.engine import wake  # noqa: E402
from tests.bed.databases import Database, clone, drop, make_template, serving  # noqa: E402
from tests.bench import (  # noqa: E402
    backtests,
    cases,
    company,
    engine,
    floor,
    health,
    hooks,
    inventory,
    latency,
    one_task_each,
    outside,
    pages,
    processes,
    scaling,
    scans,
)
from tests.bench.results import Result, keep, show  # noqa: E402

TRIALS = 3
SLICE = "config/demo/data/online-retail-slice.csv.gz"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured on."""

    orders: int
    events: int
    history: int
    runs: int
    calls: int
    scanned: int
    previewed: int
    file: Path


def measure_import(database: Database, sizes: Sizes) -> list[Result]:
    """Lines per second of the whole import, beside reading the file alone."""
    file = sizes.file
    started = time.perf_counter()
    call_command("import_orders", str(file), format="online-retail")
    took = time.perf_counter() - started
    opened = gzip.open if file.suffix == ".gz" else open
    started = time.perf_counter()
    with opened(file, "rt", encoding="utf-8") as text:
        lines = sum(1 for _ in text) - 1
    read = time.perf_counter() - started
    note = f"{lines:,} lines in {took:.0f} s; floor: reading the file"
    return [
        Result(
            "import.lines_per_s",
            lines / took,
            "lines/s",
            lines / read,
            note,
            must=2_300,
            aim=10_000,
        )
    ]


def measure_pages(database: Database, sizes: Sizes) -> list[Result]:
    """Every page as an administrator sees it, beside the smallest page there is."""
    company.make_orders(sizes.orders)
    # No web process has just made all these orders: its collector has no leftovers to walk.
    gc.collect()
    gc.freeze()
    client = company.client_of(company.staff()["administrator"])
    empty = pages.p95_ms(client, "/me/")
    note = f"{sizes.orders:,} orders; floor: /me/"
    found = []
    for name, address in pages.addresses().items():
        must, aim = (500, 200) if name == "home" else (300, 120)
        figure = pages.p95_ms(client, address)
        found.append(Result(f"pages.p95_ms.{name}", figure, "ms", empty, note, must=must, aim=aim))
        note = ""
    return found


def measure_cases(database: Database, sizes: Sizes) -> list[Result]:
    """The failures queue with many open cases, and a job that retries a tenth of them."""
    company.make_orders(sizes.orders)
    staff, count = company.staff(), sizes.orders
    cases.make_cases(count, staff)
    client = company.client_of(staff["operations"])
    empty = pages.p95_ms(client, "/me/")
    note = f"{count:,} open cases; floor: /me/"
    found = []
    for name, address in cases.addresses().items():
        figure = pages.p95_ms(client, address)
        found.append(Result(f"pages.p95_ms.{name}", figure, "ms", empty, note, must=300, aim=120))
        note = ""
    rate = cases.retried_per_second(count // 10, staff)
    note = f"{count // 10:,} of {count:,} open cases, one job, one process"
    return [*found, Result("cases.retried_per_s", rate, "cases/s", note=note, must=500)]


def measure_engine(database: Database, sizes: Sizes) -> list[Result]:
    """Throughput of one and of three steps, and latency, with two real worker processes."""
    company.make_orders(sizes.events)
    staff, owner = company.staff(), settings.DATABASE_OWNER_URL
    anchor = one_task_each.events_per_second(owner, events=min(sizes.events, 5_000))
    found = []
    for steps, name, must, aim in (
        (1, "engine.events_per_s", 3_000, 6_500),
        (3, "engine.flow3_runs_per_s", 1_500, 3_000),
    ):
        engine.make_rules(staff, steps=steps)
        figure, base, lean = _throughput(database, sizes.events, steps)
        note = (
            f"{engine.RULES} rules, {sizes.events:,} events, 2 workers, median of {TRIALS};"
            f" lean floor {lean:,.0f}, ratio {figure / lean:.2f}"
        )
        found.append(
            Result(name, figure, "events/s", base, note, anchor=anchor, must=must, aim=aim)
        )
    engine.make_rules(staff)
    engine.untag()
    with engine.workers(database.url):
        middle, late = latency.milliseconds(per_second=100, seconds=10)
    note = "announced to effect, 100 a second"
    return [
        *found,
        Result("engine.latency_ms.p50", middle, "ms", note=note, must=30, aim=12),
        Result("engine.latency_ms.p95", late, "ms", must=80, aim=30),
    ]


def _throughput(database: Database, events: int, steps: int) -> tuple[float, float, float]:
    """The engine, the floor and the lean floor; in turn, as a machine's speed wanders."""
    owner, figures = settings.DATABASE_OWNER_URL, []
    with engine.workers(database.url):
        for _ in range(TRIALS):
            base = floor.events_per_second(owner, events=events)
            lean = floor.events_per_second(owner, events=events, lean=True)
            engine.untag()
            figures.append((engine.runs_per_second(events, steps=steps), base, lean))
    figure, base, lean = map(statistics.median, zip(*figures, strict=True))
    return figure, base, lean


def measure_outside(database: Database, sizes: Sizes) -> list[Result]:
    """Steps that call a system outside, with one real worker process of threads."""
    company.make_orders(sizes.calls)
    return outside.measure_outside(sizes.calls, database.url)


def measure_scaling(database: Database, sizes: Sizes) -> list[Result]:
    """What 10,000 rules cost beside 10, and what stored history costs."""
    company.make_orders(5_000)
    staff, target = company.staff(), database.owner_url
    with patch.object(wake, "call_for_help"):  # this process alone matches
        scaling.live_rules(target, 10, staff["operations"])
        few = statistics.median(scaling.microseconds_per_event(5_000) for _ in range(TRIALS))
        scaling.live_rules(target, 10_000, staff["operations"], first=10)
        many = statistics.median(scaling.microseconds_per_event(5_000) for _ in range(TRIALS))
    note = f"{few:.0f} µs with 10 rules, {many:.0f} µs with 10,000"
    return [Result("engine.rules_scaling", many / few, "times", note=note, must=3, aim=1.5)]


def measure_history(database: Database, sizes: Sizes) -> list[Result]:
    """Throughput with much stored beside little."""
    company.make_orders(sizes.events)
    engine.make_rules(company.staff())
    little, *_ = _throughput(database, sizes.events, 1)
    scaling.store_history(sizes.history)
    much, *_ = _throughput(database, sizes.events, 1)
    note = f"{little:,.0f}/s with little, {much:,.0f}/s with {sizes.history:,} stored events"
    return [Result("engine.history_scaling", much / little, "of 1", note=note, must=0.9, aim=0.97)]


def measure_health(database: Database, sizes: Sizes) -> list[Result]:
    """The engine's figures and its list of runs, with many runs behind them."""
    company.make_orders(1_000)
    staff = company.staff()
    engine.make_rules(staff)
    client = company.client_of(staff["administrator"])
    empty = pages.p95_ms(client, "/me/")
    health.make_runs(sizes.runs, engine.RULES)
    note = f"{sizes.runs:,} runs"
    found = [Result("health.counted_runs_per_s", health.count_per_second(), "runs/s", note=note)]
    for name, address in health.addresses().items():
        figure = pages.p95_ms(client, address)
        found.append(Result(f"pages.p95_ms.{name}", figure, "ms", empty, must=300, aim=120))
    return [*found, Result("metrics.p95_ms", health.scrape_ms(client), "ms", empty)]


def measure_inventory(database: Database, sizes: Sizes) -> list[Result]:
    """The inventory of 500 rules, and what is due of them, with many runs behind them."""
    company.make_orders(1_000)
    staff = company.staff()
    scaling.live_rules(database.owner_url, inventory.RULES, staff["operations"])
    health.make_runs(sizes.runs, inventory.RULES)
    health.count_per_second()
    client = company.client_of(staff["administrator"])
    empty = pages.p95_ms(client, "/me/")
    note = f"{inventory.RULES} rules, {sizes.runs:,} runs"
    found = [Result("inventory.count_ms", inventory.count_ms(), "ms", note=note, must=2_000)]
    for name, address in inventory.addresses().items():
        figure = pages.p95_ms(client, address)
        found.append(Result(f"pages.p95_ms.{name}", figure, "ms", empty, must=300, aim=120))
    return found


def measure_hooks(database: Database, sizes: Sizes) -> list[Result]:
    """Signed webhooks over HTTP: stored, and on to the effects of the rules they start."""
    company.make_orders(sizes.events)
    return hooks.measure(company.staff(), database.url, sizes.events)


def measure_processes(database: Database, sizes: Sizes) -> list[Result]:
    """What web, worker and beat hold in memory, and what a first visit loads."""
    company.make_orders(sizes.events)
    staff = company.staff()
    first = processes.measure_first_visit(staff, database.url)
    return [*first, *processes.measure_memory(staff, database.url)]


def measure_scans(database: Database, sizes: Sizes) -> list[Result]:
    """A schedule's scan of a million orders, pushed down and judged one by one."""
    return scans.measure(company.staff(), sizes.scanned)


def measure_backtest(database: Database, sizes: Sizes) -> list[Result]:
    """A version and what is live over 90 days of events, in one process."""
    return backtests.measure_backtest(company.staff(), sizes.history, database.owner_url)


def measure_preview(database: Database, sizes: Sizes) -> list[Result]:
    """The builder's preview of 30 days."""
    return backtests.measure_preview(sizes.previewed, database.owner_url)


Measure = Callable[[Database, Sizes], list[Result]]
PARTS: dict[str, Measure] = {
    "import": measure_import,
    "pages": measure_pages,
    "cases": measure_cases,
    "engine": measure_engine,
    "outside": measure_outside,
    "hooks": measure_hooks,
    "processes": measure_processes,
    "scaling": measure_scaling,
    "history": measure_history,
    "health": measure_health,
    "inventory": measure_inventory,
    "scans": measure_scans,
    "backtest": measure_backtest,
    "preview": measure_preview,
}


def main() -> None:
    """Measure each part on a database of its own, and print and keep what was measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[], help=", ".join(PARTS))
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--history", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--scanned", type=int, default=scans.ORDERS)
    parser.add_argument("--previewed", type=int, default=100_000)
    parser.add_argument("--file", type=Path, default=settings.ROOT / SLICE)
    given = parser.parse_args()
    wanted = given.parts or [name for name in os.environ.get("BENCH", "").split(",") if name]
    sizes = Sizes(
        orders=given.orders,
        events=given.events,
        history=given.history,
        runs=given.runs,
        calls=given.calls,
        scanned=given.scanned,
        previewed=given.previewed,
        file=given.file,
    )
    setup_test_environment()
    results: list[Result] = []
    for name in wanted or PARTS:
        database = clone(make_template())
        try:
            with serving(database.name):
                results += PARTS[name](database, sizes)
        finally:
            drop(database.name)
    print(show(results))  # noqa: T201
    keep(results, settings.ROOT / "var" / "bench.json")


if __name__ == "__main__":
    main()
