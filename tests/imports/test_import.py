"""import_orders from outside: what is in the books after it, and what it says."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from backoffice.timeline import story
from finance.models.ledger import Account
from finance.models.payments import Payment
from finance.queries import trial_balance
from inventory.models import Sku, StockLevel, StockMove
from orders.models.customers import Customer
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from tests.bed.databases import Database, clone, drop, serving
from tests.imports.books import check_books, earned, entity, everything, rows
from tests.imports.files import STORY, UK, Line, write

Role = Account.Role


class Imported:
    """One run of the command."""

    def __init__(self, path: Path, **options: object) -> None:
        self.reports = path.parent / "reports"
        out = StringIO()
        call_command(
            "import_orders", str(path), format="online-retail", reports=self.reports,
            stdout=out, stderr=StringIO(), **options,
        )  # fmt: skip
        self.said = out.getvalue()

    @property
    def report(self) -> dict[str, object]:
        (path,) = self.reports.glob("*-report.json")
        return dict(json.loads(path.read_text()))


def sale(number: str, code: str, units: int, day: int, *, customer: object = 1) -> Line:
    return (number, code, "THING", units, f"2011-01-{day:02d} 10:00:00", "1.25", customer, UK)


@pytest.fixture
def story_in(db: None, tmp_path: Path) -> Imported:
    return Imported(write(tmp_path))


def balance(role: Account.Role) -> Decimal:
    return trial_balance(entity().pk).of(role, "GBP")


def test_the_books_hold_after_the_story(story_in: Imported) -> None:
    check_books()
    # Every line's value, each rounded to the penny, is what the company earned.
    assert earned() == Decimal("3233.55")
    assert story_in.report["total"] == {
        "lines": len(STORY),
        "units": 93,
        "value": "3233.551",
        "rounded_away": "0.001",
    }


def test_an_order_is_as_its_invoice(story_in: Imported) -> None:
    order = Order.objects.get(number="536366")
    assert (order.total, order.units, order.line_count) == (Decimal("61.18"), 7, 3)
    assert order.is_history
    assert order.customer is not None
    assert order.customer.number == "17850"
    assert (order.payment, order.fulfilment) == ("paid", "shipped")
    assert order.placed_at.isoformat() == "2010-12-01T08:30:00+00:00"
    lines = order.lines.order_by("position").values_list("sku__code", "quantity", "unit_price")
    assert list(lines) == [
        ("15056BL", 2, Decimal("5.9500")),
        ("15056bl", 3, Decimal("12.4600")),
        ("15056BL", 2, Decimal("5.9500")),
    ]


def test_lines_that_are_no_products_move_no_stock(story_in: Imported) -> None:
    guest = Order.objects.get(number="536544")
    assert guest.customer is None
    kinds = list(guest.lines.order_by("position").values_list("kind", "sku__code"))
    assert kinds == [
        ("stock", "21773"),
        ("gift_card", None),
        ("postage", None),
        ("manual", None),
        ("stock", "22580"),
    ]
    assert not Sku.objects.filter(code__in=["DOT", "POST", "M", "D", "S", "B"]).exists()
    assert balance(Role.SHIPPING) == -Decimal("623.77")


def test_prices_keep_their_decimals_and_totals_are_pennies(story_in: Imported) -> None:
    line = OrderLine.objects.get(sku__code="PADS")
    assert (line.unit_price, line.line_total) == (Decimal("0.001"), Decimal(0))
    assert line.order.total == 0


def test_countries_that_are_none_are_unknown(story_in: Imported) -> None:
    countries = dict(Order.objects.values_list("number", "ship_country"))
    assert (countries["536840"], countries["538003"], countries["536370"]) == ("IE", "", "FR")


def test_the_great_sale_was_cancelled_before_it_left(story_in: Imported) -> None:
    order = Order.objects.get(number="581483")
    assert (order.total, order.fulfilment) == (Decimal("168469.60"), "cancelled")
    assert order.cancelled_at is not None
    assert (order.cancelled_at - order.placed_at).total_seconds() == 12 * 60
    assert not StockMove.objects.filter(sku__code="23843").exists()
    assert not Payment.objects.filter(order=order).exists()
    assert order.customer is not None
    assert order.customer.orders_count == 0
    assert order.customer.lifetime_spend == 0


def test_goods_of_a_credit_come_back_to_their_order(story_in: Imported) -> None:
    back = ReturnOrder.objects.get(number="C536500")
    assert back.order is not None
    assert (back.order.number, back.state, back.amount) == ("536365", "received", Decimal("6.78"))
    assert back.order.returns == "part_returned"
    level = StockLevel.objects.get(sku__code="71053", location__kind="quarantine")
    assert level.on_hand == 2


def test_goods_without_an_order_are_returns_that_say_why(story_in: Imported) -> None:
    causes = ReturnOrder.objects.filter(order=None).values_list("number", "unmatched_cause")
    assert dict(causes) == {"C536391": "never_bought", "C536758": "no_customer"}
    assert balance(Role.UNMATCHED) != 0


def test_goods_without_an_order_are_cases_grouped_by_cause(story_in: Imported) -> None:
    cases = Failure.objects.filter(subject="orders.returnorder")
    assert cases.count() == 2
    assert cases.values("cause").distinct().count() == 2


def test_what_is_imported_is_history_and_waits_for_no_rule(story_in: Imported) -> None:
    events = Event.objects.values_list("trigger", flat=True)
    assert events.filter(trigger="orders.order_placed").count() == 8
    assert events.filter(trigger="orders.order_cancelled").count() == 1
    assert events.filter(trigger="inventory.stock_written_off").count() == 2
    assert not Event.objects.filter(history=False).exists()
    assert not PendingEvent.objects.exists()


def test_write_offs_and_finds_move_stock_with_the_keepers_remark(story_in: Imported) -> None:
    moved = StockMove.objects.filter(reason__in=["write_off", "adjustment"])
    assert sorted(moved.values_list("sku__code", "reason", "quantity", "note")) == [
        ("21653", "write_off", 6, "damaged"),
        ("21777", "write_off", 10, ""),
        ("22139", "adjustment", 56, ""),
    ]


def test_what_the_company_pays_is_in_its_accounts(story_in: Imported) -> None:
    assert balance(Role.MARKETPLACE_FEES) == Decimal("1.00") - Decimal("13541.33")
    assert balance(Role.BANK_FEES) == Decimal("15.00")
    assert balance(Role.COMMISSIONS) == Decimal("16.00")
    assert balance(Role.SAMPLES) == Decimal("12.95")
    assert balance(Role.BAD_DEBT) == Decimal("11062.06")
    assert balance(Role.DISCOUNTS) == Decimal("27.50")


def test_opening_stock_is_labelled_as_inferred(story_in: Imported) -> None:
    opening = StockMove.objects.filter(reason="opening_inferred")
    assert opening.filter(sku__code="15056BL").get().quantity == 4
    first = opening.order_by("occurred_at").first()
    assert first is not None
    assert first.occurred_at.isoformat() == "2010-12-01T00:00:00+00:00"


def test_an_order_tells_its_story_as_of_then(story_in: Imported) -> None:
    order = Order.objects.get(number="536365")
    texts = [entry.text for entry in story("orders.order", order.pk)]
    assert "Return C536500 received: 2 units" in texts
    assert {entry.at.year for entry in story("orders.order", order.pk)} == {2010}


def test_a_second_run_changes_nothing_and_says_so(db: None, tmp_path: Path) -> None:
    path = write(tmp_path)
    Imported(path)
    before = everything()
    packed = write(tmp_path, name="again.csv.gz")
    assert "nothing has changed" in Imported(packed).said
    assert "left alone" in Imported(path, load_good_rows=True).said
    assert everything() == before


def broken(lines: Sequence[Line], every: int) -> list[Line]:
    """Each so-manieth line with a date that is none."""
    return [
        (*line[:4], "yesterday", *line[5:]) if place % every == 0 else line
        for place, line in enumerate(lines)
    ]


def test_a_dirty_file_is_refused_row_by_row(db: None, tmp_path: Path) -> None:
    path = write(tmp_path, broken(STORY, 10))
    with pytest.raises(CommandError, match=r"4 of 33 lines can't be loaded.*Nothing was loaded"):
        Imported(path)
    assert not Order.objects.exists()
    assert not Sku.objects.exists()
    (errors,) = (tmp_path / "reports").glob("*-errors.csv")
    with errors.open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(row["line"], row["column"], row["value"]) for row in listed] == [
        (str(line), "InvoiceDate", "yesterday") for line in (2, 12, 22, 32)
    ]
    assert all(row["problem"] for row in listed)


def test_the_good_rows_of_a_dirty_file_are_loaded_if_told_to(db: None, tmp_path: Path) -> None:
    run = Imported(write(tmp_path, broken(STORY, 10)), load_good_rows=True)
    check_books()
    assert run.report["lines_not_loaded"] == 4
    assert run.report["lines_loaded_now"] == 29
    order = Order.objects.get(number="536365")
    assert [line.source_row for line in order.lines.all()] == [2]


def test_a_mended_file_brings_the_missing_lines_once(db: None, tmp_path: Path) -> None:
    Imported(write(tmp_path, broken(STORY, 10)), load_good_rows=True)
    mended = Imported(write(tmp_path, name="mended.csv"))
    check_books()
    assert "completed" in mended.said
    # The line of 536365 that could not be read is an order of its own, with its place kept.
    late = OrderLine.objects.get(source_document="536365", source_row=1)
    assert late.order.number == "536365-2"
    assert earned() == Decimal("3233.55")
    assert OrderLine.objects.count() == 16
    before = everything()
    Imported(write(tmp_path, name="mended.csv"), load_good_rows=True)
    assert everything() == before


def test_an_invoice_that_differs_from_what_was_imported_is_left_alone(
    db: None, tmp_path: Path
) -> None:
    Imported(write(tmp_path))
    before = everything()
    lines = [(*line[:3], 7, *line[4:]) if line[1] == "71053" and line[3] == 6 else line
             for line in STORY]  # fmt: skip
    changed = Imported(write(tmp_path, lines, name="changed.csv"))
    assert "differ from what was imported" in changed.said
    assert "536365" in changed.said
    assert everything() == before


def test_a_later_file_returns_goods_of_an_earlier_one(db: None, tmp_path: Path) -> None:
    Imported(write(tmp_path, [sale("500001", "10001", 5, 1), sale("C500002", "10001", -2, 3)]))
    Imported(write(tmp_path, [sale("C500003", "10001", -4, 9)], name="later.csv"))
    check_books()
    back = ReturnOrder.objects.filter(number__startswith="C500003").order_by("number")
    assert [(row.order and row.order.number, row.units) for row in back] == [
        ("500001", 3),
        (None, 1),
    ]


def test_a_later_file_needs_only_the_opening_stock_that_is_not_there(
    db: None, tmp_path: Path
) -> None:
    found = ("500002", "10001", "found", 3, "2011-01-02 10:00:00", "0.0", "", UK)
    Imported(write(tmp_path, [sale("500001", "10001", 5, 1), found]))
    Imported(write(tmp_path, [sale("500003", "10001", 4, 9)], name="later.csv"))
    check_books()
    opening = StockMove.objects.filter(reason="opening_inferred").order_by("pk")
    assert list(opening.values_list("quantity", flat=True)) == [5, 1]


def test_two_customers_of_one_name_stay_two(db: None, tmp_path: Path) -> None:
    Imported(write(tmp_path, [sale("500001", "10001", 1, 1, customer=1)]))
    Imported(
        write(tmp_path, [sale("500002", "10001", 1, 2, customer=1),
                         sale("500003", "10001", 1, 2, customer=2)], name="b.csv")
    )  # fmt: skip
    counts = Customer.objects.values_list("number", "orders_count").order_by("number")
    assert list(counts) == [("1", 2), ("2", 1)]


def test_a_file_that_is_none_is_refused(db: None, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(CommandError, match="The header lacks InvoiceNo"):
        Imported(path)
    with pytest.raises(CommandError, match="unknown encoding"):
        Imported(write(tmp_path), encoding="klingon")


def year(invoices: int) -> list[Line]:
    """Enough sales and returns for many sets: every fifth invoice takes half of an earlier back."""
    lines: list[Line] = []
    for place in range(invoices):
        number, at = 500000 + place, f"2011-{place % 11 + 1:02d}-{place % 27 + 1:02d} 09:00:00"
        customer, code = place % 40, f"{10000 + place % 90}"
        if place % 5:
            lines += [(str(number), code, "A", 4, at, "1.10", customer, UK),
                      (str(number), f"{code}B", "B", 2, at, "2.05", customer, UK)]  # fmt: skip
        else:
            lines.append((f"C{number}", code, "A", -2, at, "1.10", customer, UK))
    return lines


def start(path: Path, database: Database) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "DATABASE_URL": database.url,
        "DATABASE_OWNER_URL": database.owner_url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    command = ["manage.py", "import_orders", "--format", "online-retail", str(path)]
    return subprocess.Popen(
        [sys.executable, *command, "--reports", str(path.parent / "reports")],
        cwd=settings.ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_killed_in_the_middle_it_goes_on_without_doubling(
    committed_db: Database, template_database: str, tmp_path: Path
) -> None:
    path = write(tmp_path, year(4000))
    running = start(path, committed_db)
    until = time.monotonic() + 120
    while time.monotonic() < until and running.poll() is None:
        ((done,),) = rows("SELECT count(*) FROM roof_importeddocument")
        if done:
            break
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    _, errors = running.communicate()
    ((done,),) = rows("SELECT count(*) FROM roof_importeddocument")
    assert 0 < done < 4000, errors.decode()[-2000:]
    again = Imported(path)
    assert f"{done:,} invoices had been loaded before" in again.said
    check_books()
    resumed = everything()
    connection.close()
    other = clone(template_database)
    try:
        with serving(other.name):
            Imported(path)
            assert everything() == resumed
            connection.close()
    finally:
        drop(other.name)


def test_two_imports_at_once_are_one_too_many(committed_db: Database, tmp_path: Path) -> None:
    path = write(tmp_path)
    lock = int.from_bytes(b"imports")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
    running = start(path, committed_db)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert b"Another import is running" in errors
    assert not Order.objects.exists()
