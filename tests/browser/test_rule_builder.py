"""A person builds a rule: with the mouse, and again with the keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from automations.models.documents import Document
from automations.models.rules import Draft
from backoffice.models import User
from tests.automations.views.factories import make_rule, some_orders
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles


def settled(page: Page) -> None:
    """Until every request is answered, the one that a change is about to send too."""
    page.wait_for_timeout(120)
    expect(page.locator(".htmx-request")).to_have_count(0, timeout=15_000)
    page.wait_for_timeout(40)


def expect_it_built(rule_slug: str) -> None:
    body = Draft.objects.get(rule__slug=rule_slug).body
    first, second = body["when"]["all"]
    assert first["field"] == "order.total"
    assert (first["op"], first["value"]) == ("gte", {"amount": "500", "currency": "GBP"})
    assert (second["field"], second["op"], second["value"]) == ("order.country", "not_in", ["GB"])
    tag, ticket = body["steps"]
    assert (tag["do"], tag["with"]) == ("orders.add_tag", {"tag": "high-value"})
    assert ticket["do"] == "support.open_ticket"
    assert ticket["with"]["subject"] == "Look at it"


def test_a_rule_is_built_with_the_mouse_and_submitted(
    page: Page, sign_in: SignIn, operations_user: User, check_axe: CheckAxe
) -> None:
    some_orders()
    sign_in(page, operations_user)
    page.goto("/rules/")
    page.get_by_role("button", name="New rule").click()
    page.get_by_label("Name", exact=True).fill("Large orders abroad")
    page.get_by_label("What starts it").select_option("orders.order_placed")
    page.get_by_role("button", name="Make the rule").click()
    page.wait_for_url("**/rules/large-orders-abroad/edit/")

    add = page.get_by_role("button", name="condition").first
    fields = page.get_by_label("What to look at")
    add.click()
    expect(fields).to_have_count(1)
    settled(page)
    wrong = page.locator("#builder .clause .error").first
    expect(wrong).to_be_hidden()  # nothing is held against what was just added
    page.locator("#problems").get_by_role("button", name="Write what people do").click()
    expect(page.get_by_label("If it can’t run, people do this")).to_be_focused()
    expect(wrong).to_be_visible()
    fields.nth(0).select_option("order.total")
    page.get_by_label("Value, amount").fill("500")
    page.get_by_label("Value, amount").blur()
    settled(page)
    add.click()
    expect(fields).to_have_count(2)
    fields.nth(1).select_option("order.country")
    page.get_by_label("Compared how").nth(1).select_option("not_in")
    page.get_by_label("Add a value").select_option("GB")
    expect(page.get_by_role("button", name="Remove United Kingdom")).to_be_visible()

    page.get_by_role("button", name="Step", exact=False).first.click()
    page.get_by_role("button", name="Tag the order").click()
    page.get_by_label("Tag", exact=True).fill("high-value")
    page.get_by_label("Tag", exact=True).blur()
    settled(page)
    page.locator("#add-step").click()
    page.get_by_role("button", name="Open a ticket").click()
    page.get_by_label("Queue", exact=True).select_option("general")
    page.get_by_label("Subject", exact=True).fill("Look at it")
    page.get_by_label("If it can’t run, people do this").fill("Filter the orders by hand.")
    page.get_by_label("If it can’t run, people do this").blur()

    expect(page.locator("#preview-matched")).to_have_text("3")
    expect(page.locator("#preview")).to_contain_text("£2,390.50")
    expect(page.locator("#words")).to_contain_text("at least £500.00")
    settled(page)
    expect_it_built("large-orders-abroad")
    check_axe(page)
    page.emulate_media(color_scheme="dark")
    check_axe(page)
    page.emulate_media(color_scheme="light")

    page.get_by_role("button", name="Submit for approval").click()
    page.get_by_label("Why").fill("Too many slip by.")
    check_axe(page, within="#dialog")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile(r"/approvals/\d+/$"))
    expect(page.locator("#why-not")).to_contain_text("someone else has to decide")
    assert Document.objects.get().why == "Too many slip by."


def choose(page: Page, words: str) -> None:
    """Pick in the focused select by typing, as one does with a keyboard."""
    page.keyboard.type(words)
    page.wait_for_timeout(600)
    settled(page)


def test_a_rule_is_built_with_the_keyboard_alone(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    sign_in(page, operations_user)
    page.goto("/rules/")
    settled(page)
    page.keyboard.press("n")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("By keys")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("What starts it")).to_be_focused()
    page.keyboard.type("Order placed")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/rules/by-keys/edit/")
    settled(page)

    page.keyboard.press("c")
    fields = page.get_by_label("What to look at")
    expect(fields.nth(0)).to_be_focused()
    choose(page, "Total")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Value, amount")).to_be_focused()
    page.keyboard.type("500")
    page.keyboard.press("Escape")
    settled(page)
    page.keyboard.press("c")
    expect(fields.nth(1)).to_be_focused()
    choose(page, "Ships to")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Compared how").nth(1)).to_be_focused()
    choose(page, "is none of")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Add a value")).to_be_focused()
    choose(page, "United Kingdom")
    expect(page.get_by_role("button", name="Remove United Kingdom")).to_be_visible()
    page.keyboard.press("Escape")

    page.keyboard.press("s")
    expect(page.get_by_label("Find a step by name")).to_be_focused()
    page.keyboard.type("tag the")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Tag", exact=True)).to_be_focused()
    page.keyboard.type("high-value")
    page.keyboard.press("Escape")
    settled(page)
    page.keyboard.press("s")
    expect(page.get_by_label("Find a step by name")).to_be_focused()
    page.keyboard.type("open a tick")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Queue", exact=True)).to_be_focused()
    choose(page, "General")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Subject", exact=True)).to_be_focused()
    page.keyboard.type("Look at it")
    page.keyboard.press("Escape")
    settled(page)
    expect_it_built("by-keys")


def test_parts_are_moved_grouped_and_undone_by_keys(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    rule = make_rule(operations_user)
    sign_in(page, operations_user)
    page.goto(f"/rules/{rule.slug}/edit/")
    settled(page)
    grips = page.get_by_role("button", name="Move, group or copy")
    fields = page.get_by_label("What to look at")
    grips.nth(0).focus()
    page.keyboard.press("Shift+J")
    expect(fields.nth(0)).to_have_value("order.country")
    settled(page)
    page.keyboard.press(">")
    expect(page.locator(".group:not(.root)")).to_have_count(1)
    settled(page)
    page.locator("h1").click(position={"x": 1, "y": 1}, trial=True)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+z")
    expect(page.locator(".group:not(.root)")).to_have_count(0)


def test_two_people_in_one_draft_lose_nothing(
    open_page: OpenPage,
    sign_in: SignIn,
    operations_user: User,
    troubles: Troubles,
) -> None:
    troubles.allow("status of 409")
    rule = make_rule(operations_user)
    one, two = open_page(), open_page()
    for page in (one, two):
        sign_in(page, operations_user)
        page.goto(f"/rules/{rule.slug}/edit/")
        settled(page)
    one.get_by_label("Value, amount").fill("700")
    one.get_by_label("Value, amount").blur()
    settled(one)
    two.get_by_label("Value, amount").fill("900")
    two.get_by_label("Value, amount").blur()
    expect(two.locator("#conflict")).to_contain_text("saved this rule meanwhile")
    expect(two.locator("#conflict")).to_contain_text("£900.00")
    two.get_by_role("button", name="Save mine over theirs").click()
    expect(two.locator("#toasts")).to_contain_text("Saved yours")
    expect(two.get_by_label("Value, amount")).to_have_value("900")
    body = Draft.objects.get(rule=rule).body
    assert body["when"]["all"][0]["value"]["amount"] == "900"
