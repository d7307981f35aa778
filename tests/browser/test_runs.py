"""Runs of every outcome, undoing, shadows, stops and the approver's choices, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from automations.models.documents import Activation, Document, Stop
from automations.models.failures import Failure
from automations.models.rules import Draft, Rule
from automations.models.runs import Run
from automations.services import drafts, stops
from backoffice.actors import person
from backoffice.models import BulkJob, User
from backoffice.workbench import jobs
from tests.automations import factories as make
from tests.automations.views import kinds
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.bed.evidence import gather
from tests.depot.models import Parcel


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def progress(page: Page, number: str, what: str) -> None:
    """What a job's page says of its rows."""
    figures = page.locator("#job-progress .figures")
    expect(figures).to_contain_text(re.compile(rf"{number}\s*{what}"))


def asked(page: Page) -> None:
    """See the dialog: keys pressed before it is there belong to the page."""
    expect(page.locator("#dialog")).to_be_visible()


def why(page: Page, words: str) -> None:
    """Say why in the open dialog, and send it."""
    asked(page)
    page.locator("#dialog textarea").first.fill(words)
    page.keyboard.press("Control+Enter")


def test_each_outcome_of_a_run_is_told_and_what_can_be_undone_is_undone(
    support_user: User, page: Page, sign_in: SignIn
) -> None:
    runs = kinds.outcomes().runs
    assert set(runs) == set(Run.State.values)
    sign_in(page, support_user)
    for state, run in runs.items():
        page.goto(f"/runs/?state={state}")
        expect(page.locator(f"#row-{run.pk}")).to_be_visible()
        page.goto(f"/runs/{run.pk}/")
        expect(page.locator(".strip")).to_contain_text(run.get_state_display())
    page.goto(f"/runs/{runs['waiting'].pk}/")
    expect(page.locator(".trace .here")).to_contain_text("Waits until")
    page.click("#act-end-run")
    why(page, "Sold.")
    expect(page.locator(".strip")).to_contain_text("Cancelled")
    page.goto(f"/runs/{runs['done'].pk}/")
    expect(page.locator("#undo")).to_contain_text("1 of 2 can be")
    page.keyboard.press("t")
    expect(page.locator("#dialog")).to_contain_text("It would match, and do:")
    asked(page)
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    page.keyboard.press("U")
    expect(page.locator("#dialog h2")).to_have_text(f"Undo run {runs['done'].number}")
    why(page, "Wrong stamps.")
    expect(page.locator("#undo")).to_contain_text("What could be undone was undone.")
    expect(page.locator(".toast")).to_contain_text("Took t1 off.")
    expect(page.locator("#act-undo")).to_be_disabled()
    assert Parcel.objects.get(pk=runs["done"].subject_id).tags == ["t2"]
    page.click("#act-stop-rule")
    why(page, "It stamps too much.")
    page.wait_for_url("**/rules/does/")
    assert Stop.objects.get().rule_id == runs["done"].rule_id


def test_all_runs_of_a_version_are_undone_by_a_job(
    operations_user: User, page: Page, sign_in: SignIn
) -> None:
    made = kinds.rule("NL", "Stamps", make.steps("depot.stamp"))
    kinds.arrive("NL", 3)
    sign_in(page, operations_user)
    page.goto(f"/rules/{made.slug}/")
    page.get_by_role("link", name="Undo its runs").click()
    expect(page.locator("#undo-number")).to_have_text("3")
    page.locator("textarea").fill("Wrong stamps.")
    page.click("#undo-all")
    page.wait_for_url("**/jobs/*/")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#job-progress")).to_be_visible()
    job = BulkJob.objects.get()
    while jobs.run_chunk(job.pk):
        pass
    progress(page, "3", "done")
    assert not Parcel.objects.exclude(tags=[]).exists()


def candidate(
    steps: list[dict[str, Any]], live_steps: list[dict[str, Any]]
) -> tuple[Rule, Document]:
    """A live rule, and a version that waits for approval beside it."""
    live = make.live_rule(name="High value", steps=live_steps)
    revision = Draft.objects.get(rule=live).revision
    by = person(make.author())
    drafts.save_draft(live.pk, body=make.body(steps=steps), revision=revision, actor=by)
    return live, make.submit(live)


def test_a_version_runs_in_shadow_and_is_compared_with_what_acts(
    operations_user: User, page: Page, sign_in: SignIn
) -> None:
    live, _ = candidate(make.steps("depot.stamp"), make.steps("depot.add_tag"))
    sign_in(page, operations_user)
    page.goto(f"/rules/{live.slug}/")
    page.click("#shadow-begin")
    page.wait_for_url("**/shadow/")
    make.parcels_arrived(2)
    make.work_all()
    page.reload()
    expect(page.locator("#matched-live")).to_have_text("2")
    expect(page.locator("#matched-shadow")).to_have_text("2")
    expect(page.locator("#differing tbody tr")).to_have_count(2)
    page.locator("#differing").get_by_role("link", name="its run").nth(1).click()
    expect(page.locator("main")).to_contain_text("a shadow: nothing was done, only noted")
    page.goto("/runs/?view=shadow")
    expect(page.locator("tr[data-id]")).to_have_count(2)
    page.goto("/rules/")
    expect(page.locator("main")).to_contain_text("v2 in shadow")
    page.goto(f"/rules/{live.slug}/shadow/")
    page.click("#shadow-end")
    expect(page.locator("main")).to_contain_text("v2 ran in shadow")
    assert not Activation.objects.in_shadow().exists()


