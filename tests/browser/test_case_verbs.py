"""Every verb of the failures queue, pressed in a real browser, mostly by keyboard alone."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from automations.models.documents import Stop
from automations.models.failures import Failure, FailureWatch
from automations.models.runs import Run
from backoffice.models import BulkJob, User
from backoffice.workbench import jobs
from tests.automations import factories as make
from tests.automations.views import kinds
from tests.bed.browsers import OpenPage, SignIn, Troubles
from tests.bed.people import MakeUser
from tests.browser.keys import told
from tests.depot.models import Parcel


def show(page: Page, case: Failure) -> None:
    page.goto(f"/failures/{case.pk}/")
    expect(page.locator("#case")).to_have_attribute("data-case", str(case.pk))


def fresh(case: Failure) -> Failure:
    case.refresh_from_db()
    return case


def ask(page: Page, key: str, title: str) -> None:
    """Press a verb's key and see its dialog."""
    page.keyboard.press(key)
    expect(page.locator("#dialog")).to_be_visible()
    expect(page.locator("#dialog h2")).to_have_text(title)


def say(page: Page, words: str) -> None:
    """Type into the open dialog's text and send it, without the mouse."""
    page.locator("#dialog textarea").first.fill(words)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#dialog")).to_be_hidden()


def let_go(page: Page, runs: int) -> None:
    """Release runs by keys: several are asked about first, and Enter confirms."""
    if runs == 1:
        page.keyboard.press("f")
        return
    ask(page, "f", f"Let {runs} runs go on")
    expect(page.locator("#release-deeds li")).not_to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()


def test_verbs_on_a_run_that_stands_still(
    operations_user: User, page: Page, sign_in: SignIn
) -> None:
    cases = kinds.failures().cases
    sign_in(page, operations_user)
    show(page, cases["retry"])
    page.keyboard.press("r")
    told(page, f"Case {cases['retry'].pk} is being retried")
    show(page, cases["rejected"])
    expect(page.locator(".case-acts .btn.primary")).to_have_id("act-edit")
    ask(page, "e", "Edit and retry")
    page.locator("#dialog input[name=tag]").fill("yes")
    page.keyboard.press("Control+Enter")
    told(page, "is being retried with other input")
    show(page, cases["skip"])
    ask(page, "s", "Skip the step")
    say(page, "No room for it.")
    told(page, "Skipped the step")
    show(page, cases["by_hand"])
    ask(page, "d", "Done by hand")
    page.locator("#dialog input[name=reference]").fill("photo 17")
    page.keyboard.press("Control+Enter")
    told(page, "was done by hand")
    show(page, cases["end"])
    page.click("#act-end")
    say(page, "Sold.")
    told(page, "Ended the run")
    show(page, cases["domain"])
    expect(page.locator("#act-retry")).to_have_count(0)
    ask(page, "d", "Solved")
    say(page, "The carrier pays.")
    told(page, "is solved")
    make.work_all()
    found = {name: fresh(case).resolution or case.state for name, case in cases.items()}
    assert found["rejected"] == "edited"
    assert found["skip"] == "skipped"
    assert found["by_hand"] == "by_hand"
    assert found["end"] == "ended"
    assert found["domain"] == "solved"
    assert fresh(cases["retry"]).times == 2


def test_verbs_of_care(support_user: User, finance_user: User, page: Page, sign_in: SignIn) -> None:
    case = kinds.failures().cases["bug"]
    Failure.objects.filter(pk=case.pk).update(due_at="2026-01-01T00:00Z", escalated=1)
    sign_in(page, support_user)
    show(page, case)
    expect(page.locator(".case-head")).to_contain_text("Late, its owner was told")
    page.keyboard.press("i")
    expect(page.locator(".case-head .who")).to_contain_text("Amara Lewis")
    ask(page, "a", "Assign")
    page.locator("#dialog select").select_option("")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".case-head .who")).to_contain_text("nobody’s")
    ask(page, "u", "Priority")
    page.locator("#dialog select").select_option("1")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".case-head")).to_contain_text("Urgent")
    ask(page, "c", "Comment")
    say(page, "Called the desk.")
    expect(page.locator("#case-log")).to_contain_text("Called the desk.")
    page.click("#act-watch")
    told(page, f"You watch case {case.pk}")
    assert FailureWatch.objects.filter(user=support_user).exists()
    expect(page.locator("#act-watch")).to_have_text("Don’t watch")
    page.click("#act-watch")
    told(page, "don’t watch")
    ask(page, "h", "Snooze")
    page.locator("#dialog select").select_option("worse")
    page.keyboard.press("Control+Enter")
    told(page, "until it gets worse")
    expect(page.locator("#act-wake")).to_be_visible()
    assert fresh(case).snoozed_while is not None
    page.keyboard.press("h")
    told(page, "is open again")
    expect(page.locator("#act-wake")).to_have_count(0)
    ask(page, "o", "Hand over")
    page.locator("#dialog select[name=to]").select_option(str(finance_user.pk))
    say(page, "Customs wants a number.")
    told(page, "handed over")
    expect(page.locator(".case-head .who")).to_contain_text("Daniel Okafor")
    assert fresh(case).owner == finance_user


