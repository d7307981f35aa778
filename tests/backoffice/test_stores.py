"""Every list of records is narrowed to a store and to a company of ours, or says why not."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from backoffice.models import LegalEntity, User
from backoffice.workbench import bench
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, make_customer, place

# Lists whose rows belong to no store, and why.
WITHOUT = {
    "orders.carriers": "carriers serve every store",
    "orders.forwarders": "a warehouse or supplier serves every store",
    "orders.channels": "these are the stores",
    "orders.segments": "a segment is over all customers",
    "orders.signals": "signs of fraud are weighed alike in every store",
    "orders.blocklist": "who is blocked is blocked in every store",
    "orders.credits": "a company's limit holds over all stores",
    "orders.rates": "an exchange rate holds for every store",
    "support.queues": "teams serve every store",
    "inventory.skus": "a product is sold in every store",
    "backoffice.companies": "these are the companies",
}
# The machine room and the office: rules, runs, people, settings; of the house, not of a store.
HOUSE = ("automations.", "backoffice.", "intake.")
# Rows of a company that no store has part in.
OF_A_COMPANY = {"finance.entries", "inventory.moves"}


def lists() -> dict[str, Any]:
    """Every list there is, but those that tests make."""
    return {key: each for key, each in bench._benches.items() if not key.startswith("depot.")}


def of_records() -> list[str]:
    return [key for key in lists() if key not in WITHOUT and not key.startswith(HOUSE)]


@pytest.mark.requirement("R93")
@pytest.mark.django_db
def test_every_list_of_records_filters_by_store_and_company(
    client: Client, administrator_user: User
) -> None:
    client.force_login(administrator_user)
    channel = make_channel()
    company = channel.legal_entity_id
    missing = []
    for key in of_records():
        each = lists()[key]
        store = each.filter("store") or each.filter("channel")
        if key not in OF_A_COMPANY and (store is None or store.label != "Store"):
            missing.append(f"{key} by store")
        if each.filter("company") is None:
            missing.append(f"{key} by company")
            continue
        query = f"company={company}" + (f"&{store.key}={channel.key}" if store else "")
        answer = client.get(f"{each.url}?{query}")
        assert answer.status_code == 200, key
        assert "has no “" not in answer.content.decode(), key
    assert missing == []


@pytest.mark.requirement("R93")
@pytest.mark.django_db
def test_a_list_shows_only_the_store_that_was_chosen(client: Client, support_user: User) -> None:
    client.force_login(support_user)
    sku, other = make_sku(stock=5), make_channel("market")
    LegalEntity.objects.create(
        name="Wren GmbH", country="DE", currency="EUR", time_zone="Europe/Berlin"
    )
    here = place(line(sku), customer_id=make_customer("100").pk)
    there = place(line(sku), channel=other, customer_id=make_customer("200").pk)
    wren = LegalEntity.objects.get(name="Wren GmbH").pk
    for address, mine, yours in (
        ("/orders/?view=all&channel=market", there.number, here.number),
        ("/customers/?view=all&store=market", "/customers/200/", "/customers/100/"),
        (f"/orders/?view=all&company={other.legal_entity_id}", there.number, "Wren GmbH order"),
    ):
        text = client.get(address).content.decode()
        assert mine in text
        assert yours not in text
    nothing = client.get(f"/customers/?view=all&company={wren}").content.decode()
    assert "/customers/100/" not in nothing
