"""The records that schedules go over: columns tell what payloads tell, and history is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automations.catalogue import catalogue_for, flatten
from automations.conditions.fields import Field, Kind
from automations.conditions.values import read, stored_instant
from automations.engine import scan as scanning
from automations.engine import schedule
from automations.engine.existing import shared_columns
from automations.models.events import Event
from automations.models.schedules import ScheduleSlot
from automations.services import approvals, rules
from automations.triggers import Scan, scans, triggers
from backoffice import subjects
from backoffice.actors import HOUSE, person
from backoffice.money import Money
from finance.models.refunds import Refund
from finance.services.refunds import NewRefund, request_refunds
from orders.models.claims import Claim
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.services.carts import NewCart, NewCartLine, receive_carts
from orders.services.claims import open_claim
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.shipping import ship_order
from orders.services.tags import add_tags
from support.services.tickets import assign
from tests.automations import factories as make
from tests.automations.schedules import last_slot, scan_all, utc
from tests.finance import factories as money
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, make_customer, pay, place, place_history
from tests.support.factories import make_queue, open_ticket

PAST = datetime(2010, 12, 1, 9, 41, tzinfo=UTC)
KEYS = [known.key for known in scans]


def some_of_everything() -> None:
    """Records with and without what can be missing: a customer, a cost, a payment, a tag."""
    make_channel()
    sku = make_sku(stock=20, cost=money.pounds("3.25"), reorder_point=5, is_fragile=True)
    make_sku("84029E", allow_backorder=True)
    known = place(line(sku, 3, "19.99"), customer_id=make_customer().pk)
    pay(known)
    ship_order(known.pk, actor=HOUSE)
    add_tags([known.pk], ["vip", "gift"], actor=HOUSE)
    guest = place(line(sku, 1, "1000.05"))
    pay(guest, "10.00")
    back = NewReturn(
        channel=known.channel,
        order_id=known.pk,
        lines=(NewReturnLine(1, order_line_id=known.lines.get().pk),),
        external_id="",
    )
    request_returns([back], actor=HOUSE)
    units = {known.lines.get().pk: 1}
    open_claim(known.pk, units, reason=Claim.Reason.DAMAGED, actor=HOUSE)
    goods = (NewCartLine(2, Decimal("9.95"), sku.code), NewCartLine(1, Decimal(3), "OTHER"))
    left: dict[str, Any] = {"active_at": timezone.now() - timedelta(days=2), "lines": goods}
    carts = [
        NewCart(known.channel, "c-1", customer_id=known.customer_id, **left),
        NewCart(known.channel, "c-2", **left),
    ]
    receive_carts(carts, actor=HOUSE)
    make_customer("17851")
    Customer.objects.filter(number="17851").update(country="", tags=["new"])
    make_queue()
    ticket = open_ticket(queue="parcels", order=known, customer=known.customer)
    open_ticket(queue="parcels")
    assign([ticket.pk], make.staff("support"), actor=HOUSE)
    paid = money.make_paid_order("80.00")
    request_refunds(
        [
            NewRefund(
                order_id=paid.pk,
                amount=money.pounds("12.50"),
                reason=Refund.Reason.LATE,
                actor=person(make.staff("support")),
                note="",
                key="r1",
            )
        ]
    )
    make.make_parcels(2)
    make.make_parcels(1, carrier="")


def as_stored(field: Field, value: Any) -> Any:
    """A column's value as facts would hold it."""
    if value is None:
        return None
    if field.kind is Kind.DATETIME:
        return stored_instant(value)
    return list(value) if field.kind is Kind.TAGS else value


def differing(known: Scan, path: str, column: Any, field: Field) -> list[Any]:
    names = (column,) if isinstance(column, str) else column
    rows = {pk: values for pk, *values in known.rows().values_list("pk", *names)}
    found = []
    for pk, payload in known.current(rows).items():
        facts = flatten(payload)[0]
        if field.kind is Kind.MONEY:
            amount, currency = rows[pk]
            told = read(field, facts)
            seen = Money(amount, currency) if amount is not None and currency else None
            same = (told is None and seen is None) or (
                told is not None and (told.amount, told.currency) == (amount, currency)
            )
        elif field.kind is Kind.CHOICE or field.kind is Kind.COUNTRY:
            same = (facts[field.key] or None) == (rows[pk][0] or None)
        else:
            same = facts[field.key] == as_stored(field, rows[pk][0])
        if not same:
            found.append((path, facts, rows[pk]))
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("key", KEYS)
def test_each_column_holds_what_the_payload_tells(key: str) -> None:
    some_of_everything()
    known = scans[key]
    assert known.rows().exists()
    fields = catalogue_for(known).fields
    for path, column in known.columns.items():
        assert differing(known, path, column, fields[path]) == []