def test_questions_drafts_and_doubt(
    support_user: User,
    finance_user: User,
    operations_user: User,
    open_page: OpenPage,
    sign_in: SignIn,
    troubles: Troubles,
) -> None:
    troubles.allow("status of 422")
    cases = kinds.answers_wanted().cases
    finance, support = open_page(), open_page()
    sign_in(finance, finance_user)
    sign_in(support, support_user)
    show(support, cases["question"])
    expect(support.locator("#who-is-asked")).to_contain_text("Finance is asked")
    expect(support.locator("#act-yes")).to_have_count(0)
    finance.goto("/failures/?view=needs-me")
    expect(finance.locator("tr[data-id]")).to_have_count(2)
    show(finance, cases["question"])
    ask(finance, "y", "Yes")
    say(finance, "Fine.")
    told(finance, "yes")
    show(finance, cases["question_no"])
    ask(finance, "n", "No")
    say(finance, "Sell it.")
    told(finance, "no")
    show(support, cases["unanswered"])
    expect(support.locator("#act-retry")).to_contain_text("Ask again")
    support.keyboard.press("r")
    told(support, "is being retried")
    show(support, cases["unsure"])
    expect(support.locator("#draft")).to_contain_text("55 % sure")
    support.keyboard.press("f")
    told(support, "the draft is done")
    show(support, cases["unsure_wrong"])
    ask(support, "e", "Correct the draft")
    support.locator("#dialog input[name=tag]").fill("south")
    support.keyboard.press("Control+Enter")
    expect(support.locator("#dialog")).to_contain_text("You may not do “Sort” yourself")
    assert fresh(cases["unsure_wrong"]).state == "open"
    operations = open_page()
    sign_in(operations, operations_user)
    show(operations, cases["unsure_wrong"])
    ask(operations, "e", "Correct the draft")
    operations.locator("#dialog input[name=tag]").fill("south")
    operations.keyboard.press("Control+Enter")
    told(operations, "what you corrected is done")
    show(support, cases["doubt"])
    expect(support.locator("#act-retry")).to_be_disabled()
    expect(support.locator("#retry-warning")).to_contain_text("may have happened")
    make.work_all()
    assert fresh(cases["question"]).resolution == "answered"
    assert Run.objects.get(pk=cases["question_no"].run_id or 0).state == "cancelled"
    assert fresh(cases["unanswered"]).error == "question"
    tags = [
        Parcel.objects.get(pk=cases[name].subject_id or 0).tags
        for name in ("unsure", "unsure_wrong")
    ]
    assert tags == [["north"], ["south"]]


def test_every_limit_and_a_first_look(
    support_user: User, finance_user: User, open_page: OpenPage, sign_in: SignIn
) -> None:
    cases = kinds.limited().cases
    look = kinds.first_look(finance_user)
    page = open_page()
    sign_in(page, support_user)
    for name, case in cases.items():
        waiting = Run.objects.filter(rule_id=case.rule_id or 0, state="parked").count()
        show(page, case)
        expect(page.locator("#kept")).to_contain_text(f"{waiting} run")
        if name == "money":
            page.click("#act-cancel")
            say(page, "A test.")
            told(page, "left undone")
            assert Run.objects.filter(rule_id=case.rule_id or 0, state="skipped").count() == 2
        else:
            let_go(page, waiting)
            told(page, "The runs go on")
        assert fresh(case).state == "resolved"
    show(page, look)
    expect(page.locator("#case")).to_contain_text("takes the first look")
    ask(page, "X", "Stop “New version LU”")
    say(page, "They look wrong.")
    told(page, "Stopped")
    assert Stop.objects.get().rule_id == look.rule_id
    reviewer = open_page()
    sign_in(reviewer, finance_user)
    show(reviewer, look)
    expect(reviewer.locator("#kept tbody tr")).to_have_count(2)
    let_go(reviewer, 3)
    told(reviewer, "Looks right")
    assert fresh(look).resolution == "released"


def test_a_circle_and_a_stop_keep_runs_back(
    operations_user: User, finance_user: User, open_page: OpenPage, sign_in: SignIn
) -> None:
    circle = kinds.circle()
    rule, case = kinds.stopped()
    page = open_page()
    sign_in(page, operations_user)
    show(page, circle)
    expect(page.locator("#case")).to_contain_text("set off the event that starts it again")
    expect(page.locator("#retry-warning")).to_contain_text("round in the same circle")
    page.click("#act-end-first")
    say(page, "It would go round for ever.")
    told(page, "Ended the run")
    assert Run.objects.get(pk=circle.run_id or 0).state == "cancelled"
    # A retry while the rule is stopped waits until two people have started it again.
    show(page, case)
    page.keyboard.press("r")
    told(page, "is being retried")
    make.work_all()
    page.goto(f"/runs/{case.run_id}/")
    expect(page.locator(".strip")).to_contain_text("Parked")
    expect(page.locator("main")).to_contain_text("stopped")
    assert Stop.objects.get(lifted_at=None).rule_id == rule.pk
    page.goto(f"/runs/?parked=stop&rule={rule.slug}")
    expect(page.locator("tr[data-id]")).to_have_count(1)


