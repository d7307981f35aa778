"""A promotion from draft to end in a real browser, by two people, under axe in light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from backoffice import roles
from backoffice.models import User
from orders.models.promotions import Promotion
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.browser.keys import ready, told
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.orders.promotions import somebody

pytestmark = [pytest.mark.requirement("R80"), pytest.mark.requirement("R82")]


def test_a_promotion_is_drafted_tried_agreed_to_used_and_stopped_by_keyboard(
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    troubles: Troubles,
    live_site: object,
    operations_user: User,
) -> None:
    troubles.allow("status of 422")
    sku = make_sku("MUG", stock=50)
    place(line(sku, 6))
    page = open_page(color_scheme="light")
    sign_in(page, operations_user)
    ready(page, "/promotions/")
    check_axe(page)
    page.keyboard.press("n")
    page.wait_for_url("**/promotions/_/new/")
    page.get_by_label("Name", exact=True).fill("Mugs of spring")
    page.get_by_label("Kind").select_option("code")
    page.get_by_label("Code", exact=False).first.fill("mugs")
    page.get_by_label("Ends with the stock of").fill("MUG")
    page.get_by_label("Units set aside").fill("2")
    page.get_by_role("button", name="What would it give?").press("Enter")
    expect(page.locator(".error").first).to_have_text("Give either a percentage or an amount.")
    check_axe(page)
    page.get_by_label("Takes off, in per cent").fill("50")
    page.get_by_role("button", name="What would it give?").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("1 of 1 order (100%)")
    expect(page.get_by_role("status").first).to_contain_text("£30.00 in all")
    page.get_by_role("button", name="Save draft").press("Enter")
    told(page, "is drafted")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("s")
    page.locator("#dialog").get_by_label("Why").fill("Too many mugs")
    page.keyboard.press("Control+Enter")
    told(page, "Asked for")
    expect(page.locator(".verdict")).to_contain_text("You asked for it")
    row = Promotion.objects.get()
    other = open_page(color_scheme="dark")
    sign_in(other, somebody(roles.FINANCE))
    ready(other, f"/promotions/{row.key}/")
    check_axe(other)
    other.keyboard.press("y")
    expect(other.locator("#dialog")).to_be_visible()
    other.keyboard.press("Control+Enter")
    told(other, "is on with these terms")
    order = place(line(sku, 2), codes=("MUGS",))
    assert place(line(sku, 2), codes=("MUGS",)).discount == 0
    ready(other, f"/orders/{order.number}/")
    expect(other.locator("main")).to_contain_text("Mugs of spring")
    check_axe(other)
    for each, address in (
        (other, f"/promotions/{row.key}/_/edit/"),
        (other, "/promotions/"),
        (page, "/promotions/"),
    ):
        ready(each, address)
        check_axe(each)
    expect(page.locator("tbody")).to_contain_text("Ended")
    ready(page, f"/promotions/{row.key}/")
    check_axe(page)
    expect(page.locator(".strip")).to_contain_text("All gone: 2 units of MUG")
    page.keyboard.press("x")
    page.locator("#dialog").get_by_label("Why").fill("Done")
    page.keyboard.press("Control+Enter")
    told(page, "is off")
