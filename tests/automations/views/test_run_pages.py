"""The run's page for every outcome, its way through branches and loops, shadows, and undoing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document
from automations.models.failures import Failure
from automations.models.rules import Draft, Rule
from automations.models.runs import Run
from automations.services import approving, drafts, stops
from backoffice.actors import person
from backoffice.models import BulkJob, User
from backoffice.workbench import jobs
from tests.automations import factories as make
from tests.automations.views import kinds
from tests.automations.views.kinds import arrive, rule
from tests.bed.people import MakeUser, signed_in
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db
HTMX: dict[str, Any] = {"HTTP_HX_REQUEST": "true"}


def page(client: Client, run: Run, query: str = "") -> str:
    return client.get(f"/runs/{run.pk}/{query}").content.decode()


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def shown(client: Client, query: str) -> set[int]:
    listing = client.get(f"/runs/?{query}").context["listing"]
    return {row.record.pk for row in listing.rows}


SAYS = {
    "done": "Stamped t1.",
    "waiting": "Waits until ",
    "cancelled": "Ended while it waited",
    "overtaken": "no longer held",
    "held": "Waits for an answer of finance",
    "failed": "does not take this tag",
    "parked": "Kept back: The limit is reached",
    "skipped": "Left undone by Support: Too many.",
    "due": "Will be tried again at",
    "calling": "Under way at carrier",
}


def test_every_outcome_of_a_run_has_its_page_and_its_filter(auditor_client: Client) -> None:
    runs = kinds.outcomes().runs
    assert set(runs) == set(Run.State.values)
    for state, run in runs.items():
        assert run.state == state
        text = words(page(auditor_client, run))
        assert SAYS[state] in text, state
        assert run.get_state_display() in text
        assert run.pk in shown(auditor_client, f"state={state}")
    assert shown(auditor_client, "parked=limit") == {runs["parked"].pk}
    assert runs["cancelled"].pk not in shown(auditor_client, "step=asked")
    assert shown(auditor_client, "step=asked") == {runs["held"].pk}
    # A wait is nothing that went wrong, so it isn't marked like it.
    assert ' here waits"' in page(auditor_client, runs["waiting"])
    assert ' here waits"' not in page(auditor_client, runs["failed"])
    case = Failure.objects.get(error="limit", state="open")
    assert f"/failures/{case.pk}/" in page(auditor_client, runs["parked"])
    assert "ended at once by: Parcel lost" in words(page(auditor_client, runs["waiting"]))


def test_a_long_loop_is_folded_and_shows_the_item_that_failed(auditor_client: Client) -> None:
    run = kinds.looped(25)
    html = page(auditor_client, run)
    text = words(html)
    assert "25 items, 21 of them here" in text
    assert "Item 24 SKU “no”, quantity 2" in text
    assert "Item 22 " not in text
    assert "true: this way" in text
    assert "nothing to do on the way that was taken" in text
    whole = words(page(auditor_client, run, "?items=all"))
    assert "Item 22 " in whole
    assert "Item 25" in whole
    case = Failure.objects.get()
    told = words(auditor_client.get(f"/failures/{case.pk}/").content.decode())
    assert "Item 24 of 25 (SKU “no”, quantity 2), 1 more after it" in told


def test_a_step_has_the_number_that_the_builder_gives_it(auditor_client: Client) -> None:
    def tag(uid: str) -> dict[str, Any]:
        return {"uid": uid, "do": "depot.add_tag", "with": {"tag": f"t-{uid}"}}

    total = {"field": "parcel.total", "op": "lt", "value": {"amount": "1.00", "currency": "GBP"}}
    never = {"all": [total]}
    branch = {"uid": "b1", "if": never, "then": [tag("a1"), tag("a2")], "else": [tag("a3")]}
    make.live_rule(steps=[branch])
    make.parcels_arrived(1)
    make.work_all()
    text = words(page(auditor_client, Run.objects.get()))
    assert "1.3. " in text
    assert "1.1. " not in text


def test_questions_and_answers_stand_in_the_trace(auditor_client: Client) -> None:
    runs = kinds.outcomes().runs
    case = Failure.objects.get(run_id=runs["held"].pk)
    client = signed_in(make.staff("finance"))
    url = f"/failures/{case.pk}/_/yes/?version={case.version}"
    assert client.post(url, {"text": "Fine."}, **HTMX).status_code == 204
    make.work_all()
    text = words(page(auditor_client, runs["held"]))
    assert "Finance said yes: Fine." in text
    assert "Asked a person" in text


# --- shadow -------------------------------------------------------------------------------------


def shadowed() -> tuple[Rule, Document]:
    """Live tags parcels of £100.00 and more; its candidate those of £50.00, with another tag."""
    live = make.live_rule(name="High value")
    wider = make.body(steps=make.steps("depot.add_tag"))
    wider["when"]["all"][0]["value"]["amount"] = "50.00"
    drafts.save_draft(live.pk, body=wider, revision=1, actor=person(make.author()))
    return live, make.submit(live)


def test_a_version_is_put_in_shadow_compared_and_ended(
    operations_client: Client, auditor_client: Client
) -> None:
    live, document = shadowed()
    begin = reverse("shadow_begin", args=[live.slug, document.version])
    detail = reverse("rule_detail", args=[live.slug])
    assert auditor_client.post(begin).status_code == 403
    assert not Activation.objects.in_shadow().exists()
    assert begin in operations_client.get(detail).content.decode()
    assert operations_client.post(begin, **HTMX).status_code == 204
    make.parcels_arrived(2, total="250.00")
    make.parcels_arrived(1, total="60.00")
    make.work_all()
    # A test is one transaction, which began before the shadow did.
    Run.objects.update(created_at=timezone.now())
    html = auditor_client.get(reverse("rule_shadow", args=[live.slug])).content.decode()
    text = words(html)
    assert "2 matched live" in text
    assert "3 matched in shadow" in text
    assert "2 did not do the same" in text
    assert "Only the shadow matched" in text
    assert f"v{document.version} in shadow" in words(
        operations_client.get("/rules/").content.decode()
    )
    shadows = Run.objects.filter(shadow=True)
    assert shown(auditor_client, "view=shadow") == set(shadows.values_list("pk", flat=True))
    assert shown(auditor_client, "") == set(
        Run.objects.filter(shadow=False).values_list("pk", flat=True)
    )
    twin = shadows.filter(pk=-Run.objects.filter(shadow=False)[0].pk).get()
    told = words(page(auditor_client, twin))
    assert "a shadow: nothing was done, only noted" in told
    assert "The live run" in told
    assert shown(auditor_client, f"q={twin.number}&view=shadow") == {twin.pk}
    end = reverse("shadow_end", args=[live.slug])
    assert operations_client.post(end, **HTMX).status_code == 204
    assert not Activation.objects.in_shadow().exists()
    assert (
        "ran in shadow"
        in auditor_client.get(reverse("rule_shadow", args=[live.slug])).content.decode()
    )


# --- undo ---------------------------------------------------------------------------------------


def undo(client: Client, run: Run, **values: str) -> Any:
    return client.post(f"/runs/{run.pk}/_/undo/", values, **HTMX)


def test_a_run_is_undone_from_its_page_with_what_the_preview_showed(
    support_client: Client, auditor_client: Client
) -> None:
    run = kinds.outcomes().runs["done"]
    html = page(support_client, run)
    text = words(html)
    assert "1 of 2 can be" in text
    assert "Take t1 off" in text
    assert "This can't be undone." in text.replace("’", "'").replace("&#x27;", "'")
    assert 'id="act-undo"' not in page(auditor_client, run)
    mark = re.search(r"undo/\?mark=(\w+)", html)
    assert mark is not None
    assert undo(auditor_client, run, mark=mark[1], reason="x").status_code == 403
    assert undo(support_client, run, mark=mark[1], reason="").status_code == 422
    assert undo(support_client, run, mark="0" * 16, reason="Wrong.").status_code == 409
    assert Parcel.objects.get(pk=run.subject_id).tags == ["t1", "t2"]
    assert undo(support_client, run, mark=mark[1], reason="Wrong.").status_code == 204
    assert Parcel.objects.get(pk=run.subject_id).tags == ["t2"]
    told = words(page(support_client, run))
    assert "Took t1 off." in told
    assert "Taken back" in told
    assert "What could be undone was undone." in told
    assert undo(support_client, run, mark=mark[1], reason="Wrong.").status_code == 409
    assert shown(auditor_client, "view=undone") == {run.pk}


def test_the_page_says_who_changed_the_record_since(support_client: Client) -> None:
    run = kinds.outcomes().runs["done"]
    make.live_rule(name="Comes later", when={"all": []})
    make.arrive(list(Parcel.objects.filter(pk=run.subject_id)))
    make.work_all()
    assert "unchanged since" in words(page(support_client, run))


def test_a_run_that_waits_is_ended_from_its_page(
    support_client: Client, finance_client: Client
) -> None:
    run = kinds.outcomes().runs["waiting"]
    url = f"/runs/{run.pk}/_/end/"
    assert finance_client.post(url, {"reason": "x"}).status_code == 403
    assert support_client.post(url, {"reason": " "}, **HTMX).status_code == 422
    run.refresh_from_db()
    assert run.state == "waiting"
    assert support_client.post(url, {"reason": "Sold."}, **HTMX).status_code == 204
    run.refresh_from_db()
    assert (run.state, run.outcome) == ("cancelled", "Ended by Amara Lewis: Sold.")
    assert support_client.post(url, {"reason": "Again."}, **HTMX).status_code == 422


def test_the_draft_is_tried_on_a_run_s_event_without_any_effect(support_client: Client) -> None:
    run = kinds.outcomes().runs["done"]
    tags = Parcel.objects.get(pk=run.subject_id).tags
    told = words(support_client.get(f"/runs/{run.pk}/_/try/").content.decode())
    assert "It would match, and do:" in told
    assert "tag it t1" in told
    assert Parcel.objects.get(pk=run.subject_id).tags == tags


def test_all_runs_of_a_version_are_undone_by_a_job(
    operations_client: Client, operations_user: User, make_user: MakeUser
) -> None:
    made = rule("NL", "Stamps", make.steps("depot.stamp"))
    arrive("NL", 3)
    document = Document.objects.get()
    url = reverse("version_undo", args=[made.slug, document.version])
    text = words(operations_client.get(url).content.decode())
    assert "3 runs can be undone" in text
    assert operations_client.post(url, {"reason": " "}).status_code == 422
    answer = operations_client.post(url, {"reason": "Wrong stamps."})
    job = BulkJob.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    jobs.start_job(job, wake=lambda job_id: None, user=operations_user)
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    assert (job.succeeded, job.failed) == (3, 0)
    assert not Parcel.objects.exclude(tags=[]).exists()
    assert "3 undone already" in words(operations_client.get(url).content.decode())


def test_undoing_a_version_that_moves_money_is_finance_s(
    operations_client: Client, finance_client: Client
) -> None:
    made = rule("NL", "Costly", make.steps("depot.costly_stamp"))
    arrive("NL", 2)
    url = reverse("version_undo", args=[made.slug, 1])
    assert "Someone of finance has to undo this." in operations_client.get(url).content.decode()
    assert operations_client.post(url, {"reason": "Wrong."}).status_code == 422
    assert not BulkJob.objects.exists()
    text = words(finance_client.get(url).content.decode())
    assert "£500.00 money they are about" in text
    assert finance_client.post(url, {"reason": "Wrong."}).status_code == 302


# --- stops and approvals ------------------------------------------------------------------------


def test_the_stop_page_shows_what_stands_behind_each_stop(
    operations_client: Client, auditor_client: Client, finance_user: User
) -> None:
    runs = kinds.outcomes().runs
    stopped = Rule.objects.get(pk=runs["done"].rule_id)
    stop = stops.stop_rule(stopped.pk, reason="Wrong.", actor=person(make.author()))
    arrive("NL", 2)
    text = words(auditor_client.get("/rules/stop/").content.decode())
    assert "2 kept back by a stop" in text
    assert "1 kept back otherwise" in text
    assert "1 under way outside" in text
    assert "“Wrong.”" in text
    assert "carrier" in text
    asks = words(operations_client.get(f"/rules/{stopped.slug}/start/").content.decode())
    assert "Starting again would release 2 runs" in asks
    stops.ask_start(stop.pk, actor=person(make.author()))
    agrees = signed_in(finance_user)
    told = words(agrees.get(f"/rules/{stopped.slug}/start/").content.decode())
    assert "about £500.00" in told
    assert agrees.post(f"/rules/{stopped.slug}/start/", {"queued": "release"}).status_code == 302
    make.work_all()
    assert Run.objects.filter(rule_id=stopped.pk, state="done").count() == 3
    assert auditor_client.post("/rules/_/stop/", {"why": "x"}).status_code == 403


def test_a_rule_named_stop_does_not_hide_the_page(auditor_client: Client) -> None:
    assert make.make_rule(name="Stop").slug == "stop-2"
    assert "What is stopped" in auditor_client.get("/rules/stop/").content.decode()


def verdict(client: Client, document: Document, **data: str) -> Any:
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    return client.post(url, {"sha256": document.sha256, "comment": "", **data}, **HTMX)


def test_money_proposes_a_first_look_by_the_approver_who_may_change_it(
    finance_client: Client, finance_user: User, make_user: MakeUser
) -> None:
    other = make_user("finance")
    document = make.submit(make.make_rule(steps=make.steps("depot.pay_duty")))
    form = finance_client.get(reverse("approval_verdict", args=[document.pk, "approve"]))
    proposed = form.context["form"]
    assert proposed["first_look"].value() is True
    assert (proposed["after"].value(), proposed["reviewer"].value()) == (10, finance_user.pk)
    nobody = verdict(finance_client, document, first_look="on", after="", reviewer="")
    assert nobody.status_code == 422
    assert not Activation.objects.exists()
    given = {"first_look": "on", "after": "5", "reviewer": str(other.pk)}
    assert verdict(finance_client, document, **given).status_code == 204
    look = Activation.objects.get().first_look
    assert look is not None
    assert (look["after"], look["reviewer"]) == (5, other.pk)
    harmless = make.submit(make.make_rule())
    form = finance_client.get(reverse("approval_verdict", args=[harmless.pk, "approve"]))
    assert form.context["form"]["first_look"].value() is False


def test_the_approver_says_what_becomes_of_runs_that_wait(finance_client: Client) -> None:
    steps = [kinds.WAIT, *make.steps("depot.add_tag")]
    live = make.live_rule(steps=steps)
    make.parcels_arrived(2)
    make.work_all()
    revision = Draft.objects.get(rule=live).revision
    body = make.body(steps=[kinds.WAIT, *make.steps("depot.stamp")])
    drafts.save_draft(live.pk, body=body, revision=revision, actor=person(make.author()))
    document = make.submit(live)
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    assert "2 runs wait now." in finance_client.get(url).content.decode()
    assert verdict(finance_client, document, waiting="cancel").status_code == 204
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}
    assert Approval.objects.filter(document=document).exists()
    assert approving.role_for(make.staff("finance"), document.risk)
