"""Customers in a real browser: two who are one, a segment, a mistyped VAT id."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page, expect

from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.customers import Customer
from orders.models.segments import Segment
from orders.services.segments import write_segment
from support.services.consent import record_consent
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.browser.keys import ready
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.orders.test_merging import make
from tests.support.factories import open_ticket

SHOTS = os.environ.get("CUSTOMER_SHOTS", "")


def a_customer() -> Customer:
    customer = make("17850", phone="01225 460000", postcode="BA1 2LX", has_login=True)
    order = place(line(make_sku(stock=20), 8, "150.00"), customer_id=customer.pk)
    pay(order)
    open_ticket(order=order, message="Where is my mixer?")
    yes = {"medium": "mail", "purpose": "marketing", "source": "checkout", "wording": "2026-03"}
    record_consent(customer.pk, given=True, actor=HOUSE, **yes)
    return customer


def a_segment() -> Segment:
    value = {"amount": "500", "currency": "GBP"}
    big = {"all": [{"field": "customer.spend_90_days", "op": "gt", "value": value}]}
    return write_segment("Over 500 in three months", big, about="Call them.", actor=HOUSE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_screens_of_customers(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    administrator_user: User,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, administrator_user)
    for address in ("/customers/_/duplicates/", "/segments/"):
        ready(page, address)
        check_axe(page)
    a_customer()
    make("G-17850", name="G. Holloway", postcode="BA1 2LX")
    a_segment()
    screens = (
        "/customers/17850/",
        "/customers/_/duplicates/",
        "/customers/17850/_/merge/G-17850/",
        "/customers/17850/_/erase/",
        "/segments/",
        "/segments/over-500-in-three-months/",
        "/segments/over-500-in-three-months/_/edit/",
    )
    for number, address in enumerate(screens):
        ready(page, address)
        page.set_viewport_size({"width": 1440, "height": 900})
        check_axe(page)
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{number}-{scheme}.png")


def test_two_who_are_one_are_merged_and_taken_apart_by_keyboard_alone(
    page: Page, sign_in: SignIn, support_user: User
) -> None:
    customer, guest = a_customer(), make("G-17850", name="G. Holloway")
    sign_in(page, support_user)
    ready(page, "/customers/17850/")
    page.get_by_role("link", name="Look at both").focus()
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="G. Holloway").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Merge").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("G-17850 is merged into 17850")).to_be_visible()
    assert Customer.objects.get(pk=customer.pk).name == "G. Holloway"
    page.get_by_role("button", name="Take apart…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("go back to how they were")
    page.get_by_role("button", name="Take apart", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("G-17850 is apart again")).to_be_visible()
    assert Customer.objects.get(pk=guest.pk).merged_into_id is None


def test_a_mistyped_vat_id_is_told_at_its_field_and_a_segment_is_made(
    page: Page, sign_in: SignIn, support_user: User, troubles: Troubles
) -> None:
    troubles.allow("status of 422")
    a_customer()
    sign_in(page, support_user)
    ready(page, "/customers/17850/")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Company").fill("Larkfield Ltd")
    dialog.get_by_label("VAT id").fill("GB980780685")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("#dialog_vat_id_error")).to_contain_text("check digits do not fit")
    dialog.get_by_label("VAT id").fill("GB980780684")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Larkfield Ltd").first).to_be_visible()
    ready(page, "/segments/")
    page.keyboard.press("n")
    page.get_by_label("Name", exact=True).fill("Good customers")
    page.get_by_label("What to look at, line 1").select_option("customer.spend_90_days")
    page.get_by_label("How to compare, line 1").select_option("gt")
    page.get_by_label("Value, line 1").fill("500 GBP")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Good customers")).to_be_visible()
    expect(page.get_by_role("link", name="17850")).to_be_visible()
