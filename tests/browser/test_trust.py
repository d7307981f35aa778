"""Doubts about orders in a real browser: fraud overturned, an address mended, a duplicate found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import BlockEntry, MarkKind, RiskSignal
from orders.services.blocklist import block_mark
from orders.services.drafts import Contact
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.browser.keys import ready, told
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_customer, place
from tests.orders.trust import BATH, make_company, make_signal, review_of, suspect

LISTS = (
    "/reviews/",
    "/settings/screening/",
    "/settings/blocklist/",
    "/credit/",
)


@pytest.fixture
def channel(live_site: object) -> Channel:
    return make_channel("careful", checks_addresses=True, duplicate_hours=24)


def twins(channel: Channel) -> list[Order]:
    sku, buyer = make_sku("KB-002", stock=20), make_customer()
    fields = {"channel": channel, "customer_id": buyer.pk, "ship_to": BATH}
    return [place(line(sku, 2, "20.00"), **fields) for _ in range(2)]


def misdirected(channel: Channel) -> Order:
    wrong = replace(BATH, postcode="BAI 2LX")
    return place(line(make_sku("KB-003", stock=20)), channel=channel, ship_to=wrong)


def over_limit() -> Order:
    company = make_company(limit="100")
    return place(line(make_sku("KB-004", stock=20), 1, "250.00"), customer_id=company.pk)


def done(page: Page, words: str) -> None:
    """Send the dialog, once it is there, and wait for the page that says so."""
    expect(page.locator("#dialog")).to_be_visible()
    page.keyboard.press("Control+Enter")
    told(page, words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_empty_and_filled_screens(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    channel: Channel,
    administrator_user: User,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, administrator_user)
    for address in LISTS:
        ready(page, address)
        check_axe(page)
    signal = make_signal()
    orders = [suspect(contact=Contact(email="g@example.com")), twins(channel)[1]]
    orders += [misdirected(channel), over_limit()]
    entry = block_mark(MarkKind.MAIL, "g@example.com", reason="Chargebacks", actor=HOUSE)
    reviews = [f"/reviews/{pk}/" for pk in Review.objects.values_list("pk", flat=True)]
    assert len(reviews) == 4
    pages = [
        f"/settings/screening/{signal.key}/",
        f"/settings/blocklist/{entry.pk}/",
        f"/orders/{orders[0].number}/",
        f"/settings/channels/{channel.key}/",
        "/customers/C100/",
    ]
    for address in (*LISTS, *reviews, *pages):
        ready(page, address)
        check_axe(page)


@pytest.mark.requirement("R62")
@pytest.mark.requirement("R63")
def test_a_fraud_review_is_decided_and_overturned(
    page: Page, sign_in: SignIn, channel: Channel, operations_user: User
) -> None:
    signal = make_signal(weight=40)
    order = suspect(contact=Contact(email="grace@example.com"))
    sign_in(page, operations_user)
    ready(page, "/reviews/")
    expect(page.locator("tbody")).to_contain_text("score 40")
    page.get_by_role("link", name=order.number).first.click()
    expect(page.locator("table").first).to_contain_text("billed to France")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("x")
    page.locator("#dialog").get_by_label("Why").fill("The card was stolen")
    page.locator("#dialog").get_by_label("Mail address").check()
    done(page, "is a fraud")
    expect(page.locator("body")).to_contain_text("The card was stolen")
    assert fresh(order).is_held
    assert BlockEntry.objects.get().value == "grace@example.com"
    page.keyboard.press("y")
    page.locator("#dialog").get_by_label("Why").fill("The bank says it was the owner")
    done(page, "is no fraud")
    expect(page.locator("body")).to_contain_text("overturned: goes on")
    assert not fresh(order).is_held
    page.keyboard.press("x")
    expect(page.locator("#dialog")).to_contain_text("It is put on hold again")
    page.keyboard.press("Escape")
    ready(page, "/settings/screening/")
    expect(page.locator("tbody")).to_contain_text("100% of 1")
    ready(page, f"/settings/screening/{signal.key}/")
    expect(page.locator(".strip")).to_contain_text("100%")
    ready(page, "/settings/blocklist/")
    page.get_by_role("link", name="grace@example.com").click()
    page.wait_for_load_state("networkidle")
    page.keyboard.press("x")
    page.locator("#dialog").get_by_label("Why").fill("Appeal")
    done(page, "is off the blocklist")
    expect(page.locator("body")).to_contain_text("Taken off")


@pytest.mark.requirement("R64")
def test_an_address_is_mended_by_accepting_the_proposal(
    page: Page, sign_in: SignIn, channel: Channel, support_user: User
) -> None:
    order = misdirected(channel)
    sign_in(page, support_user)
    ready(page, f"/orders/{order.number}/")
    page.get_by_role("link", name="Address", exact=True).click()
    expect(page.locator("ins").first).to_contain_text("BA1 2LX")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("y")
    done(page, "goes to the proposed address")
    expect(page.locator("body")).to_contain_text("accepted")
    expect(page.locator("table").first).to_contain_text("BAI 2LX")
    assert fresh(order).ship_postcode == "BA1 2LX"
    assert not fresh(order).is_held


@pytest.mark.requirement("R61")
def test_a_duplicate_is_found_beside_its_twin_and_cancelled(
    page: Page, sign_in: SignIn, channel: Channel, operations_user: User
) -> None:
    first, second = twins(channel)
    sign_in(page, operations_user)
    ready(page, "/reviews/?view=duplicates")
    page.get_by_role("link", name=second.number).first.click()
    expect(page.locator(".grid-2").first).to_contain_text(first.number)
    expect(page.locator(".grid-2").first).to_contain_text(second.number)
    assert not fresh(second).is_cancelled
    page.wait_for_load_state("networkidle")
    page.keyboard.press("x")
    page.locator("#dialog").get_by_label("Why").fill("Pressed twice")
    done(page, "is a duplicate")
    expect(page.locator("body")).to_contain_text("Duplicate")
    assert fresh(second).cancel_reason == "duplicate"
    assert not fresh(first).is_cancelled


@pytest.mark.requirement("R70")
def test_finance_approves_an_order_over_the_limit(
    page: Page, sign_in: SignIn, channel: Channel, finance_user: User
) -> None:
    order = over_limit()
    sign_in(page, finance_user)
    ready(page, "/reviews/")
    expect(page.locator("tbody")).to_contain_text("£0.00 of £100.00 used, adds £250.00")
    ready(page, f"/reviews/{review_of(order, Review.Kind.CREDIT).pk}/")
    page.keyboard.press("y")
    page.locator("#dialog").get_by_label("Why").fill("Pays on time")
    done(page, "is approved")
    expect(page.locator("body")).to_contain_text("Approved")
    assert not fresh(order).is_held
    ready(page, "/credit/")
    expect(page.locator("tbody")).to_contain_text("£250.00")


def test_a_signal_is_added_watches_and_is_let_hold(
    page: Page, sign_in: SignIn, channel: Channel, operations_user: User, troubles: Troubles
) -> None:
    troubles.allow("status of 422")
    sign_in(page, operations_user)
    ready(page, "/settings/screening/")
    page.keyboard.press("n")
    page.get_by_role("button", name="Many orders with the same mark in a short time").click()
    page.locator("#dialog").get_by_label("Name").fill("Card again and again")
    page.locator("#dialog").get_by_label("The same").select_option("card")
    page.locator("#dialog").get_by_label("Orders").fill("3")
    page.locator("#dialog").get_by_label("Within, in minutes").fill("60")
    done(page, "watches new orders")
    expect(page.locator("tbody")).to_contain_text("Monitor")
    page.get_by_role("link", name="Card again and again").click()
    page.wait_for_load_state("networkidle")
    page.keyboard.press("e")
    page.locator("#dialog").get_by_label("What follows").select_option("review")
    page.locator("#dialog").get_by_label("Why this change").fill("It was right for a week")
    done(page, "is changed")
    assert RiskSignal.objects.get().mode == "review"
    page.keyboard.press("e")
    page.locator("#dialog").get_by_label("What follows").select_option("off")
    page.locator("#dialog").get_by_label("Why this change").fill("Too many")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#dialog")).to_contain_text("Finance decides")
    assert RiskSignal.objects.get().mode == "review"