@pytest.mark.django_db
def test_what_a_fact_tells_of_its_subject_is_what_a_scan_tells_of_it() -> None:
    some_of_everything()
    compared = set()
    for trigger in triggers:
        known = scans.get(trigger.subject)
        columns = shared_columns(trigger, known) if known is not None else {}
        if known is None or not columns:
            continue
        ids = list(known.rows().values_list("pk", flat=True))
        fields, mine, theirs = (
            catalogue_for(known).fields,
            trigger.current(ids),
            known.current(ids),
        )
        for pk, payload in mine.items():
            seen, told = flatten(payload)[0], flatten(theirs[pk])[0]
            for path in columns:
                compared.add((trigger.key, path))
                for key in fields[path].keys:
                    assert seen[key] == told[key], (trigger.key, path, pk)
    assert len({key for key, _ in compared}) > 20


@pytest.mark.parametrize("key", KEYS)
def test_each_scan_is_of_a_subject_and_says_who_the_customer_is(key: str) -> None:
    known = scans[key]
    assert subjects.get(known.subject).label == known.key
    fields = catalogue_for(known).fields
    assert not known.customer or fields[known.customer].kind is Kind.TEXT


@pytest.mark.parametrize("key", [known.key for known in triggers])
def test_a_trigger_whose_payload_names_a_customer_says_where(key: str) -> None:
    known = triggers[key]
    named = "customer.number" in catalogue_for(known).fields
    assert (known.customer == "customer.number") is named or known.subject == "depot.parcel"


@pytest.mark.django_db
def test_imported_orders_are_gone_over_by_no_schedule() -> None:
    make_channel()
    place_history(line(make_sku(stock=5)), shipped_at=PAST)
    live = place(line(make_sku(stock=5)))
    assert list(scans["orders.order"].rows()) == [live]


def scheduled_orders(when: Any) -> None:
    body = {
        "schema": 1,
        "trigger": {"every": "0 8 * * *", "zone": "Europe/London", "for": "orders.order"},
        "when": when,
        "steps": [{"uid": "a1", "do": "orders.add_tag", "with": {"tag": "late"}}],
    }
    author = person(make.author())
    rule = rules.create_rule(
        name="Late orders", domain="orders", body=body, fallback="By hand.", actor=author
    )
    document = rules.submit_rule(rule.pk, revision=1, why="Needed.", actor=author)
    approver = person(make.staff("finance"))
    approvals.approve(document.pk, sha256=document.sha256, actor=approver, comment="")
    last_slot(rule, utc(2027, 1, 11, 8))


UNSHIPPED = {
    "all": [
        {"field": "order.fulfilment", "op": "is", "value": "unshipped"},
        {"field": "order.is_held", "op": "is", "value": False},
        {"not": {"field": "order.tags", "op": "contains", "value": "late"}},
    ]
}


@pytest.mark.django_db
@pytest.mark.requirement("R2")
def test_orders_that_wait_are_found_by_the_schedule_and_tagged_once() -> None:
    make_channel()
    sku = make_sku(stock=50)
    waiting = [place(line(sku)) for _ in range(3)]
    shipped = place(line(sku))
    pay(shipped)
    ship_order(shipped.pk, actor=HOUSE)
    scheduled_orders(UNSHIPPED)
    for day in (12, 13):
        schedule.dispatch(utc(2027, 1, day, 8, 1))
        scan_all()
        make.work_all()
    tagged = Order.objects.filter(tags__contains=["late"])
    assert set(tagged.values_list("pk", flat=True)) == {order.pk for order in waiting}
    counts = ScheduleSlot.objects.order_by("fire_at").values_list("examined", "events")
    assert list(counts)[1:] == [(4, 3), (4, 0)]


@pytest.mark.django_db
def test_a_page_of_many_orders_takes_no_more_queries_than_a_page_of_few() -> None:
    make_channel()
    sku = make_sku(stock=500)
    scheduled_orders({"all": [{"field": "order.units", "op": "gte", "value": 1}]})
    taken = []
    for count, day in ((1, 12), (2, 13), (40, 14)):
        for _ in range(count):
            place(line(sku))
        schedule.dispatch(utc(2027, 1, day, 8, 1))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            scanning.scan_batch()
        taken.append(len(queries))
    # The first also reads what is in force.
    assert taken[1] == taken[2]
    assert Event.objects.filter(key__startswith="slot:").count() == 1 + 3 + 43
