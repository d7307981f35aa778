"""The inbox of cases and what people do there, against real failed runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from automations.models.failures import Failure, FailureAction
from automations.models.runs import Effect, Run, StepRun
from backoffice.models import BulkJob, TimelineEntry, User
from backoffice.workbench import jobs
from orders.models.orders import Order
from support.models import Queue, Ticket
from tests.automations import factories as make
from tests.automations.views import story
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser, signed_in
from tests.depot import signals
from tests.depot.models import Parcel

HTMX: dict[str, Any] = {"HTTP_HX_REQUEST": "true"}
VERBS = ("retry", "edit", "skip", "by-hand", "end", "assign", "take", "snooze", "comment")


def press(client: Client, case: Failure, verb: str, **values: str) -> Any:
    """Press a verb's button as the page shows it now."""
    url = f"/failures/{case.pk}/_/{verb}/?version={case.version}"
    return client.post(url, values, **HTMX)


def toast(response: Any) -> str:
    return str(json.loads(response["HX-Trigger"])["toast"]["text"])


def fresh(case: Failure) -> Failure:
    return Failure.objects.select_related("owner").get(pk=case.pk)


@pytest.mark.django_db
def test_a_case_says_why_it_stopped_what_is_done_what_is_not_and_what_helps(
    support_client: Client,
) -> None:
    (case,) = story.failed_run()
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    order = Order.objects.get()
    assert "Choose another queue and retry." in page
    assert "Tagged high-value" in page
    assert "Open a ticket for the export desk by hand." in page
    assert f"order {order.number}" in page
    assert "Retry may fail again" in page
    assert 'class="btn primary"' in page[page.index('id="act-edit"') - 60 :][:60]
    assert "£640.00" in page


@pytest.mark.django_db
def test_a_case_of_missing_data_names_the_line_and_promises_no_retry(
    support_client: Client,
) -> None:
    where = {"all": [{"field": "parcel.carrier", "op": "is", "value": "dhl"}]}
    make.live_rule(when={"some": "parcel.items", "where": where})
    (parcel,) = make.parcels_arrived(carrier="", items=[{"sku": "GLASS", "quantity": 2}])
    make.work_all()
    case = Failure.objects.get()
    says = "(GLASS: parcel carrier is “dhl” – empty)"
    assert says in case.says
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    told = page.partition('id="retry-warning"')[2].partition("</span>")[0]
    assert "Retry would fail again" in told
    assert says in told
    assert "Would be done" not in page
    assert "The same input would be taken now" not in page
    Parcel.objects.filter(pk=parcel.pk).update(carrier="dhl", version=parcel.version + 1)
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    assert "Retry would fail again" not in page
    assert "Would be done" in page


@pytest.mark.django_db
def test_support_edits_the_queue_and_retries_and_the_ticket_is_opened_once(
    support_client: Client, support_user: User
) -> None:
    (case,) = story.failed_run()
    form = support_client.get(f"/failures/{case.pk}/_/edit/?version={case.version}", **HTMX)
    assert "given before" in form.content.decode()
    given = {
        "queue": "parcels",
        "priority": "high",
        "subject": form.context["again"].given["subject"],
        "message": "Look at the declared value.",
    }
    answer = press(support_client, case, "edit", **given)
    assert (answer.status_code, toast(answer)) == (
        204,
        f"Case {case.pk} is being retried with other input",
    )
    assert fresh(case).state == "retrying"
    make.work_all()
    ticket = Ticket.objects.get()
    assert ticket.queue.slug == "parcels"
    assert Run.objects.get().state == "done"
    assert (fresh(case).state, fresh(case).resolution) == ("resolved", "edited")
    edit = FailureAction.objects.get(verb="edit")
    assert edit.changes == {"queue": {"from": "export", "to": "parcels"}}
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    assert "<del>export</del> <ins>parcels</ins>" in page
    order = Order.objects.get()
    words = list(
        TimelineEntry.objects.filter(subject="orders.order", subject_id=order.pk).values_list(
            "text", flat=True
        )
    )
    assert any("Edited queue" in said for said in words)


