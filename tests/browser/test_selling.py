"""Prices and carts in a real browser: a wide move waits and is agreed to, by the keyboard alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from backoffice.actors import HOUSE
from backoffice.models import User
from inventory.models import Sku
from orders.models.prices import PriceChange
from orders.models.reviews import Review
from orders.queries.prices import valid_prices
from orders.services.carts import NewCart, NewCartLine, receive_carts, sweep_carts
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.browser.keys import ready, told
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, make_customer, place
from tests.orders.prices import set_price, wait_for
from tests.orders.trust import review_of

LISTS = ("/prices/", "/price-changes/", "/rates/", "/carts/?view=all")


@pytest.fixture
def lamp(live_site: object) -> Sku:
    make_channel()
    return make_sku("LAMP", stock=9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_empty_and_filled_screens(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    lamp: Sku,
    finance_user: User,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, finance_user)
    for address in LISTS:
        ready(page, address)
        check_axe(page)
    set_price("14.90", lamp)
    change = wait_for("149.00", lamp)
    goods = (NewCartLine(2, Decimal("14.90"), "LAMP"),)
    new = NewCart(
        make_channel(), "c-1", timezone.now() - timedelta(hours=2), goods,
        customer_id=make_customer().pk,
    )  # fmt: skip
    (cart,) = receive_carts([new], actor=HOUSE).carts
    sweep_carts(now=timezone.now() + timedelta(minutes=2))
    order = place(line(lamp, 1, "1.49"))
    pages = (
        "/prices/LAMP/",
        "/prices/_/file/",
        f"/price-changes/{change.pk}/",
        f"/carts/{cart.number}/",
        f"/reviews/{review_of(order, Review.Kind.PRICE).pk}/",
        f"/orders/{order.number}/",
        "/inventory/LAMP/",
        "/settings/channels/shop/",
    )
    for address in (*LISTS, *pages):
        ready(page, address)
        check_axe(page)


@pytest.mark.requirement("R84")
def test_a_wide_move_waits_and_somebody_else_agrees(
    page: Page,
    open_page: OpenPage,
    sign_in: SignIn,
    lamp: Sku,
    operations_user: User,
    finance_user: User,
    troubles: Troubles,
) -> None:
    troubles.allow("status of 422")
    set_price("14.90", lamp)
    sign_in(page, operations_user)
    ready(page, "/prices/LAMP/")
    page.get_by_role("button", name="Change the price").press("Enter")
    dialog = page.locator("#dialog")
    dialog.get_by_label("New price").fill("149.001")
    dialog.get_by_label("Why").fill("Price list of May")
    page.keyboard.press("Control+Enter")
    expect(dialog).to_contain_text("can be read in two ways")
    dialog.get_by_label("New price").fill("149")
    page.keyboard.press("Control+Enter")
    told(page, "waits for finance")
    change = PriceChange.objects.get()
    ready(page, f"/price-changes/{change.pk}/")
    expect(page.locator("body")).to_contain_text("You asked for this")
    other = open_page()
    sign_in(other, finance_user)
    ready(other, "/price-changes/")
    expect(other.locator("tbody")).to_contain_text("900.0%")
    other.get_by_role("link", name="LAMP").first.click()
    other.wait_for_load_state("networkidle")
    other.keyboard.press("y")
    expect(other.locator("#dialog")).to_contain_text("It was £14.90")
    other.locator("#dialog").get_by_label("Remark").fill("A set of ten")
    other.keyboard.press("Control+Enter")
    told(other, "agreed")
    assert valid_prices().get().amount == 149
