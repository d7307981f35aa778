"""A dialog: its ids, its refusals, its keys, and itself as a page."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from orders.models.holds import Hold
from orders.models.orders import Order
from tests.bed.people import MakeUser, signed_in
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.support.factories import open_ticket

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def order() -> Order:
    return place(line(make_sku(stock=5)))


def test_no_field_of_a_dialog_shares_its_id_with_one_of_the_page(support_client: Client) -> None:
    ticket = open_ticket()
    parts = (
        f"/tickets/{ticket.number}/",
        f"/timelines/support.ticket/{ticket.pk}/_/",
        f"/tickets/{ticket.number}/_/note/",
    )
    found: list[str] = []
    for address in parts:
        html = support_client.get(address, headers=HTMX).content.decode()
        found += re.findall(r'<(?:input|select|textarea)[^>]*? id="([^"]+)"', html)
    fields = [name for name in found if "text" in name]
    assert len(fields) == 3
    assert len(set(fields)) == 3


def test_a_refusal_counts_no_field_and_a_wrong_field_is_counted(
    operations_client: Client, order: Order
) -> None:
    address = f"/orders/{order.number}/_/release/"
    refused = operations_client.post(address, {}, headers=HTMX).content.decode()
    wrong = operations_client.post(f"/orders/{order.number}/_/tag/", {"tag": "!"}, headers=HTMX)
    assert "Please look at" not in refused
    assert "Please look at 1 field." in wrong.content.decode()


def test_a_stale_dialog_offers_the_newest_state_and_no_second_try(
    operations_client: Client, order: Order
) -> None:
    address = f"/orders/{order.number}/_/hold/?version={order.version + 1}"
    answer = operations_client.post(address, {"reason": "fraud"}, headers=HTMX)
    said = answer.content.decode()
    assert answer.status_code == 409
    assert "has changed since you opened it" in said
    assert f'href="/orders/{order.number}/"' in said
    assert 'type="submit"' not in said
    assert not Hold.objects.exists()


def test_a_dialog_opened_by_itself_is_a_page_that_works_without_scripts(
    operations_client: Client, order: Order
) -> None:
    address = f"/orders/{order.number}/_/tag/"
    page = operations_client.get(address).content.decode()
    assert "<h1>" in page
    assert "hx-post" not in page.partition('class="panel narrow"')[2].partition("</section>")[0]
    wrong = operations_client.post(address, {"tag": "!"})
    assert wrong.status_code == 422
    assert "<h1>" in wrong.content.decode()
    assert operations_client.post(address, {"tag": "gift"}).status_code == 302
    assert Order.objects.get().tags == ["gift"]


def test_the_button_that_keeps_an_order_is_not_called_cancel(
    operations_client: Client, order: Order
) -> None:
    asked = operations_client.get(f"/orders/{order.number}/_/cancel/", headers=HTMX)
    said = asked.content.decode()
    assert "Keep the order" in said
    assert "Cancel the order" in said
    assert ">Cancel<" not in said


def test_figures_of_the_rail_follow_ones_own_act_at_once(make_user: MakeUser, order: Order) -> None:
    client = signed_in(make_user("operations"))
    client.get("/")
    rail = client.get("/").content.decode()
    assert re.search(r"Orders\s*<span class=\"count\">1<", rail)
    client.post(f"/orders/{order.number}/_/cancel/", {"reason": "customer"})
    assert Order.objects.get().is_cancelled
    assert not re.search(r"Orders\s*<span class=\"count\">", client.get("/").content.decode())


def test_a_screen_below_another_lights_alone(operations_client: Client) -> None:
    rail = operations_client.get("/inventory/moves/").content.decode()
    nav = rail.partition('id="rail-nav"')[2].partition("</nav>")[0]
    assert nav.count('aria-current="page"') == 1
    assert re.search(r'href="/inventory/moves/"[^>]*aria-current="page"', nav)
