"""Screens of orders, customers and returns without a browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orders.models.customers import Customer
from orders.services.customers import NewCustomer, add_customers
from tests.inventory.factories import make_sku
from tests.orders.factories import line, pay, place

pytestmark = pytest.mark.django_db


def test_a_customer_is_found_by_the_start_of_a_name_in_any_case(support_client: Client) -> None:
    add_customers(
        [
            NewCustomer("13318", name="Greaves Trading", country="GB"),
            NewCustomer("13319", name="Ann Greaves", country="GB"),
        ]
    )
    page = support_client.get("/search/?q=greav").content.decode()
    assert "/customers/13318/" in page
    assert "/customers/13319/" not in page


def test_customers_who_never_bought_end_the_list_on_every_page(support_client: Client) -> None:
    now = timezone.now()
    Customer.objects.bulk_create(
        Customer(
            number=f"C{n:03}",
            name=f"Customer {n:03}",
            last_order_at=now - timedelta(days=n) if n % 2 else None,
        )
        for n in range(120)
    )
    pages = [support_client.get(f"/customers/?page={page}") for page in (1, 2, 3)]
    seen = [row.record for page in pages for row in page.context["listing"].rows]
    numbers = [customer.number for customer in seen]
    assert numbers[:60] == [f"C{n:03}" for n in range(120) if n % 2]
    assert sorted(numbers[60:]) == [f"C{n:03}" for n in range(120) if not n % 2]
    assert len(set(numbers)) == 120


@pytest.mark.parametrize("address", ["/orders/", "/tickets/", "/failures/", "/settings/audit/"])
def test_a_list_that_searches_by_a_function_has_its_box(
    address: str, administrator_client: Client
) -> None:
    assert 'role="search"' in administrator_client.get(address).content.decode()


def test_an_export_writes_amounts_as_the_currency_does(operations_client: Client) -> None:
    place(line(make_sku(stock=5), 2, "9.50"))
    exported = operations_client.get("/orders/_/export/?view=all")
    text = b"".join(exported.streaming_content).decode()  # type: ignore[attr-defined]
    assert ",19.00,GBP," in text


def test_an_empty_view_leads_to_all_and_what_is_not_paid_is_not_to_ship(
    operations_client: Client,
) -> None:
    unpaid, paid = (place(line(make_sku(stock=9))) for _ in range(2))
    pay(paid)
    first = operations_client.get("/orders/?view=at-risk").content.decode()
    assert "Everything that must leave today can." in first
    assert 'href="/orders/?view=all"' in first
    assert unpaid.number in operations_client.get("/orders/?view=all").content.decode()
    # The desk opens on what is at risk; a search from there finds what is not.
    searched = operations_client.get(f"/orders/?q={unpaid.number}").content.decode()
    assert "1 order in all." in searched
    assert f'href="/orders/?view=all&amp;q={unpaid.number}"' in searched
    missed = operations_client.get("/orders/?q=nothing-like-it").content.decode()
    assert "Nothing matches" in missed
    assert 'href="/orders/?view=all">Clear the filters' in missed
    to_ship = operations_client.get("/orders/?view=to-ship").content.decode()
    assert paid.number in to_ship
    assert unpaid.number not in to_ship
