"""The demonstration company, made of a small slice, and its live orders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document
from automations.models.events import Event, PendingEvent
from automations.models.rules import Rule
from backoffice.models import User
from config.demo import company, live, rules
from config.demo.people import person
from config.demo.slice import FILE, Slice
from config.imports.online_retail.run import understand
from config.imports.source import open_source
from inventory.models import Sku
from inventory.queries.levels import levels_that_differ
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import BlockEntry
from support.models import Ticket
from tests.bed.databases import Database
from tests.imports.books import check_books
from tests.imports.files import UK, Line, write


def line(number: str, code: str, units: int, at: str, customer: int = 1) -> Line:
    name = "GLASS JAR" if code == "10001" else "BUNTING"
    return (number, code, name, units, f"2011-{at}:00", "2.50", customer, UK)


LINES: list[Line] = [
    line("570001", "10001", 6, "11-20 10:00"),
    line("570002", "10002", 9, "11-30 10:00", 2),
    line("C570003", "10002", -2, "12-01 10:00", 2),
    line("570004", "10001", 3, "12-04 11:00", 3),
    line("570005", "10003", 4, "12-04 15:00"),
    line("570006", "10001", 5, "12-05 09:00", 2),
    line("570007", "10002", 1, "12-05 09:30", 4),
]  # fmt: skip


@pytest.fixture
def part(tmp_path: Path) -> Slice:
    return Slice(understand(open_source(write(tmp_path, LINES)), StringIO()))


@pytest.fixture
def channel(db: None, part: Slice) -> Channel:
    return company.make_company(part, StringIO())


def numbers(orders: Sequence[Order]) -> list[str]:
    return [order.number for order in orders]


def test_history_ends_now_and_the_last_day_is_open(channel: Channel) -> None:
    past = Order.objects.filter(is_history=True).order_by("placed_at")
    today = Order.objects.filter(external_id__startswith="live-").order_by("placed_at")
    assert numbers(list(past)) == ["570001", "570002"]
    assert numbers(list(today)) == ["570004", "570005"]
    last = today[1].placed_at
    assert timezone.now() - last < timedelta(minutes=1)
    # Two weeks and five hours lie between them in the file, too.
    assert last - past[0].placed_at == timedelta(days=14, hours=5)
    check_books()


def test_history_waits_for_no_rule_and_the_open_day_does(channel: Channel) -> None:
    waiting = PendingEvent.objects.values_list("event_id", flat=True)
    placed = Event.objects.filter(trigger="orders.order_placed")
    assert set(placed.filter(pk__in=waiting).values_list("history", flat=True)) == {False}
    assert not Event.objects.filter(history=True, pk__in=waiting).exists()


def test_customers_have_invented_names_and_the_same_ones_always(channel: Channel) -> None:
    order = Order.objects.get(number="570004")
    assert order.customer is not None
    assert order.customer.name == person("3", "GB").name == order.ship_name
    assert order.customer.email.endswith("@example.com")


def test_fragile_is_what_sounds_like_it(channel: Channel) -> None:
    bought = Sku.objects.filter(code__startswith="1000")
    fragile = dict(bought.values_list("code", "is_fragile"))
    assert fragile == {"10001": True, "10002": False, "10003": False}


def test_it_has_tickets_and_open_work(channel: Channel) -> None:
    assert Ticket.objects.filter(order__isnull=False).exists()
    assert Order.objects.exclude(fulfilment="shipped").exists()


def test_it_has_rules_that_two_people_put_in_force_and_one_that_waits(
    part: Slice, operations_user: User, finance_user: User
) -> None:
    company.make_company(part, StringIO())
    live = Activation.objects.in_force().values_list("rule__name", flat=True)
    assert len(live) == len(rules.IN_FORCE)
    for approval in Approval.objects.select_related("document"):
        assert approval.approver_id == finance_user.pk
        assert approval.document.submitted_by_id == operations_user.pk
    waiting = Document.objects.filter(state="submitted", kind="rule")
    assert waiting.count() == len(rules.WAITING)
    assert Rule.objects.count() == len(rules.IN_FORCE) + len(rules.WAITING) + len(rules.DRAFTS)
    company.make_company(part, StringIO())
    assert Activation.objects.count() == len(rules.IN_FORCE)


def test_each_kind_of_doubt_has_an_order_that_waits(channel: Channel) -> None:
    waiting = Review.objects.filter(state=Review.State.OPEN)
    assert set(waiting.values_list("kind", flat=True)) == set(Review.Kind.values)
    proposals = [review.found["proposal"] is not None for review in waiting.filter(kind="address")]
    assert sorted(proposals) == [False, True]
    assert {entry.value for entry in BlockEntry.objects.all()} == {"rush@example.com"}
    assert waiting.filter(found__outcome="blocked").count() == 1


def test_made_twice_it_is_the_same_company(channel: Channel, part: Slice) -> None:
    def counts() -> list[int]:
        return [model.objects.count() for model in (Order, Ticket, Sku, Review)]

    before = counts()
    assert company.make_company(part, StringIO()) == channel
    assert counts() == before


def test_live_orders_follow_and_begin_anew(channel: Channel, part: Slice) -> None:
    coming = live.upcoming(channel, part.coming_orders)
    seen = []
    for cycle, document in (next(coming) for _ in range(5)):
        (order,) = company.place_live(channel, cycle, [document])
        seen.append(order.external_id)
    assert seen == [
        "live-0-570006", "live-0-570007", "live-1-570006", "live-1-570007", "live-2-570006",
    ]  # fmt: skip
    assert levels_that_differ() == []
    # Started again, it goes on where it stopped.
    cycle, document = next(live.upcoming(channel, part.coming_orders))
    assert (cycle, document.number) == (2, "570007")


def test_live_orders_are_paid_after_some_seconds(channel: Channel, part: Slice) -> None:
    (order,) = company.place_live(channel, 0, part.coming_orders[:1])
    live.settle(channel)
    order.refresh_from_db()
    assert order.payment == "unpaid"
    Order.objects.filter(pk=order.pk).update(placed_at=timezone.now() - timedelta(seconds=7))
    live.settle(channel)
    order.refresh_from_db()
    assert order.payment == "paid"
    assert not order.is_history


def test_demo_live_ends_on_sigterm(committed_db: Database, part: Slice) -> None:
    company.make_company(part, StringIO())
    env = {**os.environ, "DATABASE_URL": committed_db.url,
           "DJANGO_SETTINGS_MODULE": "config.settings.test"}  # fmt: skip
    data = str(part.understood.source.path)
    running = subprocess.Popen(
        [sys.executable, "manage.py", "demo_live", "--per-minute", "600", "--data", data],
        cwd=settings.ROOT, env=env, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        until = time.monotonic() + 90
        before = Order.objects.count()
        while Order.objects.count() == before and time.monotonic() < until:
            assert running.poll() is None
            time.sleep(0.2)
        assert Order.objects.count() > before
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.communicate()


def test_without_a_company_demo_live_says_what_to_do(db: None) -> None:
    with pytest.raises(CommandError, match="Run demo_company first"):
        call_command("demo_live")


def test_the_slice_ships_with_its_attribution() -> None:
    text = FILE.with_name("ATTRIBUTION.md").read_text()
    assert "10.24432/C5BW33" in text
    assert "CC BY 4.0" in text
    assert FILE.stat().st_size < 1_500_000
