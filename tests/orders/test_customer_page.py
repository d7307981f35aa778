"""One customer on one page, and what is written on them checked at the field."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backoffice.actors import HOUSE, person
from backoffice.models import User
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.services.customers import NewCustomer, add_customers
from orders.services.errors import BadPhone, BadVatId
from orders.services.identity import clean_phone, clean_vat_id
from orders.services.placing import place_orders
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.shipping import ship_order
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line, make_channel, make_customer, place
from tests.support.factories import open_ticket

FIELDS = {
    "name": "Grace Holloway", "email": "g@example.com", "country": "GB", "phone": "",
    "postcode": "", "kind": "person", "company": "", "vat_id": "",
}  # fmt: skip


@pytest.mark.requirement("R90")
@pytest.mark.django_db
def test_orders_tickets_payments_refunds_messages_and_returns_stand_on_one_page(
    client: Client, support_user: User
) -> None:
    customer = make_customer()
    order = place(line(make_sku(stock=5), 2, "60.00"), customer_id=customer.pk)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    refund = request_refund(order, None, Refund.Reason.GOODWILL, actor=person(support_user))
    coming = NewReturn(
        order.channel, (NewReturnLine(1, order_line_id=order.lines.get().pk),), order_id=order.pk
    )
    (back,) = request_returns([coming], actor=HOUSE)
    ticket = open_ticket("Where is my mixer?", order=order, message="It was due on Friday.")
    client.force_login(support_user)
    page = client.get(f"/customers/{customer.number}/").content.decode()
    for shown in (order.number, back.number, "£120.00", "0 open"):
        assert shown in page
    # The parts of finance and support come by themselves, from addresses that the page names.
    for address, words in (
        (f"/finance/_/of-customer/{customer.pk}/", (refund.number, order.payments.get().number)),
        (f"/tickets/_/of-customer/{customer.pk}/", (ticket.number, "It was due on Friday.")),
    ):
        assert address in page
        part = client.get(address).content.decode()
        assert all(str(each) in part for each in words)


@pytest.mark.requirement("R90")
@pytest.mark.django_db
def test_the_page_takes_as_few_queries_for_a_thousand_orders_as_for_one(
    client: Client, support_user: User
) -> None:
    customer, sku, channel = make_customer(), make_sku(stock=2000), make_channel()
    client.force_login(support_user)
    place(line(sku), customer_id=customer.pk, channel=channel)
    address = f"/customers/{customer.number}/"
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    new = [draft(line(sku), customer_id=customer.pk, channel=channel) for _ in range(1000)]
    place_orders(new, actor=HOUSE)
    with CaptureQueriesContext(connection) as many:
        began = time.perf_counter()
        page = client.get(address).content.decode()
        took = time.perf_counter() - began
    assert "1,001" in page
    assert len(many) <= len(few) + 1
    assert took < 1.5  # far above what it takes; a query for each order would be above it


@pytest.mark.requirement("R86")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("vat_id", "GB980780685", "check digits do not fit"),
        ("vat_id", "DE12", "too many or too few"),
        ("vat_id", "hello", "no VAT id"),
        ("vat_id", "DE136695976", "is of DE, the customer of GB"),
        ("phone", "12", "No telephone has this number"),
        ("phone", "call me", "no telephone number"),
        ("email", "nobody", "valid email"),
        ("country", "Britain", "valid value"),
        ("company", "123", "letters in it"),
    ],
)
def test_what_is_wrong_is_refused_at_its_field_and_nothing_is_written(
    client: Client, support_user: User, field: str, value: str, says: str
) -> None:
    customer = make_customer()
    client.force_login(support_user)
    given = {**FIELDS, "company": "Larkfield Ltd", field: value}
    answer = client.post(f"/customers/{customer.number}/_/edit/?version=1", given)
    assert answer.status_code == 422
    text = answer.content.decode()
    assert says in text
    assert f'id="dialog_{field}_error"' in text
    assert Customer.objects.get(pk=customer.pk).version == 1


@pytest.mark.requirement("R86")
@pytest.mark.django_db
def test_a_company_is_written_with_its_vat_id_in_one_spelling(
    client: Client, support_user: User
) -> None:
    customer = make_customer()
    client.force_login(support_user)
    given = {**FIELDS, "company": "Larkfield Ltd", "vat_id": "gb 980 7806 84"}
    given["phone"] = "01225 460000"
    client.post(f"/customers/{customer.number}/_/edit/?version=1", given)
    now = Customer.objects.get(pk=customer.pk)
    assert (now.company, now.vat_id, now.phone) == (
        "Larkfield Ltd", "GB980780684", "+441225460000",
    )  # fmt: skip
    stale = client.post(f"/customers/{customer.number}/_/edit/?version=1", given)
    assert stale.status_code == 409


@pytest.mark.django_db
def test_a_vat_id_without_a_company_is_refused(client: Client, support_user: User) -> None:
    customer = make_customer()
    client.force_login(support_user)
    given = {**FIELDS, "vat_id": "GB980780684"}
    answer = client.post(f"/customers/{customer.number}/_/edit/", given)
    assert "Say what the company is called" in answer.content.decode()
    assert Customer.objects.get(pk=customer.pk).vat_id == ""


def test_greek_and_bare_numbers_are_read_with_their_country() -> None:
    assert clean_vat_id("094259216", "GR") == "EL094259216"
    assert clean_phone("030 901820", "DE") == "+4930901820"
    for bad in ("GB1", "FR00000000000", "ZZ123"):
        with pytest.raises(BadVatId):
            clean_vat_id(bad)
    with pytest.raises(BadPhone):
        clean_phone("460000")


@pytest.mark.django_db
def test_a_feed_with_a_wrong_vat_id_adds_nobody() -> None:
    with pytest.raises(BadVatId):
        add_customers([NewCustomer("1"), NewCustomer("2", vat_id="GB980780685")])
    assert Customer.objects.count() == Order.objects.count() == 0
