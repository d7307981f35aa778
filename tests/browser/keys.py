"""Working a page by keys, as someone without a mouse does."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from orders.models.orders import Order
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, place

STEPS = 160  # no screen of these tests has more places to stop at

# Everything that a person with a mouse can press or fill in, but for the other radio buttons of a
# group (arrows choose among them) and what stands in a closed dialog or menu.
STOPS = """() => {
    const seen = new Set();
    const stops = [...document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex="0"]'
    )].filter((element) => {
        if (element.disabled || element.tabIndex < 0 || element.type === "hidden") return false;
        if (!element.checkVisibility({visibilityProperty: true})) return false;
        if (element.type === "radio") {
            const group = element.form?.id + element.name;
            if (seen.has(group)) return false;
            seen.add(group);
        }
        return true;
    });
    window.missed = new Set(stops);
    document.addEventListener("focusin", (event) => {
        window.missed.delete(event.target);
        if (event.target.type !== "radio") return;
        const group = document.getElementsByName(event.target.name);
        for (const other of group) window.missed.delete(other);
    });
    // A date is several stops: day, month, year, the calendar.
    return stops.reduce((sum, {type}) => sum + (/^date/.test(type) ? 7 : 1), 2);
}"""
MISSED = """() => [...window.missed].filter((element) => element.isConnected)
    .map((element) => element.outerHTML.slice(0, 160))"""
STANDS_ON = "() => document.activeElement.outerHTML.slice(0, 160)"
SHOWS_FOCUS = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return true;
    return getComputedStyle(element).outlineStyle !== "none" || Boolean(element.closest(".find"));
}"""


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shown(page: Page, case_id: int) -> None:
    """The case stands beside the list, and takes keys: none are for one that is on its way."""
    expect(page.locator('#detail:not([aria-busy="true"]) #case')).to_have_attribute(
        "data-case", str(case_id)
    )


def tab_to(page: Page, name: str) -> None:
    """Tab until a control of this name has the focus."""
    for _ in range(STEPS):
        page.keyboard.press("Tab")
        now = page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel")
        if name in (now or ""):
            return
    pytest.fail(f"{name} can't be reached by Tab.")


def opened(page: Page, name: str) -> None:
    """The dialog is there and has taken the focus."""
    expect(page.get_by_role("dialog", name=name, exact=True)).to_be_visible()
    expect(page.locator("#dialog :focus")).to_have_count(1)


def told(page: Page, words: str) -> None:
    expect(page.locator(".toast").last).to_contain_text(words)
    page.wait_for_load_state("networkidle")


def a_paid_order(number: int = 1) -> Order:
    order = place(line(make_sku(f"KB-{number:03}", stock=10), 2, "120.00"), channel=make_channel())
    pay(order)
    return fresh(order)
