"""A schedule is built with mouse and keys, and a button on an order is pressed once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from automations.models.events import Event
from automations.models.rules import Draft
from backoffice import calendars
from backoffice.actors import person
from backoffice.models import User
from support.models import Ticket
from tests.automations import factories as engine
from tests.automations.schedules import come_round, last_slot, utc
from tests.automations.views.factories import make_live, make_rule, some_live_orders
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.browser.test_rule_builder import settled
from tests.orders.factories import make_channel


def start_of(slug: str) -> Any:
    return Draft.objects.get(rule__slug=slug).body["trigger"]


def both_lights(page: Page, check_axe: CheckAxe, **within: str) -> None:
    check_axe(page, **within)
    page.emulate_media(color_scheme="dark")
    check_axe(page, **within)
    page.emulate_media(color_scheme="light")


def test_a_schedule_is_built_on_the_builders_first_line(
    page: Page, sign_in: SignIn, operations_user: User, check_axe: CheckAxe
) -> None:
    some_live_orders()
    calendars.make_calendar(
        "Warehouse", today=utc(2026, 1, 1).date(), actor=person(operations_user)
    )
    rule = make_rule(operations_user)
    sign_in(page, operations_user)
    page.goto(f"/rules/{rule.slug}/edit/")
    settled(page)
    page.get_by_label("On a schedule").check()
    expect(page.get_by_label("How often")).to_have_value("weekdays")
    expect(page.locator("#next-times b")).to_have_count(3)
    expect(page.locator("#preview")).to_contain_text("What it would find now")
    settled(page)
    page.get_by_label("How often").select_option("weekly")
    page.get_by_role("checkbox", name="Fri").check()
    page.get_by_label("Time of day").fill("17:30")
    page.get_by_label("Time zone").select_option("Europe/Paris")
    settled(page)
    page.get_by_label("on", exact=True).select_option("warehouse")
    expect(page.locator("#next-times")).to_contain_text("17:30 Paris time")
    settled(page)
    expect(page.locator("#words")).to_contain_text("Every Monday and Friday at 17:30 Paris time")
    assert start_of(rule.slug) == {
        "every": "30 17 * * 1,5",
        "zone": "Europe/Paris",
        "calendar": "warehouse",
        "for": "orders.order",
    }
    both_lights(page, check_axe)

    page.get_by_label("How often").select_option("cron")
    cron = page.get_by_label("Cron: minute, hour, day, month, weekday")
    expect(cron).to_have_value("30 17 * * 1,5")
    cron.fill("30 25 * * *")
    cron.blur()
    expect(page.locator("#start-every-error")).to_contain_text("look at the hour")
    expect(cron).to_have_attribute("aria-invalid", "true")
    settled(page)
    both_lights(page, check_axe)

    page.get_by_label("A person’s button").check()
    expect(page.locator("#preview")).to_contain_text("Where it could be pressed now")
    settled(page)
    assert start_of(rule.slug) == {"manual": "orders.order"}
    both_lights(page, check_axe)


def test_a_schedule_is_chosen_with_the_keyboard_alone(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    some_live_orders()
    rule = make_rule(operations_user)
    sign_in(page, operations_user)
    page.goto(f"/rules/{rule.slug}/edit/")
    settled(page)
    page.locator("#start-on").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#start-every")).to_be_focused()
    expect(page.locator("#next-times")).to_be_visible()
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_label("How often")).to_be_focused()
    page.keyboard.type("every day")
    page.wait_for_timeout(600)
    settled(page)
    expect(page.get_by_label("How often")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Time of day")).to_be_focused()
    page.keyboard.type("0915AM")
    page.keyboard.press("Tab")
    settled(page)
    assert start_of(rule.slug)["every"] == "15 9 * * *"


@pytest.mark.requirement("R3")
def test_a_scheduled_rules_page_tells_its_times(
    page: Page, sign_in: SignIn, operations_user: User, check_axe: CheckAxe
) -> None:
    some_live_orders()
    rule = make_rule(operations_user, "waiting-orders")
    make_live(rule)
    last_slot(rule, utc(2027, 1, 11, 8))
    come_round(utc(2027, 1, 14, 8, 1))
    sign_in(page, operations_user)
    page.goto(f"/rules/{rule.slug}/")
    expect(page.locator("#next-times b")).to_have_count(3)
    times = page.locator("#times")
    expect(times.get_by_role("row", name=re.compile("Thu 14 Jan, 08:00"))).to_contain_text("Done")
    expect(times.get_by_text("Nothing was running then.").first).to_be_visible()
    expect(times).to_contain_text("2 missed in all")
    both_lights(page, check_axe)
    page.goto("/rules/")
    expect(page.get_by_role("columnheader", name="Comes round")).to_be_visible()
    settled(page)
    check_axe(page)


@pytest.mark.requirement("R2")
def test_a_button_is_pressed_in_two_tabs_and_acts_once(
    open_page: OpenPage,
    sign_in: SignIn,
    operations_user: User,
    support_user: User,
    check_axe: CheckAxe,
    troubles: Troubles,
) -> None:
    order, *_ = some_live_orders()
    rule = make_rule(operations_user, "ask-warehouse", name="Ask the warehouse")
    make_live(rule)
    one, two = open_page(), open_page()
    for page in (one, two):
        sign_in(page, support_user)
        page.goto(f"/orders/{order.number}/")
        settled(page)
        page.get_by_role("button", name="Run… Ask the warehouse").click()
        dialog = page.locator("#dialog")
        expect(dialog).to_contain_text(f"Where is order {order.number}?")
        expect(dialog).to_contain_text("met")
    both_lights(one, check_axe, within="#dialog")
    # Each message is looked for at once: it goes after six seconds.
    for page, said in ((one, "Started “Ask the warehouse”."), (two, "was started already")):
        page.get_by_role("button", name="Run it").click()
        expect(page.locator("#toasts")).to_contain_text(said)
    assert Event.objects.filter(key__startswith="press:").count() == 1
    engine.work_all()
    expect(one.locator("#buttons")).to_contain_text("Done")
    expect(one.locator("#buttons")).to_contain_text("Ticket T-")
    expect(one.locator("#timeline")).to_contain_text("Started the rule “Ask the warehouse”")
    settled(one)
    both_lights(one, check_axe)
    one.locator("#buttons").get_by_role("link", name=re.compile("^run ")).click()
    expect(one.locator("body")).to_contain_text("Started by hand")
    assert Ticket.objects.count() == 1


def test_the_calendar_and_company_pages_pass_axe(
    page: Page, sign_in: SignIn, operations_user: User, check_axe: CheckAxe
) -> None:
    make_channel()
    sign_in(page, operations_user)
    page.goto("/settings/calendars/")
    page.keyboard.press("n")
    page.get_by_label("Name", exact=True).fill("United Kingdom")
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/calendars/united-kingdom/")
    page.get_by_role("button", name="Public holidays").click()
    page.get_by_label("Country").select_option("GB-ENG")
    page.get_by_label("Year").select_option(index=1)
    check_axe(page, within="#dialog")
    page.get_by_role("button", name="Close them").click()
    expect(page.locator("#days")).to_contain_text("Christmas Day")
    settled(page)
    both_lights(page, check_axe)
    page.get_by_role("button", name="Another week").click()
    expect(page.get_by_label("Monday")).to_be_checked()
    check_axe(page, within="#dialog")
    page.goto("/settings/companies/")
    page.locator("tbody a").first.click()
    expect(page.locator("body")).to_contain_text("Its business day")
    settled(page)
    both_lights(page, check_axe)
