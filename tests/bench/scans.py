"""A scheduled rule over a million orders: records a second, and the memory it takes.

`pushed`: every clause is a column, one order in a thousand matches. `judged`: a clause on the
lines, which only Python can see, so each order's payload is built. What stands beside them is one
plain query over the whole table.
"""

from __future__ import annotations

import resource
import time
from typing import Any

from django.db import connection

from automations.engine import schedule
from automations.engine.scan import scan_batch
from automations.models.schedules import ScheduleSlot
from automations.services import approvals, rules
from backoffice.actors import person
from backoffice.models import User
from orders.models.orders import Order
from tests.bench import company
from tests.bench.results import Result

ORDERS = 1_000_000
JUDGED = 20_000
AT_ONCE = 25_000
LATER = "2 days"

PUSHED = {
    "all": [
        {"field": "order.fulfilment", "op": "is", "value": "unshipped"},
        {"field": "order.total", "op": "gte", "value": {"amount": "10.00", "currency": "GBP"}},
        {"field": "order.placed_at", "op": "older_than", "value": "PT48H"},
        {"field": "order.units", "op": "is", "value": 999},
    ]
}
ON_LINES = {"some": "order.lines", "where": {"field": "sku.fragile", "op": "is", "value": True}}


def make_live_orders(count: int) -> None:
    """Copies of one order, live and unshipped, of which one in a thousand has 999 units."""
    company.make_orders(1)
    own = {"id", "number", "external_id", "is_history", "units", "fulfilment", "placed_at"}
    fields = Order._meta.concrete_fields
    names = [str(field.column) for field in fields if field.column not in own]
    columns = ", ".join(names)
    with connection.cursor() as cursor:
        insert = f"""
            INSERT INTO orders_order (number, external_id, is_history, units, fulfilment, placed_at,
                {columns})
            SELECT 'S' || n, '', false, CASE WHEN n %% 1000 = 0 THEN 999 ELSE 1 END, 'unshipped',
                now() - interval '3 days', {columns}
            FROM (SELECT * FROM orders_order ORDER BY id LIMIT 1) one,
                generate_series(%s, %s) AS n
            """
        for start in range(0, count, AT_ONCE):
            cursor.execute(insert, [start + 1, min(count, start + AT_ONCE)])
        cursor.execute("ANALYZE orders_order")


def make_rule(staff: dict[str, User], name: str, when: Any) -> int:
    """A live rule that comes round at the next full minute of the day after tomorrow."""
    author = person(staff["operations"])
    body = {
        "schema": 1,
        "trigger": {"every": "0 8 * * *", "zone": "UTC", "for": "orders.order"},
        "when": when,
        "steps": [{"uid": "a1", "do": "orders.add_tag", "with": {"tag": "late"}}],
    }
    rule = rules.create_rule(
        name=name, domain="orders", body=body, purpose="Measures.", fallback="-", actor=author
    )
    document = rules.submit_rule(rule.pk, revision=1, why="Measures.", actor=author)
    approvals.approve(
        document.pk, sha256=document.sha256, actor=person(staff["finance"]), comment=""
    )
    return rule.pk


def records_per_second(rule_id: int) -> tuple[float, ScheduleSlot]:
    """Scan one slot from end to end in this process."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT now() + interval '{LATER}'")
        (now,) = cursor.fetchone()
    schedule.dispatch(now)
    ScheduleSlot.objects.filter(state="due").exclude(rule_id=rule_id).delete()
    started = time.perf_counter()
    while scan_batch():
        pass
    took = time.perf_counter() - started
    slot = ScheduleSlot.objects.filter(rule_id=rule_id).latest("fire_at")
    if slot.state != ScheduleSlot.State.DONE:
        raise RuntimeError(f"The slot is {slot.state}: {slot.says}")
    return slot.examined / took, slot


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _floor() -> float:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM orders_order WHERE NOT is_history AND fulfilment = 'unshipped' "
            "AND total >= 10 AND currency = 'GBP' AND units = 999"
        )
        cursor.fetchone()
    return Order.objects.count() / (time.perf_counter() - started)


def measure(staff: dict[str, User], orders: int = ORDERS, judged: int = JUDGED) -> list[Result]:
    """Both scans, on tables that hold nothing else but what this makes."""
    floor = _floor_after(orders)
    before = _peak_mb()
    rate, slot = records_per_second(make_rule(staff, "Pushed down", PUSHED))
    grown = _peak_mb() - before
    note = f"{slot.examined:,} orders, {slot.events:,} matched, {grown:.0f} MB more at the peak"
    found = [Result("scan.pushed_records_per_s", rate, "records/s", floor, note)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM orders_order ORDER BY id OFFSET %s LIMIT 1", [judged])
        row = cursor.fetchone()
        if row is not None:
            cursor.execute("SELECT max(id) FROM orders_order")
            (last,) = cursor.fetchone()
            for start in range(row[0], last, AT_ONCE):
                cursor.execute(
                    "UPDATE orders_order SET is_history = true WHERE id > %s AND id <= %s",
                    [start, start + AT_ONCE],
                )
    rate, slot = records_per_second(make_rule(staff, "Judged in Python", ON_LINES))
    note = f"{slot.examined:,} orders, each payload built"
    return [*found, Result("scan.judged_records_per_s", rate, "records/s", floor, note)]


def _floor_after(orders: int) -> float:
    make_live_orders(orders)
    return _floor()
