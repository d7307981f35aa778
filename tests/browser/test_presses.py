"""Presses that come before or while the page is busy: none is lost, none counts twice."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from automations.models.rules import Draft
from backoffice.models import User
from tests.automations.views import kinds
from tests.automations.views.factories import some_orders
from tests.bed.browsers import SignIn, Troubles
from tests.browser.test_builder_flow import a_draft
from tests.browser.test_case_verbs import fresh, show
from tests.browser.test_rule_builder import settled


def test_a_key_pressed_the_moment_its_button_appears_or_changes_does_what_the_button_says(
    support_user: User, page: Page, sign_in: SignIn
) -> None:
    case = kinds.failures().cases["bug"]
    sign_in(page, support_user)
    show(page, case)
    # What a swap does just before htmx looks at what it brought: it changes a button in place.
    page.evaluate(
        """() => {
            const button = document.getElementById("act-assign");
            const take = document.getElementById("act-take");
            button.removeAttribute("hx-get");
            button.setAttribute("hx-post", take.getAttribute("hx-post"));
            button.setAttribute("hx-swap", "none");
            button.removeAttribute("hx-target");
            document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "a", bubbles: true}));
        }""",
    )
    expect(page.locator(".case-head .who")).to_contain_text("Amara Lewis")
    assert fresh(case).owner == support_user


def test_a_button_pressed_again_while_its_answer_is_on_its_way_waits_for_it(
    support_user: User, page: Page, sign_in: SignIn, troubles: Troubles
) -> None:
    troubles.allow("status of 409")  # the last press asks for what the first one did
    case = kinds.failures().cases["bug"]
    sign_in(page, support_user)
    show(page, case)
    page.wait_for_load_state("networkidle")
    held: list[Route] = []
    page.route("**/take/", lambda route: held.append(route))
    page.keyboard.press("i")
    expect(page.locator("#act-take[data-busy]")).to_have_count(1)
    for _ in range(3):
        page.keyboard.press("i")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert len(held) == 1
    page.unroute("**/take/")  # which lets it go on
    expect(page.locator(".case-head .who")).to_contain_text("Amara Lewis")


def test_what_is_changed_while_saves_are_on_their_way_is_saved_after_them_one_by_one(
    operations_user: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, operations_user)
    page.goto(a_draft(operations_user))
    settled(page)
    held: list[Route] = []
    page.route("**/_/save/", lambda route: held.append(route))

    def limit(label: str) -> None:
        page.get_by_label(label, exact=True).fill("7")
        page.get_by_label(label, exact=True).blur()
        page.wait_for_timeout(120)

    limit("Runs, at most in an hour")
    limit("Runs, at most in a day")
    assert len(held) == 1
    with page.expect_response("**/_/save/"):
        held.pop().continue_()
    page.wait_for_timeout(300)  # the answer is drawn and looked at while the second is on its way
    assert len(held) == 1
    limit("Messages, at most in an hour")
    assert len(held) == 1
    page.unroute("**/_/save/")
    settled(page)
    limits = Draft.objects.get().body["limits"]
    assert limits["runs"] == {"per_hour": 7, "per_day": 7}
    assert limits["messages"] == {"per_hour": 7}


def test_what_is_typed_while_a_dialog_is_on_its_way_is_written_into_it(
    operations_user: User, page: Page, sign_in: SignIn
) -> None:
    sign_in(page, operations_user)
    page.goto(a_draft(operations_user))
    settled(page)
    held: list[Route] = []
    page.route("**/_/actions/**", lambda route: held.append(route))
    page.locator("h1, h2").first.click()
    page.keyboard.press("s")
    expect(page.locator("#add-step[data-busy]")).to_have_count(1)
    page.keyboard.type("ticket")
    page.keyboard.press("Enter")
    page.unroute("**/_/actions/**")  # which lets it go on
    expect(page.get_by_label("Find a step by name")).to_have_value("ticket")
    expect(page.locator(".step")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".step")).to_have_count(1)
    settled(page)
    assert Draft.objects.get().body["steps"][0]["do"] == "support.open_ticket"


def test_the_window_stands_still_whatever_stands_far_below_on_a_page(
    operations_user: User, page: Page, sign_in: SignIn
) -> None:
    order = some_orders()[0]
    sign_in(page, operations_user)
    page.goto(f"/orders/{order.number}/")
    page.wait_for_load_state("networkidle")
    # What only screen readers hear is placed by its position, as in the list of what rules did.
    page.evaluate(
        """() => {
            const below = document.createElement("div");
            below.style.paddingTop = "3000px";
            below.innerHTML = '<button>Last <span class="visually-hidden">of all</span></button>';
            document.getElementById("scroll").append(below);
        }"""
    )
    page.get_by_role("button", name="Last of all").focus()
    tall = "() => [document.documentElement.scrollTop, document.documentElement.scrollHeight]"
    assert page.evaluate(tall) == [0, page.evaluate("innerHeight")]