def test_the_approver_chooses_the_first_look_and_what_becomes_of_waiting_runs(
    finance_user: User, page: Page, sign_in: SignIn
) -> None:
    duty = make.steps("depot.pay_duty")
    _, document = candidate([kinds.WAIT, *duty], [kinds.WAIT, *duty])
    make.parcels_arrived(2)
    make.work_all()
    gather(document)
    sign_in(page, finance_user)
    page.goto(f"/approvals/{document.pk}/")
    expect(page.locator("#verdict")).to_contain_text("2 runs wait under the version before")
    expect(page.locator("#evidence-days")).to_be_visible()
    page.keyboard.press("y")
    asked(page)
    expect(page.locator("#dialog")).to_contain_text("2 runs wait now.")
    expect(page.locator("#dialog [name=first_look]")).to_be_checked()
    expect(page.locator("#dialog [name=after]")).to_have_value("10")
    page.locator("#dialog [name=first_look]").uncheck()
    expect(page.locator("#dialog [name=after]")).to_be_hidden()
    page.locator("#dialog [name=first_look]").check()
    page.locator("#dialog [name=after]").fill("3")
    page.locator("#dialog [name=waiting][value=cancel]").check()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast")).to_contain_text("is live")
    look = Activation.objects.in_force().get().first_look
    assert look is not None
    assert (look["after"], look["reviewer"]) == (3, finance_user.pk)
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}


def test_stopping_shows_what_is_behind_and_starting_what_would_be_released(
    operations_user: User, finance_user: User, open_page: OpenPage, sign_in: SignIn
) -> None:
    rule = kinds.rule("NL", "Stamps", make.steps("depot.stamp"))
    page, other = open_page(), open_page()
    sign_in(page, operations_user)
    sign_in(other, finance_user)
    page.goto("/rules/")
    page.get_by_role("link", name="What is stopped").click()
    page.locator("#stopped-rules").get_by_role("button", name="Stop… Stamps").click()
    why(page, "Wrong stamps.")
    page.wait_for_url(f"**/rules/{rule.slug}/")
    kinds.arrive("NL", 2)
    page.goto("/rules/stop/")
    row = page.locator("#stopped-rules tbody tr").first
    expect(row).to_contain_text("Wrong stamps.")
    row.get_by_role("button", name="Start again").click()
    expect(page.locator("#would-release")).to_contain_text("release 2 runs")
    asked(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/rules/{rule.slug}/")
    other.goto("/rules/stop/")
    other.locator("#stopped-rules").get_by_role("button", name="Start again").click()
    expect(other.locator("#would-release")).to_contain_text("£500.00")
    asked(other)
    other.keyboard.press("Control+Enter")
    other.wait_for_url(f"**/rules/{rule.slug}/")
    make.work_all()
    assert Run.objects.filter(state="done").count() == 2
    page.goto("/rules/stop/")
    page.click("#stop-everything")
    why(page, "Everything looks wrong.")
    expect(page.locator("main")).to_contain_text("Everything is stopped")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages_and_dialogs_of_cases_and_runs(
    scheme: Any,
    support_user: User,
    finance_user: User,
    operations_user: User,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
) -> None:
    waiting, limits = kinds.answers_wanted().cases, kinds.limited().cases
    look, runs = kinds.first_look(finance_user), kinds.outcomes().runs
    loop = kinds.looped(25)
    Failure.objects.filter(pk=waiting["doubt"].pk).update(due_at="2026-01-01T00:00Z", escalated=2)
    stops.stop_rule(runs["waiting"].rule_id, reason="Wrong.", actor=person(make.author()))
    page = open_page(color_scheme=scheme)
    sign_in(page, support_user)
    cases = (waiting["unsure"], waiting["question"], waiting["doubt"], limits["money"])
    for case in cases:
        ready(page, f"/failures/{case.pk}/")
        check_axe(page)
    for key in ("o", "u", "h"):
        page.keyboard.press(key)
        expect(page.locator("#dialog")).to_be_visible()
        check_axe(page)
        page.keyboard.press("Escape")
        expect(page.locator("#dialog")).to_be_hidden()
    for address in (f"/runs/{loop.pk}/", f"/runs/{runs['done'].pk}/", "/failures/by-hand/"):
        ready(page, address)
        check_axe(page)
    ready(page, f"/runs/{runs['done'].pk}/")
    for button in ("#act-undo", "#act-try"):
        page.click(button)
        expect(page.locator("#dialog")).to_be_visible()
        check_axe(page)
        page.keyboard.press("Escape")
    sign_in(page, finance_user)
    ready(page, f"/failures/{look.pk}/")
    check_axe(page)
    ready(page, f"/failures/{waiting['question'].pk}/")
    page.keyboard.press("y")
    expect(page.locator("#dialog")).to_be_visible()
    check_axe(page)
    page.keyboard.press("Escape")
    sign_in(page, operations_user)
    done = Rule.objects.get(pk=runs["done"].rule_id)
    for address in ("/rules/stop/", f"/rules/{done.slug}/undo/1/", f"/rules/{done.slug}/shadow/"):
        ready(page, address)
        check_axe(page)
    page.goto("/rules/stop/")
    page.get_by_role("button", name="Start again").first.click()
    expect(page.locator("#would-release")).to_be_visible()
    check_axe(page)