def test_many_cases_are_given_away_skipped_and_ended_from_the_list(
    support_user: User, page: Page, sign_in: SignIn
) -> None:
    kinds.failures()
    Failure.objects.update(at_stake=None, at_stake_currency="")
    sign_in(page, support_user)
    address = "/failures/?error=rejected&state=open"
    page.goto(address)
    tick(page, 2)
    page.keyboard.press("a")
    expect(page.locator("#dialog")).to_be_visible()
    page.locator("#dialog select").select_option(str(support_user.pk))
    page.keyboard.press("Control+Enter")
    told(page, "Assigned case")
    assert Failure.objects.filter(owner=support_user).count() == 2
    page.goto(address)
    untick(page)
    tick(page, 2)
    page.keyboard.press("s")
    expect(page.locator("#dialog")).to_be_visible()
    say(page, "No room for it.")
    told(page, "Skipped the step of case")
    page.goto(address)
    untick(page)
    tick(page, 2)
    page.locator("[data-bulk-url*='failures.end']").click()
    expect(page.locator("#dialog")).to_be_visible()
    say(page, "Sold.")
    told(page, "Ended the run of case")
    make.work_all()
    assert Failure.objects.filter(resolution="skipped").count() == 2
    assert Run.objects.filter(state="cancelled").count() == 2


def progress(page: Page, number: str, what: str) -> None:
    """What a job's page says of its rows."""
    figures = page.locator("#job-progress .figures")
    expect(figures).to_contain_text(re.compile(rf"{number}\s*{what}"))


def run_job(job: BulkJob) -> None:
    while jobs.run_chunk(job.pk):
        pass


def untick(page: Page) -> None:
    """Ticks outlive a reload; these keys forget them."""
    page.keyboard.press("*")
    page.keyboard.press("n")


def tick(page: Page, count: int) -> None:
    for _ in range(count):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.locator("[data-ticked]")).to_have_text(f"{count} ticked")


def test_many_cases_become_a_job_that_is_confirmed_watched_and_survives_a_reload(
    support_user: User, make_user: MakeUser, open_page: OpenPage, sign_in: SignIn
) -> None:
    kinds.failures()
    rejected = Failure.objects.filter(error="rejected").order_by("pk")
    page = open_page()
    sign_in(page, support_user)
    page.goto(f"/failures/?error=rejected&cause={rejected[0].cause}")
    tick(page, 2)
    page.keyboard.press("r")
    page.wait_for_url("**/jobs/*/")
    expect(page.locator("#job-sums")).to_contain_text("£500.00")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#job-progress")).to_be_visible()
    page.reload()
    progress(page, "2", "pending")
    run_job(BulkJob.objects.get())
    progress(page, "2", "sent to be tried again")
    # Much money takes two people.
    Failure.objects.update(at_stake="9000.00", at_stake_currency="GBP")
    page.goto("/failures/?error=rejected&view=open&state=open")
    tick(page, 2)
    page.keyboard.press("r")
    page.wait_for_url("**/jobs/*/")
    expect(page.locator("#job-second")).to_contain_text("This takes two people.")
    expect(page.get_by_role("button", name="Retry 2")).to_have_count(0)
    other = open_page()
    sign_in(other, make_user("operations"))
    other.goto("/jobs/?view=second")
    other.locator("tr[data-id] a").first.click()
    other.get_by_role("button", name="Retry 2").click()
    expect(other.locator("#job-progress")).to_be_visible()
    run_job(BulkJob.objects.order_by("-pk")[:1].get())
    progress(other, "2", "sent to be tried again")


def test_what_was_done_by_hand_comes_from_a_file(
    support_user: User, page: Page, sign_in: SignIn, tmp_path: Path
) -> None:
    cases = kinds.failures().cases
    first, second = cases["skip"], cases["by_hand"]
    file = tmp_path / "tracking.csv"
    file.write_text(f"case,reference,note\n{first.pk},JD1,Van\n{second.pk},JD2,\n77777,JD3,\n")
    sign_in(page, support_user)
    page.goto("/failures/")
    page.get_by_role("link", name="Done by hand, from a file").click()
    page.set_input_files("input[type=file]", str(file))
    page.keyboard.press("Control+Enter")
    rows = page.locator("#file-rows tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_contain_text("There is no case 77777.")
    page.get_by_role("button", name="Leave out 1 and go on with 2").click()
    page.wait_for_url("**/jobs/*/")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#job-progress")).to_be_visible()
    run_job(BulkJob.objects.get())
    progress(page, "2", "done")
    assert (fresh(first).resolution, fresh(second).resolution) == ("by_hand", "by_hand")
