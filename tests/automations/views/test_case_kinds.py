"""Every kind of case shows what it needs and offers first what helps."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from automations.models.documents import Stop
from automations.models.failures import Failure, FailureAction, FailureWatch
from automations.models.runs import Run
from backoffice.models import BulkJob, User
from tests.automations import factories as make
from tests.automations.views import kinds
from tests.bed.people import MakeUser, signed_in
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db
HTMX: dict[str, Any] = {"HTTP_HX_REQUEST": "true"}


def page(client: Client, case: Failure) -> str:
    return client.get(f"/failures/{case.pk}/").content.decode()


def press(client: Client, case: Failure, verb: str, **values: str) -> Any:
    case.refresh_from_db()
    url = f"/failures/{case.pk}/_/{verb}/?version={case.version}"
    return client.post(url, values, **HTMX)


def fresh(case: Failure) -> Failure:
    return Failure.objects.select_related("owner").get(pk=case.pk)


def run_of(case: Failure) -> Run:
    return Run.objects.get(pk=case.run_id or 0)


def first_button(text: str) -> str:
    """The id of the recommended act: the one primary button among what can be done."""
    acts = text[text.index('class="case-acts"') :]
    before = acts[: acts.index("btn primary")]
    after = acts[len(before) :]
    return after[after.index('id="') + 4 :].partition('"')[0]


def test_the_first_button_is_what_helps_and_not_always_retry(support_client: Client) -> None:
    found = kinds.failures().cases
    first = {name: first_button(page(support_client, case)) for name, case in found.items()}
    assert first["rejected"] == "act-edit"
    assert first["bug"] == "act-by-hand"
    # What could not be judged still can't.
    assert first["missing"] == "act-by-hand"
    assert first["retries"] == "act-retry"
    assert first["domain"] == "act-solve"


def test_a_retry_that_would_be_refused_is_off_and_says_why(support_client: Client) -> None:
    (case,) = [kinds.failures().cases["rejected"]]
    Run.objects.filter(pk=case.run_id or 0).update(overrides={case.cursor: {"tag": "x" * 50}})
    shown = page(support_client, case)
    retry = shown[shown.index('id="act-retry"') :][:300]
    assert "disabled" in retry
    assert "Retry would fail again: " in shown


def test_a_question_is_answered_by_the_role_that_is_asked(
    support_client: Client, finance_client: Client, auditor_client: Client
) -> None:
    found = kinds.answers_wanted().cases
    case, other = found["question"], found["question_no"]
    assert first_button(page(finance_client, case)) == "act-yes"
    for client in (support_client, auditor_client):
        shown = page(client, case)
        assert "<b>Finance</b> is asked" in shown
        assert 'id="act-yes"' not in shown
        assert press(client, case, "yes").status_code == 403
    assert run_of(case).state == "held"
    assert press(finance_client, case, "yes", text="Fine.").status_code == 204
    assert press(finance_client, other, "no", reason=" ").status_code == 422
    assert press(finance_client, other, "no", reason="Sell it.").status_code == 204
    make.work_all()
    assert run_of(case).state == "done"
    assert run_of(other).outcome.endswith("said no: Sell it.")
    assert f"Case {case.pk}" not in finance_client.get("/failures/?view=needs-me").content.decode()


def test_an_unanswered_question_is_asked_again(support_client: Client) -> None:
    case = kinds.answers_wanted().cases["unanswered"]
    shown = page(support_client, case)
    assert first_button(shown) == "act-retry"
    assert "Ask again" in shown
    assert press(support_client, case, "retry").status_code == 204
    make.work_all()
    assert (fresh(case).error, fresh(case).state) == ("question", "open")


def test_a_draft_shows_how_sure_it_is_and_is_confirmed_or_corrected(
    support_client: Client, operations_client: Client
) -> None:
    found = kinds.answers_wanted().cases
    case, wrong = found["unsure"], found["unsure_wrong"]
    shown = page(support_client, case)
    assert first_button(shown) == "act-confirm"
    assert "55 % sure" in shown
    assert re.search(r"<dt>Tag</dt>\s*<dd>\s*north\s*</dd>", shown)
    assert press(support_client, case, "confirm").status_code == 204
    refused = press(support_client, wrong, "correct", tag="south")
    assert refused.status_code == 422
    assert "You may not do “Sort” yourself" in refused.content.decode()
    assert fresh(wrong).state == "open"
    assert press(operations_client, wrong, "correct", tag="south").status_code == 204
    make.work_all()
    tags = [Parcel.objects.get(pk=each.subject_id or 0).tags for each in (case, wrong)]
    assert tags == [["north"], ["south"]]
    assert (fresh(case).resolution, fresh(wrong).resolution) == ("answered", "edited")
    change = FailureAction.objects.get(failure=wrong, verb="confirm").changes
    assert change == {"tag": {"from": "north", "to": "south"}}


def test_what_is_in_doubt_is_never_retried(support_client: Client) -> None:
    case = kinds.answers_wanted().cases["doubt"]
    shown = page(support_client, case)
    assert first_button(shown) == "act-by-hand"
    assert "disabled" in shown[shown.index('id="act-retry"') :][:300]
    answer = press(support_client, case, "retry")
    assert answer.status_code == 422
    assert "may have happened" in json.loads(answer["HX-Trigger"])["toast"]["text"]
    assert run_of(case).state == "failed"


def test_each_limit_shows_what_waits_and_is_released_or_left_undone(
    support_client: Client,
) -> None:
    found = kinds.limited().cases
    for name, case in found.items():
        waiting = Run.objects.filter(rule_id=case.rule_id or 0, state="parked").count()
        shown = page(support_client, case)
        assert first_button(shown) == "act-release", name
        assert f"Release {waiting}" in shown
        assert "they are about" in shown
        assert "parked=limit" in shown
    assert press(support_client, found["runs"], "release", sure="yes").status_code == 204
    assert fresh(found["runs"]).resolution == "released"
    assert press(support_client, found["money"], "cancel", reason="").status_code == 422
    assert press(support_client, found["money"], "cancel", reason="A test.").status_code == 204
    skipped = Run.objects.filter(rule_id=found["money"].rule_id or 0, state="skipped")
    assert skipped.count() == 2


def test_a_first_look_belongs_to_its_reviewer_and_anyone_may_stop(
    finance_user: User, finance_client: Client, support_client: Client
) -> None:
    case = kinds.first_look(finance_user)
    shown = page(finance_client, case)
    assert first_button(shown) == "act-release"
    assert "Looks right, let 3 go on" in shown
    assert "Run to look at" in shown
    theirs = page(support_client, case)
    assert "takes the first look" in theirs
    assert 'id="act-release"' not in theirs
    assert press(support_client, case, "release", sure="yes").status_code == 422
    assert Run.objects.filter(state="parked").count() == 3
    assert press(support_client, case, "stop", reason="They are wrong.").status_code == 204
    assert Stop.objects.get().rule_id == case.rule_id
    assert fresh(case).state == "open"
    assert press(finance_client, case, "release", sure="yes").status_code == 204
    assert fresh(case).resolution == "released"


def test_releasing_several_runs_asks_first_and_says_what_they_will_do(
    support_client: Client, finance_user: User, finance_client: Client
) -> None:
    found = kinds.limited().cases
    look = kinds.first_look(finance_user)
    several, one = found["units"], found["per_subject"]
    for client, case, count in ((support_client, several, 2), (finance_client, look, 3)):
        button = page(client, case).partition('id="act-release"')[2][:300]
        assert "hx-get" in button
        assert "hx-post" not in button
        dialog = client.get(f"/failures/{case.pk}/_/release/?version={case.version}", **HTMX)
        said = dialog.content.decode()
        assert f"Let {count} runs go on" in said
        assert "autofocus" in said
        # A press that did not ask does nothing but ask.
        assert press(client, case, "release").status_code == 422
        assert Run.objects.filter(rule_id=case.rule_id or 0, state="parked").count() == count
    asked = press(support_client, several, "release").content.decode()
    assert "duty" in asked.lower()
    assert "£" in asked
    assert "hx-post" in page(support_client, one).partition('id="act-release"')[2][:300]
    assert press(support_client, one, "release").status_code == 204


def test_handing_over_watching_and_priority(
    support_client: Client, support_user: User, finance_user: User, finance_client: Client
) -> None:
    case = kinds.failures().cases["skip"]
    assert press(support_client, case, "hand-over", note="x").status_code == 422
    given = {"to": str(finance_user.pk), "note": "Customs wants a number."}
    assert press(support_client, case, "hand-over", **given).status_code == 204
    assert fresh(case).owner == finance_user
    assert FailureWatch.objects.get().user == support_user
    assert "Customs wants a number." in page(finance_client, case)
    for view, client in (("watched", support_client), ("needs-me", finance_client)):
        rows = client.get(f"/failures/?view={view}").context["listing"].rows
        assert [row.record.pk for row in rows] == [case.pk]
    assert press(finance_client, case, "skip", reason="Done at the desk.").status_code == 204
    other = kinds.only(error="bug")
    assert press(finance_client, other, "skip", reason="x").status_code == 403
    assert press(support_client, other, "priority", priority="1").status_code == 204
    assert fresh(other).priority == 1
    assert press(support_client, other, "watch").status_code == 204
    assert press(support_client, case, "watch").status_code == 204
    assert [each.failure_id for each in FailureWatch.objects.all()] == [other.pk]


def test_a_case_says_how_late_it_is_and_the_late_ones_have_a_view(support_client: Client) -> None:
    case = kinds.failures().cases["bug"]
    Failure.objects.filter(pk=case.pk).update(due_at="2026-01-01T00:00Z", escalated=1)
    assert "Late, its owner was told" in page(support_client, case)
    rows = support_client.get("/failures/?view=late").context["listing"].rows
    assert [row.record.pk for row in rows] == [case.pk]


@pytest.mark.requirement("R26")
def test_a_case_tells_what_would_happen_and_who_changed_the_record_since(
    support_client: Client,
) -> None:
    case = kinds.failures().cases["rejected"]
    parcel = Parcel.objects.get(pk=case.subject_id or 0)
    make.live_rule(name="Changes it", when={"all": []})
    make.arrive([parcel])
    make.work_all()
    shown = page(support_client, case)
    assert "Changed since." in shown
    assert "Would not be repeated" in shown
    assert "Tagged no." in shown
    assert "tag it no" in shown
    assert "Technical details" in shown
    assert "rejected: " in shown


def test_money_together_asks_for_a_second_look_on_the_job_s_page(
    support_client: Client, make_user: MakeUser
) -> None:
    found = kinds.failures().cases
    ids = ",".join(str(found[name].pk) for name in ("skip", "by_hand"))
    answer = support_client.post("/failures/_/bulk/failures.retry/", {"ids": ids}, **HTMX)
    job = BulkJob.objects.get()
    assert answer["HX-Redirect"] == f"/jobs/{job.pk}/"
    shown = support_client.get(f"/jobs/{job.pk}/").content.decode()
    assert "£500.00" in shown
    assert not FailureAction.objects.exists()
    BulkJob.objects.all().delete()
    Failure.objects.update(at_stake="9000.00", at_stake_currency="GBP")
    support_client.post("/failures/_/bulk/failures.retry/", {"ids": ids}, **HTMX)
    job = BulkJob.objects.get()
    shown = support_client.get(f"/jobs/{job.pk}/").content.decode()
    assert "This takes two people." in shown
    assert f"/jobs/{job.pk}/start/" not in shown
    assert support_client.post(f"/jobs/{job.pk}/start/").status_code == 409
    second = signed_in(make_user("operations"))
    assert "waits for a second" in second.get("/jobs/?view=second").content.decode().lower()
    assert second.post(f"/jobs/{job.pk}/start/").status_code == 302
    job.refresh_from_db()
    assert job.status == "queued"
    assert signed_in(make_user("finance")).get(f"/jobs/{job.pk}/").status_code == 403


def upload(client: Client, text: str, encoding: str = "utf-8") -> Any:
    file = SimpleUploadedFile("rows.csv", text.encode(encoding), "text/csv")
    return client.post("/failures/by-hand/", {"file": file})


def test_a_file_of_what_was_done_by_hand_is_looked_at_and_then_a_job(
    support_client: Client, auditor_client: Client
) -> None:
    found = kinds.failures().cases
    first, second = found["skip"], found["by_hand"]
    text = f"case,reference,note\n{first.pk},JD1,Van\n{second.pk},JD2,\n777777,JD3,\n"
    shown = upload(support_client, text)
    assert shown.status_code == 200
    assert "There is no case 777777." in shown.content.decode()
    assert "Leave out 1 and go on with 2" in shown.content.decode()
    assert not FailureAction.objects.exists()
    rows = shown.context["rows"]
    answer = support_client.post("/failures/by-hand/job/", {"rows": rows})
    job = BulkJob.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert (job.ids, job.versions) == ([first.pk, second.pk], [first.version, second.version])
    assert support_client.post("/failures/by-hand/job/", {"rows": rows[:-2]}).status_code == 409
    assert upload(auditor_client, text).status_code == 403
    assert upload(support_client, "case,reference\n1,Größe\n", "latin-1").status_code == 422
    assert BulkJob.objects.count() == 1
