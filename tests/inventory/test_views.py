"""Screens of stock without a browser."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from backoffice.actors import HOUSE
from inventory.models import Location
from inventory.services.moves import receive_stock
from tests.inventory.factories import make_locations, make_sku, moving

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def test_nothing_in_quarantine_is_called_free(operations_client: Client) -> None:
    sku = make_sku("KB-1", stock=5)
    place = make_locations()[Location.Kind.QUARANTINE]
    receive_stock([moving(sku, 2, location=place)], actor=HOUSE)
    page = operations_client.get("/inventory/KB-1/").content.decode()
    row = page.partition(f"<td>{place.name}</td>")[2].partition("</tr>")[0]
    assert re.findall(r'<td class="num">\s*(\S+?)\s*</td>', row)[:2] == ["2", "0"]
    assert "Nothing is sold from here." in row


def test_an_adjustment_is_told_in_a_sentence(operations_client: Client) -> None:
    sku = make_sku("KB-1", stock=5)
    place = make_locations()[Location.Kind.INTERNAL]
    values = {"key": "once", "location": place.pk, "quantity": "-2", "note": "count"}
    operations_client.post("/inventory/KB-1/_/adjust/", values, headers=HTMX)
    page = operations_client.get("/inventory/KB-1/").content.decode()
    assert f"Adjusted {sku} by −2 in {place}" in page
