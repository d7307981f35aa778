"""The inbox of cases in a real browser: the whole way, by keyboard, and for everyone's eyes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice.models import User
from orders.models.orders import Order
from support.models import Ticket
from tests.automations import factories as make
from tests.automations.views import story
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.browser.keys import shown


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def order_of(case: Failure) -> Order:
    return Order.objects.get(pk=case.subject_id or 0)


def test_support_edits_the_queue_by_keyboard_alone_and_the_order_tells_the_story(
    support_user: User, page: Page, sign_in: SignIn
) -> None:
    first, second = story.failed_run(2)
    sign_in(page, support_user)
    ready(page, "/failures/")
    expect(page.locator("#detail h2").first).to_contain_text("Choose another queue and retry.")
    page.keyboard.press("j")
    page.keyboard.press("j")
    shown(page, second.pk)
    expect(page).to_have_url(re.compile(f"sel={second.pk}"))
    page.keyboard.press("i")
    expect(page.locator(".toast")).to_contain_text(f"Case {second.pk} is with Amara Lewis")
    expect(page.locator("#case .who")).to_contain_text("Amara Lewis")
    page.keyboard.press("e")
    expect(page.locator("#dialog h2")).to_have_text("Edit and retry")
    expect(page.locator("#dialog select").first).to_be_focused()
    page.keyboard.type("Parcels")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast").last).to_contain_text("is being retried with other input")
    expect(page.locator("#case")).to_contain_text("Being retried")
    make.work_all()
    expect(page.locator("#case")).to_contain_text("Edited and retried")
    expect(page.locator("#case-log")).to_contain_text("export")
    assert Ticket.objects.get().queue.slug == "parcels"
    assert Failure.objects.get(pk=first.pk).state == "open"
    order = order_of(second)
    ready(page, f"/orders/{order.number}/")
    timeline = page.locator("#timeline")
    run = Run.objects.get(subject_id=order.pk)
    expect(timeline).to_contain_text("Stopped: ")
    expect(timeline).to_contain_text("Edited queue of a failed step and retried it")
    expect(timeline.get_by_role("link", name=f"case {second.pk}").first).to_be_visible()
    expect(timeline.get_by_role("link", name=f"run {run.number}").first).to_be_visible()
    expect(page.locator("#why-orders-order")).to_contain_text("Check exports of high value")


def test_a_stale_second_press_is_told_and_changes_nothing(
    support_user: User,
    operations_user: User,
    open_page: OpenPage,
    sign_in: SignIn,
    troubles: Troubles,
) -> None:
    (case,) = story.failed_run()
    troubles.allow("status of 409")
    one, other = open_page(), open_page()
    sign_in(one, support_user)
    sign_in(other, operations_user)
    ready(one, f"/failures/{case.pk}/")
    ready(other, f"/failures/{case.pk}/")
    one.keyboard.press("r")
    expect(one.locator(".toast")).to_contain_text("is being retried")
    other.keyboard.press("r")
    expect(other.locator(".toast")).to_contain_text("Someone worked on this case meanwhile")
    expect(other.locator("#case")).to_contain_text("Being retried")
    assert Run.objects.get().state == "due"


def test_ticked_cases_are_snoozed_together_and_taken_up_again(
    support_user: User, page: Page, sign_in: SignIn
) -> None:
    story.failed_run(3)
    sign_in(page, support_user)
    ready(page, "/failures/")
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("[data-ticked]")).to_have_text("2 ticked")
    page.keyboard.press("h")
    expect(page.locator("#dialog h2")).to_have_text("Snooze: 2 cases")
    expect(page.locator("#dialog select")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast")).to_contain_text("Put aside")
    expect(page.locator("tr[data-id]")).to_have_count(1)
    assert Failure.objects.filter(state="snoozed").count() == 2
    page.keyboard.press("z")
    expect(page.locator("tr[data-id]")).to_have_count(3)
    assert Failure.objects.filter(state="open").count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_cases_and_runs(
    scheme: Any,
    support_user: User,
    auditor_user: User,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, auditor_user)
    ready(page, "/failures/")
    check_axe(page)
    case, other = story.failed_run(2)
    make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived()
    make.work_all()
    run = Run.objects.get(subject_id=order_of(case).pk, subject="orders.order")
    for address in ("/failures/", f"/failures/{case.pk}/", "/runs/", f"/runs/{run.pk}/"):
        ready(page, address)
        check_axe(page)
        # Trying the draft on a run does nothing to either.
        expect(page.locator('[id^="act-"]:not(#act-try)')).to_have_count(0)
    sign_in(page, support_user)
    ready(page, f"/failures/?sel={other.pk}")
    check_axe(page)
    for key in ("e", "h", "s", "d", "a", "c"):
        page.keyboard.press(key)
        expect(page.locator("#dialog")).to_be_visible()
        check_axe(page)
        page.keyboard.press("Escape")
        expect(page.locator("#dialog")).to_be_hidden()
    ready(page, "/")
    check_axe(page)
    ready(page, f"/orders/{order_of(case).number}/")
    check_axe(page)
