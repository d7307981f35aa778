"""Carts and prices that no shop and no colleague means well with."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as timezone_now

from backoffice.actors import HOUSE, person
from backoffice.models import User
from orders.models.carts import Cart
from orders.models.prices import Price, PriceChange
from orders.services.backorders import promise_rest
from orders.services.cart_file import check
from orders.services.drafts import OnShort
from orders.services.erasure import erase_customer
from orders.services.errors import OrderError
from orders.services.placing import place_orders
from orders.services.preorders import move_preorder
from orders.services.prices import decide_price
from tests.attacks.test_two_people import given
from tests.bed.people import MakeUser
from tests.inventory.factories import make_sku
from tests.orders.factories import (
    draft,
    fresh,
    line,
    make_channel,
    make_customer,
    make_service,
    place,
    sell_ahead,
)
from tests.orders.prices import ask, set_price, wait_for
from tests.orders.test_carts import receive

pytestmark = pytest.mark.django_db

EAST, WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
TIMES: dict[str, dict[str, Any]] = {
    "before the first day": {"active_at": datetime(1, 1, 1, tzinfo=EAST)},
    "the first day": {"active_at": datetime(1, 1, 1, tzinfo=UTC)},
    "begun before the first day": {"opened_at": datetime(1, 1, 1, tzinfo=EAST)},
    "begun after the last day": {"opened_at": datetime(9999, 12, 31, 23, tzinfo=WEST)},
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_a_time_at_the_edge_of_the_calendar_spoils_no_list(
    times: dict[str, Any], operations_client: Client
) -> None:
    receive("fine")
    with pytest.raises(OrderError, match="can't be right"):
        receive("spoilt", **times)
    assert list(Cart.objects.values_list("external_id", flat=True)) == ["fine"]
    assert operations_client.get("/carts/").status_code == 200


@pytest.mark.parametrize("touched", ["0001-01-01T00:00:00+14:00", "0001-01-01 00:00", "9999-12-31"])
def test_a_file_of_such_carts_is_told_so(touched: str) -> None:
    store = make_channel().key
    head = "cart,store,mail,sku,quantity,price,touched"
    sheet = check(f"{head}\nc-1,{store},,MUG,1,2.50,{touched}\n".encode())
    assert [line.problem[:14] for line in sheet.lines] == ["Write the time"]
    assert not Cart.objects.exists()


def test_a_shop_that_still_tells_of_their_cart_ties_nobody_erased_to_a_mail_address() -> None:
    buyer = make_customer()
    cart = receive("c-1", customer_id=buyer.pk, email="g@example.com")
    erase_customer(buyer.pk, why="Asked", actor=HOUSE)
    receive("c-1", email="g@example.com", active_at=timezone_now() - timedelta(minutes=5))
    cart.refresh_from_db()
    assert (cart.customer, cart.mail) == (None, "g@example.com")


def test_no_day_at_the_end_of_the_calendar_is_promised(operations_client: Client) -> None:
    make_service(make_channel(), time_zone="America/New_York", weekdays=[1, 2, 3, 4, 5, 6, 7])
    offer, far = sell_ahead(make_sku("LAMP")), date(9999, 12, 31)
    order = place(line(make_sku("LAMP")))
    short = place_orders([draft(line(make_sku("MUG")))], on_short=OnShort.HOLD, actor=HOUSE)
    with pytest.raises(OrderError, match="within ten years"):
        move_preorder(offer.pk, far, why="Nobody knows", actor=HOUSE)
    with pytest.raises(OrderError, match="within ten years"):
        promise_rest(short.orders[0].pk, far, actor=HOUSE)
    assert fresh(order).promised_on == offer.promised_on
    assert operations_client.get("/orders/?view=all").status_code == 200


@pytest.mark.parametrize("zone", [UTC, WEST])
def test_a_price_that_begins_at_the_end_of_the_calendar_is_refused(
    zone: timezone, operations_client: Client
) -> None:
    price = set_price("10.00")
    with pytest.raises(OrderError, match="within ten years"):
        ask("10.50", starts_at=datetime(9999, 12, 31, 23, 59, tzinfo=zone))
    assert Price.objects.count() == 1
    page = operations_client.get(reverse("price_detail", args=[price.sku.code]))
    assert page.status_code == 200


def test_nobody_agrees_to_a_price_of_who_gave_them_their_role(
    administrator_user: User, make_user: MakeUser
) -> None:
    set_price("10.00")
    account = given(make_user, "finance", by=administrator_user)
    change = wait_for("90.00", actor=person(administrator_user))
    with pytest.raises(OrderError, match="from who asked"):
        decide_price(change.pk, PriceChange.State.AGREED, note="Fine", actor=person(account))
    change.refresh_from_db()
    assert (change.state, Price.objects.count()) == ("waiting", 1)
    decide_price(
        change.pk, PriceChange.State.AGREED, note="Fine", actor=person(make_user("finance"))
    )
    assert Price.objects.filter(amount=90).exists()


FORGED = {
    "price": "INSERT INTO orders_price (channel_id, sku_id, currency, amount, starts_at, origin,"
    " why, actor_kind, actor_label) VALUES (%(channel)s, %(sku)s, 'GBP', 'NaN',"
    " clock_timestamp(), 'hand', '', 'system', 'shell')",
    "floor": "INSERT INTO orders_pricefloor (channel_id, sku_id, currency, amount, why, actor_kind,"
    " actor_label) VALUES (%(channel)s, %(sku)s, 'GBP', 'NaN', '', 'system', 'shell')",
    "rate": "INSERT INTO orders_exchangerate (base, quote, rate, on_date, source, actor_kind,"
    " actor_label) VALUES ('GBP', 'EUR', 'NaN', current_date, 'x', 'system', 'shell')",
}


@pytest.mark.parametrize("statement", FORGED.values(), ids=FORGED)
def test_a_shell_writes_nothing_that_is_no_number(statement: str) -> None:
    given = {"channel": make_channel().pk, "sku": make_sku().pk}
    with (
        pytest.raises(IntegrityError, match="is_a_number"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, given)
    assert not Price.objects.exists()
