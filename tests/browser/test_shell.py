"""The shell and the list workbench in a real browser, by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backoffice import actors, audit
from backoffice.models import User
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.bed.people import MakeUser

SCREENS = [
    "/",
    "/search/?q=staff",
    "/me/",
    "/me/password/",
    "/jobs/",
    "/settings/users/",
    "/settings/users/?role=finance&view=all",
    "/settings/users/?q=nobody-has-this",
    "/settings/users/new/",
    "/settings/users/s001/",
    "/settings/audit/",
    "/settings/audit/?what=nonsense&view=gone",
]
STAFF = "/settings/users/"


@pytest.fixture
def staff(administrator_user: User) -> User:
    """An administrator beside sixty others."""
    User.objects.bulk_create(
        User(username=f"s{n:03}", first_name="Sam", last_name=f"Lee{n:03}") for n in range(60)
    )
    audit.record(
        "staff.added",
        "backoffice.user",
        User.objects.get(username="s001").pk,
        actor=actors.person(administrator_user),
        role="finance",
    )
    return administrator_user


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_screen_of_the_shell(
    scheme: Any, staff: User, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe
) -> None:
    page = open_page(color_scheme=scheme)
    ready(page, "/login/")
    check_axe(page)
    sign_in(page, staff)
    for address in SCREENS:
        ready(page, address)
        check_axe(page)
    ready(page, STAFF)
    page.keyboard.press("?")
    check_axe(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.wait_for_selector("#palette-results a")
    check_axe(page)
    page.keyboard.press("Escape")
    page.click("#open-filters")
    check_axe(page)


def test_rows_are_ticked_acted_on_and_undone_with_the_keyboard_alone(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?q=Sam")
    for key in ("j", "j", "x", "j", "Shift+X"):
        page.keyboard.press(key)
    expect(page.locator("[data-ticked]")).to_have_text("2 ticked")
    page.keyboard.press("d")
    expect(page.locator(".toast")).to_contain_text("Deactivated")
    assert User.objects.filter(is_active=False).count() == 2
    expect(page.locator("[data-ticked]")).to_have_text("2 ticked")
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Activated")
    assert User.objects.filter(is_active=False).count() == 0


def test_ticks_survive_paging_and_go_when_the_list_is_left(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?q=Sam")
    page.keyboard.press("*")
    page.keyboard.press("a")
    expect(page.locator("[data-ticked]")).to_have_text("50 ticked")
    page.click("#page-next")
    expect(page.locator("[data-ticked]")).to_have_text("50 ticked")
    ready(page, "/settings/audit/")
    ready(page, f"{STAFF}?q=Sam")
    expect(page.locator("#bulk")).to_be_hidden()


def test_all_in_view_is_a_step_of_its_own_and_asks_before_it_acts(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?q=Sam")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.click("[data-freeze]")
    expect(page.locator("[data-ticked]")).to_have_text("All 60 of this view, as of now")
    User.objects.create(username="late", first_name="Sam", last_name="Late")
    page.keyboard.press("d")
    page.wait_for_url("**/jobs/*/")
    expect(page.locator("h1")).to_have_text("Deactivate: 60 people")
    page.reload()
    expect(page.locator("h1")).to_have_text("Deactivate: 60 people")
    assert User.objects.filter(is_active=False).count() == 0


def test_the_address_is_the_state_and_back_returns_to_the_row(
    staff: User, page: Page, sign_in: SignIn, open_page: OpenPage
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?view=all")
    page.keyboard.press("/")
    page.keyboard.type("Sam")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=Sam**")
    page.click("thead a:has-text('User name')")
    page.wait_for_url("**sort=username**")
    page.click("thead a:has-text('User name')")
    page.wait_for_url("**sort=-username**")
    first = page.locator("tbody tr").first.inner_text()
    other = open_page()
    sign_in(other, staff)
    ready(other, page.url)
    assert other.locator("tbody tr").first.inner_text() == first
    for _ in range(4):
        page.keyboard.press("j")
    standing = page.evaluate("document.activeElement.closest('tr').dataset.id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/users/s0*/")
    page.keyboard.press("Escape")
    page.wait_for_url("**sort=-username**")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.activeElement.closest('tr')?.dataset.id") == standing


def test_a_view_is_saved_applied_with_a_number_and_deleted(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?view=all&q=Sam")
    page.click("#view-save")
    page.fill("#id_name", "All the Sams")
    page.keyboard.press("Enter")
    page.wait_for_url("**view=all-the-sams")
    expect(page.locator("#view-all-the-sams .count")).to_have_text("60")
    ready(page, STAFF)
    page.keyboard.press("5")
    page.wait_for_url("**view=all-the-sams")
    page.wait_for_load_state("networkidle")
    page.click("#view-edit")
    page.click("#dialog .btn.danger")
    expect(page.locator("#view-all-the-sams")).to_have_count(0)


def test_a_refresh_announces_new_rows_and_moves_nothing(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?q=Sam")
    page.keyboard.press("j")
    page.keyboard.press("x")
    before = page.locator("tbody").inner_text()
    User.objects.create(username="late", first_name="Sam", last_name="Aardvark")
    page.evaluate("htmx.trigger(document.body, 'ui:tick')")
    expect(page.locator("#arrived")).to_contain_text("1 new")
    assert page.locator("tbody").inner_text() == before
    expect(page.locator("[data-ticked]")).to_have_text("1 ticked")
    page.click("#arrived")
    expect(page.locator("tbody tr").first).to_contain_text("Aardvark")


def test_the_palette_goes_to_a_screen_and_the_chords_too(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, "/")
    page.keyboard.press("Control+k")
    page.keyboard.type("audit")
    expect(page.locator("#palette-results .at")).to_contain_text("Audit log")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/audit/")
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url(lambda url: url.endswith("/") and "audit" not in url)


def test_single_keys_do_nothing_while_typing_or_switched_off(
    staff: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, staff)
    ready(page, f"{STAFF}?q=Sam")
    page.click("#find")
    page.keyboard.type("jxd?")
    expect(page.locator("dialog[open]")).to_have_count(0)
    User.objects.filter(pk=staff.pk).update(single_keys=False)
    ready(page, f"{STAFF}?q=Sam")
    for key in ("j", "x", "?", "g", "h"):
        page.keyboard.press(key)
    expect(page.locator("#bulk")).to_be_hidden()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()


def test_the_theme_is_set_at_once_and_kept(staff: User, page: Page, sign_in: SignIn) -> None:
    sign_in(page, staff)
    ready(page, "/")
    page.click(".me-button")
    with page.expect_response("**/me/theme/"):
        page.click("[data-theme-set=dark]")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_an_error_page_says_what_to_do(
    staff: User, page: Page, sign_in: SignIn, check_axe: CheckAxe, troubles: Troubles
) -> None:
    troubles.allow("status of 404")
    sign_in(page, staff)
    page.goto("/orders/no-such-number/")
    expect(page.locator("h1")).to_have_text("There is no such page")
    check_axe(page)


def test_the_rail_shows_each_roles_daily_pages_and_folds_by_keyboard(
    page: Page, sign_in: SignIn, make_user: MakeUser
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    for role in ("operations", "finance", "support", "auditor", "administrator"):
        sign_in(page, make_user(role))
        ready(page, "/me/")
        box = page.locator("#rail").evaluate("rail => [rail.scrollHeight, rail.clientHeight]")
        assert box[0] <= box[1], (role, box)
    button = page.locator("#fold-settings")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("link", name="Carriers")).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(button).to_be_focused()
    expect(page.get_by_role("link", name="Carriers")).to_be_visible()
    ready(page, "/jobs/")
    expect(page.get_by_role("link", name="Carriers")).to_be_visible()
