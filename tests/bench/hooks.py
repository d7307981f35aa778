"""Webhooks over HTTP: how many are checked, stored and committed, and how soon rules have acted.

Two web processes of granian take signed webhooks over connections that stay open; for the whole
path one worker turns them into events, runs and a tag on an order, among 100 rules of which each
webhook starts one.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection

from automations.intake import door
from automations.intake.signatures import SCHEMES, digest
from automations.models.intake import Delivery
from automations.services import approvals, intake, rules
from backoffice.actors import person
from backoffice.models import User
from config.local.services import free_port
from orders.models.orders import Order
from tests.bed.evidence import gather
from tests.bench import engine, hammer
from tests.bench.results import Result

SECRET = "whsec_c2lnbnMtd2hhdC10aGUtYmVuY2gtc2VuZHM="
TOPIC = "order.reported"
FEED = "orders.order_reported"
LINES = 16
PACE = 1_000

LAGS = """
SELECT extract(epoch FROM r.finished_at - d.received_at) * 1000
FROM automations_delivery d JOIN automations_run r ON r.event_id = d.event_id
WHERE d.id > %s AND r.state = 'done'
"""
SPAN = """
SELECT extract(epoch FROM max(r.finished_at) - min(d.received_at))
FROM automations_delivery d JOIN automations_run r ON r.event_id = d.event_id WHERE d.id > %s
"""


def make_source(staff: dict[str, User]) -> str:
    """A source that signs like Standard Webhooks and feeds reports on orders; answers its key."""
    keeper = person(staff["administrator"])
    source = intake.create_source(name="Bench", scheme="standard", actor=keeper)
    intake.store_secret(source.pk, value=SECRET, actor=keeper)
    mapping = {
        "order": {"at": "data.order"},
        "state": {"at": "data.status", "values": {"chargeback": "disputed"}},
        "reference": {"at": "data.rule"},
        "amount.amount": {"at": "data.amount"},
        "amount.currency": {"at": "data.currency"},
        "happened_at": {"at": "timestamp"},
    }
    intake.set_route(source.pk, topic=TOPIC, feed=FEED, mapping=mapping, actor=keeper)
    return source.key


def make_rules(staff: dict[str, User]) -> None:
    """100 rules, told apart by an equality."""
    for number in range(engine.RULES):
        rule = rules.create_rule(
            name=f"Hook {number}",
            domain="orders",
            body={
                "schema": 1,
                "trigger": {"on": FEED},
                "when": {
                    "all": [
                        {"field": "report.reference", "op": "is", "value": f"r{number}"},
                        {"field": "report.state", "op": "is", "value": "disputed"},
                        {
                            "field": "report.amount",
                            "op": "gte",
                            "value": {"amount": "1.00", "currency": "GBP"},
                        },
                    ]
                },
                "steps": [{"uid": "a1", "do": "orders.add_tag", "with": {"tag": f"hook-{number}"}}],
            },
            purpose="Measures.",
            fallback="Nothing.",
            actor=person(staff["operations"]),
        )
        document = rules.submit_rule(
            rule.pk, revision=1, why="Measures.", actor=person(staff["operations"])
        )
        gather(document)
        approvals.approve(
            document.pk, sha256=document.sha256, actor=person(staff["finance"]), comment=""
        )


def requests(key: str, numbers: list[str], port: int) -> list[bytes]:
    """A signed webhook for each order."""
    made, scheme, now = [], SCHEMES["standard"], int(time.time())
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    for count, number in enumerate(numbers):
        own_id = f"msg_{uuid.uuid4().hex}"
        body = json.dumps(
            {
                "type": TOPIC,
                "timestamp": at,
                "data": {
                    "order": number,
                    "status": "chargeback",
                    "rule": f"r{count % engine.RULES}",
                    "amount": "12.50",
                    "currency": "GBP",
                    "lines": [{"sku": "B00001", "quantity": 2}, {"sku": "B00002", "quantity": 1}],
                },
            }
        ).encode()
        signed = digest(scheme, SECRET, f"{own_id}.{now}.".encode() + body)
        headers = {
            "webhook-id": own_id,
            "webhook-timestamp": str(now),
            "webhook-signature": f"v1,{_base64(signed)}",
        }
        made.append(hammer.post(door.address(key), f"127.0.0.1:{port}", body, headers))
    return made


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@contextmanager
def web(url: str, port: int) -> Iterator[None]:
    """Two web processes on a database, as the Procfile has them, ended afterwards."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "config.web", "--interface", "wsgi", "config.wsgi:application"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "2"),
            *("--blocking-threads", "4", "--log-level", "warning"),
        ],
        env={**os.environ, "DATABASE_URL": url, "DATABASE_POOL": "true", "LOG_LEVEL": "WARNING"},
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            time.sleep(1)
            return
    raise RuntimeError("The web processes did not come up.")