@pytest.mark.django_db
def test_a_step_is_skipped_only_with_a_reason(support_client: Client) -> None:
    (case,) = story.failed_run()
    refused = press(support_client, case, "skip", reason=" ")
    assert refused.status_code == 422
    assert fresh(case).state == "open"
    assert press(support_client, case, "skip", reason="The desk knows.").status_code == 204
    make.work_all()
    assert not Ticket.objects.exists()
    assert (fresh(case).state, fresh(case).resolution) == ("resolved", "skipped")
    assert StepRun.objects.get(outcome="skipped").says == "Skipped: The desk knows."


@pytest.mark.django_db
def test_a_step_done_by_hand_needs_a_reference_and_counts_as_its_effect(
    support_client: Client,
) -> None:
    (case,) = story.failed_run()
    assert press(support_client, case, "by-hand", reference="").status_code == 422
    assert press(support_client, case, "by-hand", reference="T-17").status_code == 204
    assert Effect.objects.get(uid="a2").reference == "T-17"
    assert fresh(case).resolution == "by_hand"


@pytest.mark.django_db
def test_a_run_is_ended_with_a_reason(support_client: Client) -> None:
    (case,) = story.failed_run()
    assert press(support_client, case, "end", reason="Not needed.").status_code == 204
    assert Run.objects.get().state == "cancelled"
    assert fresh(case).resolution == "ended"


@pytest.mark.django_db
def test_a_button_of_an_old_page_does_nothing_and_says_so(support_client: Client) -> None:
    (case,) = story.failed_run()
    assert press(support_client, case, "retry").status_code == 204
    again = press(support_client, case, "retry")
    assert again.status_code == 409
    assert "meanwhile" in toast(again)
    assert again["HX-Reswap"] == "none"
    assert FailureAction.objects.filter(verb="retry").count() == 1
    skipped = press(support_client, case, "skip", reason="Late.")
    assert skipped.status_code == 409
    assert not StepRun.objects.filter(outcome="skipped").exists()


def test_two_people_retry_at_once_and_the_effect_happens_once(
    committed_db: Database, make_user: MakeUser
) -> None:
    (case,) = story.failed_run()
    Queue.objects.filter(slug="export").update(is_active=True)
    clients = [signed_in(make_user("support")), signed_in(make_user("operations"))]

    def pressing(client: Client) -> Callable[[], int]:
        def go() -> int:
            answer = press(client, case, "retry")
            connections.close_all()
            return int(answer.status_code)

        return go

    codes = at_once([pressing(client) for client in clients])
    assert sorted(map(str, codes)) == ["204", "409"]
    make.work_all()
    assert Ticket.objects.count() == 1
    assert fresh(case).state == "resolved"


@pytest.mark.django_db
def test_assign_take_snooze_and_their_undo(
    support_client: Client, support_user: User, operations_user: User
) -> None:
    (case,) = story.failed_run()
    assert press(support_client, case, "take").status_code == 204
    assert fresh(case).owner == support_user
    given = press(support_client, fresh(case), "assign", owner=str(operations_user.pk))
    assert fresh(case).owner == operations_user
    undo = json.loads(given["HX-Trigger"])["toast"]["undo"]
    assert support_client.post(undo["url"], undo["values"], **HTMX).status_code == 204
    assert fresh(case).owner == support_user
    put = press(support_client, fresh(case), "snooze", until="4h")
    assert fresh(case).state == "snoozed"
    undo = json.loads(put["HX-Trigger"])["toast"]["undo"]
    assert support_client.post(undo["url"], undo["values"], **HTMX).status_code == 204
    assert (fresh(case).state, fresh(case).snoozed_until) == ("open", None)
    late = press(support_client, fresh(case), "snooze", until="at", at="2020-01-01T08:00")
    assert late.status_code == 422
    assert fresh(case).state == "open"


@pytest.mark.django_db
def test_a_comment_stands_in_the_log(support_client: Client) -> None:
    (case,) = story.failed_run()
    assert press(support_client, case, "comment", text="Called the desk.").status_code == 204
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    assert "“Called the desk.”" in page


