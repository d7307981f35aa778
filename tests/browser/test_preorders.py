"""Pre-orders as people use them: by the keyboard, under axe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.preorders import PreOrder, PreOrderNotice
from orders.services.preorders import move_preorder
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.browser.test_desk import ready
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place, sell_ahead


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_pre_orders(
    scheme: str, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe, operations_user: User
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    ready(page, "/pre-orders/")
    check_axe(page)
    row = sell_ahead(make_sku("LAMP"), cap=20)
    order = place(line(make_sku("LAMP"), 2))
    move_preorder(row.pk, None, why="Late", actor=HOUSE)
    address = f"/pre-orders/{row.number}/"
    for each in ("/pre-orders/", address, f"{address}_/move/", f"/orders/{order.number}/"):
        ready(page, each)
        check_axe(page)


def test_a_product_is_sold_ahead_and_its_day_moved_by_keyboard(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    place(line(make_sku("MUG", stock=1)))
    make_sku("LAMP")
    day = timezone.localdate() + timedelta(days=30)
    sign_in(page, operations_user)
    ready(page, "/pre-orders/")
    page.keyboard.press("n")
    dialog = page.locator("#dialog")
    expect(dialog.get_by_label("Channel")).to_be_focused()
    dialog.get_by_label("SKU").fill("LAMP")
    dialog.get_by_label("Promised for").fill(day.isoformat())
    dialog.get_by_label("Sell at most").fill("20")
    dialog.get_by_label("Sell at most").press("Enter")
    expect(page.locator("main")).to_contain_text("LAMP")
    row = PreOrder.objects.get()
    order = place(line(make_sku("LAMP"), 2))
    ready(page, f"/pre-orders/{row.number}/")
    page.keyboard.press("m")
    expect(dialog).to_contain_text(order.number)
    dialog.get_by_label("Promised for").fill((day + timedelta(days=40)).isoformat())
    dialog.get_by_label("Why").fill("The factory is late")
    dialog.get_by_label("Why").press("Enter")
    expect(page.locator("main")).to_contain_text("The factory is late")
    assert PreOrderNotice.objects.get().order == order