def _last() -> int:
    return int(Delivery.objects.order_by("-pk").values_list("pk", flat=True).first() or 0)


def _prove(volley: hammer.Volley, count: int, after: int) -> None:
    stored = Delivery.objects.filter(pk__gt=after).count()
    if volley.statuses != {200: count} or stored != count:
        raise RuntimeError(f"{count} webhooks: {volley.statuses}, {stored} stored.")


def stored_per_second(key: str, numbers: list[str], port: int) -> tuple[float, float]:
    """How many a second are stored, and the 99th percentile of the answers in milliseconds."""
    made, after = requests(key, numbers, port), _last()
    volley = hammer.fire(port, made, lines=LINES)
    _prove(volley, len(made), after)
    return len(made) / volley.took, statistics.quantiles(volley.each_ms, n=100)[-1]


def done_per_second(
    key: str, numbers: list[str], port: int, per_second: float | None = None
) -> tuple[float, float, float]:
    """From the first webhook to the last effect: how many a second, and p50 and p95 of the lag."""
    made, after = requests(key, numbers, port), _last()
    volley = hammer.fire(port, made, lines=LINES // 2, per_second=per_second)
    _prove(volley, len(made), after)
    lags = _lags(after, len(made))
    with connection.cursor() as cursor:
        cursor.execute(SPAN, [after])
        span = float(cursor.fetchone()[0])
    return len(made) / span, statistics.median(lags), statistics.quantiles(lags, n=20)[-1]


def _lags(after: int, count: int) -> list[float]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(LAGS, [after])
            lags = [float(row[0]) for row in cursor.fetchall()]
        if len(lags) >= count:
            return lags
        time.sleep(0.25)
    raise RuntimeError(f"{len(lags)} of {count} webhooks came to their effect.")


def measure(staff: dict[str, User], url: str, count: int) -> list[Result]:
    """Both figures on one database that has at least `count` orders."""
    # They were imported, and history starts nothing.
    Order.objects.update(is_history=False)
    numbers = list(Order.objects.order_by("pk").values_list("number", flat=True)[:count])
    key, port = make_source(staff), free_port()
    with web(url, port):
        stored_per_second(key, numbers[:500], port)  # warm
        rate, late = stored_per_second(key, numbers, port)
        _put_away()
        make_rules(staff)
        with engine.workers(url, count=1):
            done_per_second(key, numbers[:500], port)
            engine.untag()
            whole, middle, slow = done_per_second(key, numbers, port)
            engine.untag()
            _, even, late_even = done_per_second(key, numbers[: PACE * 10], port, PACE)
    note = f"{count:,} webhooks, {LINES} connections, 2 web workers"
    return [
        Result("intake.webhooks_per_s", rate, "webhooks/s", note=note, must=1_500, aim=2_200),
        Result("intake.webhooks_ms.p99", late, "ms", must=40, aim=20),
        Result(
            "engine.webhook_to_done_per_s",
            whole,
            "webhooks/s",
            note=f"as fast as answers come, one worker; lag p50 {middle:.0f}, p95 {slow:.0f} ms",
            must=1_000,
            aim=1_600,
        ),
        Result(
            "engine.webhook_lag_ms.p95",
            late_even,
            "ms",
            note=f"at {PACE:,} a second; p50 {even:.0f} ms",
            must=100,
            aim=40,
        ),
    ]


def _put_away() -> None:
    """What was only stored is no part of what comes next."""
    Delivery.objects.filter(state=Delivery.State.WAITING).update(state=Delivery.State.UNREAD)