@pytest.mark.django_db
def test_cases_of_one_cause_are_listed_and_retried_together(support_client: Client) -> None:
    cases = story.failed_run(3)
    assert len({case.cause for case in cases}) == 1
    page = support_client.get(f"/failures/{cases[0].pk}/").content.decode()
    assert "3 open cases of this cause" in page
    listing = support_client.get(f"/failures/?view=open&cause={cases[0].cause}").content.decode()
    assert "3 cases, £1,920.00 at stake, first due" in listing
    Queue.objects.filter(slug="export").update(is_active=True)
    ids = ",".join(str(case.pk) for case in cases)
    answer = support_client.post("/failures/_/bulk/failures.retry/", {"ids": ids}, **HTMX)
    job = BulkJob.objects.get()
    assert answer["HX-Redirect"] == f"/jobs/{job.pk}/"
    assert "£1,920.00" in support_client.get(f"/jobs/{job.pk}/").content.decode()
    assert set(Failure.objects.values_list("state", flat=True)) == {"open"}
    assert support_client.post(f"/jobs/{job.pk}/start/").status_code == 302
    while jobs.run_chunk(job.pk):
        pass
    make.work_all()
    assert Ticket.objects.count() == 3
    assert set(Failure.objects.values_list("state", flat=True)) == {"resolved"}


@pytest.mark.django_db
def test_a_case_of_a_domain_shows_what_is_known_and_is_solved_in_words(
    support_client: Client,
) -> None:
    signals.parcels_damaged.send(sender=Parcel, parcels=make.make_parcels(), actor=None)
    case = Failure.objects.get()
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    assert "Parcel damaged" in page
    assert 'id="act-solve"' in page
    assert 'id="act-retry"' not in page
    assert press(support_client, case, "solve", text="").status_code == 422
    assert press(support_client, case, "solve", text="Sent a new one.").status_code == 204
    assert fresh(case).resolution == "solved"


@pytest.mark.django_db
def test_who_may_not_work_on_cases_is_refused_and_nothing_changes(
    auditor_client: Client, finance_client: Client
) -> None:
    (case,) = story.failed_run()
    for client in (auditor_client, finance_client):
        for address in ("/failures/", f"/failures/{case.pk}/", f"/failures/{case.pk}/_/case/"):
            page = client.get(address)
            assert page.status_code == 200
            assert 'id="act-' not in page.content.decode()
        for verb in VERBS:
            assert press(client, case, verb, reason="x", text="x").status_code == 403
        bulk = client.post("/failures/_/bulk/failures.retry/", {"ids": str(case.pk)}, **HTMX)
        assert bulk.status_code == 403
    assert fresh(case).version == case.version
    assert Run.objects.get().state == "failed"
    assert not FailureAction.objects.exists()


@pytest.mark.django_db
def test_the_changed_subject_is_told_with_both_values(support_client: Client) -> None:
    (case,) = story.failed_run()
    Order.objects.update(subtotal="712.00", total="712.00", version=9)
    page = support_client.get(f"/failures/{case.pk}/").content.decode()
    assert "Changed since." in page
    assert "£640.00" in page
    assert "£712.00" in page


@pytest.mark.django_db
def test_each_view_of_the_inbox_shows_its_own(support_client: Client, support_user: User) -> None:
    mine, snoozed, solved = story.failed_run(3)
    press(support_client, mine, "take")
    press(support_client, snoozed, "snooze", until="4h")
    press(support_client, solved, "end", reason="Not needed.")
    shown = {
        view: [
            row.record.pk
            for row in support_client.get(f"/failures/?view={view}").context["listing"].rows
        ]
        for view in ("open", "needs-me", "nobodys", "money", "snoozed", "solved")
    }
    assert shown == {
        "open": [mine.pk],
        "needs-me": [mine.pk],
        "nobodys": [],
        "money": [mine.pk],
        "snoozed": [snoozed.pk],
        "solved": [solved.pk],
    }


@pytest.mark.django_db
def test_home_rail_and_search_know_the_cases(support_client: Client) -> None:
    (case,) = story.failed_run()
    Failure.objects.update(due_at="2026-01-01T00:00Z")
    assert "Choose another queue" in support_client.get("/failures/_/home/causes/").content.decode()
    assert "No case waits for you" in support_client.get("/failures/_/home/mine/").content.decode()
    press(support_client, case, "take")
    assert "Choose another queue" in support_client.get("/failures/_/home/mine/").content.decode()
    assert f"Case {case.pk}" in support_client.get(f"/search/?q=case+{case.pk}").content.decode()
    rail = support_client.get("/_/rail/").content.decode()
    assert "bad" in rail


@pytest.mark.django_db
def test_an_inbox_without_cases_says_so(support_client: Client) -> None:
    assert "Nothing has failed" in support_client.get("/failures/").content.decode()
    assert "Nothing is broken" in support_client.get("/failures/_/home/causes/").content.decode()
