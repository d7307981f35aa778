"""Connectors and cases in doubt as people use them: looked at, and worked by keyboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from automations.connectors.accounts import account_of
from automations.models.connectors import ConnectorAccount
from automations.models.failures import Failure
from automations.models.runs import Effect, Run
from backoffice.models import User
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.bed.fakes import Outside, StartOutside

SHOTS = os.environ.get("SHOTS", "")


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS, f"{name}.png"))


def busy_connectors(start_outside: StartOutside) -> tuple[ConnectorAccount, ConnectorAccount]:
    """One that answers, with a call in doubt; one that is down, with runs kept back."""
    fine, broken = start_outside(), start_outside()
    carrier = lines.web_account(
        fine.url, name="Carrier labels", token="a-token-of-old", total_seconds=1, **lines.LOOK_UP
    )
    erp = lines.web_account(broken.url, name="ERP", cap=4)
    lines.submit_scope(erp, base=broken.url, auth="none", per_minute=60, burst=5, cap=9)
    lines.live_caller(carrier, name="Buy a label")
    make.parcels_arrived(4)
    lines.work_lanes(carrier)
    fine.behave({"do": "drop", "method": "POST", "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(carrier)
    fine.behave()
    lines.live_caller(erp, name="Tell the ERP")
    broken.stop()
    make.parcels_arrived(7)
    lines.work_lanes(carrier, erp)
    return carrier, erp


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_screens_of_connectors(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    administrator_user: User,
    operations_user: User,
    start_outside: StartOutside,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, administrator_user)
    for address in ("/connectors/", "/connectors/calls/"):
        ready(page, address)
        check_axe(page)
    carrier, erp = busy_connectors(start_outside)
    call = carrier.calls.order_by("id")[0]
    waiting = f"/connectors/{erp.key}/"
    for name, address in (
        ("list", "/connectors/"),
        ("calls", "/connectors/calls/"),
        ("call", f"/connectors/calls/{call.pk}/"),
        ("carrier", f"/connectors/{carrier.key}/"),
        ("erp", waiting),
        ("scope", f"/connectors/{erp.key}/scope/"),
        ("approvals", "/approvals/?view=waiting"),
        ("approval", f"/approvals/{lines.submit_scope(erp, base=erp_url(erp), auth='none').pk}/"),
    ):
        ready(page, address)
        check_axe(page)
        shot(page, f"{scheme}-{name}")
    ready(page, f"/connectors/{carrier.key}/")
    for button in ("#new-secret", "#tighten", "#describe", "#stop"):
        page.locator(button).click()
        expect(page.locator("#dialog form")).to_be_visible()
        page.wait_for_load_state("networkidle")
        check_axe(page)
        shot(page, f"{scheme}-dialog-{button.strip('#')}")
        page.keyboard.press("Escape")
    sign_in(page, operations_user)
    case = Failure.objects.get(error="doubt")
    for name, address in (
        ("case", f"/failures/{case.pk}/"),
        ("inbox", f"/failures/?sel={case.pk}"),
    ):
        ready(page, address)
        check_axe(page)
        shot(page, f"{scheme}-{name}")
    ready(page, waiting)
    check_axe(page)
    shot(page, f"{scheme}-erp-operations")


def erp_url(account: ConnectorAccount) -> str:
    return account_of(account.key).scope.base


def test_a_case_in_doubt_is_checked_and_settled_by_keyboard(
    page: Page, sign_in: SignIn, operations_user: User, outside: Outside
) -> None:
    account = lines.web_account(outside.url, total_seconds=1, **lines.LOOK_UP)
    lines.live_caller(account)
    outside.behave({"do": "drop", "method": "POST", "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    sign_in(page, operations_user)
    ready(page, f"/failures/{case.pk}/")
    expect(page.get_by_role("button", name="Retry")).to_be_disabled()
    expect(page.locator("#act-did-not")).to_be_disabled()
    expect(page.locator("#why-not-absent")).to_contain_text("on its way until")
    page.keyboard.press("l")
    expect(page.get_by_text("It is being looked up").first).to_be_visible()
    page.keyboard.press("y")
    expect(page.get_by_label("Reference")).to_be_focused()
    page.keyboard.type("Seen in their portal, 4711")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(f"Case {case.pk}: it happened")).to_be_visible()
    lines.work_lanes(account)
    assert Run.objects.get().state == "done"
    assert Effect.objects.get().reference == "Seen in their portal, 4711"


def test_a_scope_with_a_mistake_comes_back_with_what_was_typed(
    page: Page, sign_in: SignIn, administrator_user: User, outside: Outside, troubles: Troubles
) -> None:
    troubles.allow("status of 422")
    account = lines.web_account(outside.url)
    sign_in(page, administrator_user)
    ready(page, "/connectors/")
    page.locator("main").get_by_role("link", name=account.name).first.click()
    page.wait_for_load_state("networkidle")
    page.keyboard.press("e")
    page.wait_for_url("**/scope/")
    page.get_by_label("Address").fill("https://user@10.0.0.1/")
    page.get_by_label("Why").fill("A new place.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Write a plain address").first).to_be_visible()
    expect(page.get_by_label("Address")).to_have_value("https://user@10.0.0.1/")
    page.get_by_label("Address").fill("https://api.example.com/v2")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/approvals/*/")
    expect(
        page.get_by_text("https://api.example.com/v2 and what is below it").first
    ).to_be_visible()
