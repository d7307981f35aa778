"""Screens of orders, customers and returns without a browser."""

from __future__ import annotations

import pytest
from django.test import Client

from orders.services.customers import NewCustomer, add_customers

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
