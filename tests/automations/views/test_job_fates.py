"""A job says what became of its rows, and never that something is done which is not."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client

from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import case_sets
from backoffice.models import BulkJob, User
from backoffice.workbench import bulk, jobs
from tests.automations import factories as make

pytestmark = pytest.mark.django_db
HTMX = {"headers": {"HX-Request": "true"}}


def job_on(key: str, ids: list[int], screen: str, user: User, **params: Any) -> BulkJob:
    """A job that has gone through all its rows."""
    job = jobs.draft_job(bulk.get(key), ids, screen=screen, params=params, back="", user=user)
    jobs.start_job(job, wake=lambda job_id: None, user=user)
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    return job


def retried(user: User, count: int = 4) -> BulkJob:
    make.live_rule(steps=make.steps("depot.choosy", tag="no"), when={"all": []})
    make.parcels_arrived(count, total="1.00")
    make.work_all()
    ids = list(Failure.objects.order_by("pk").values_list("pk", flat=True))
    return job_on("failures.retry", ids, "automations.failures", user)


def file_of(client: Client, job: BulkJob) -> list[dict[str, str]]:
    answer: Any = client.get(f"/jobs/{job.pk}/_/outcomes/")
    said = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(said)))


def figures(page: Any) -> list[tuple[int, str]]:
    return [(each.number, each.words) for each in page.context["figures"]]


def fates(page: Any) -> list[tuple[int, str]]:
    return [(each.number, each.words) for each in page.context["fates"]]


def test_what_is_tried_again_is_sent_and_not_done(
    support_client: Client, support_user: User
) -> None:
    job = retried(support_user)
    page = support_client.get(f"/jobs/{job.pk}/")
    assert figures(page) == [(4, "sent to be tried again"), (0, "refused")]
    assert "not done" not in page.content.decode()
    assert fates(page) == [(4, "not known yet")]
    assert "All sent" in page.content.decode()
    assert {row["Outcome"] for row in file_of(support_client, job)} == {
        "sent to be tried again: not known yet"
    }
    assert "4 sent" in support_client.get("/jobs/").content.decode()


def test_what_became_of_what_was_tried_again_is_told_when_it_is_read(
    support_client: Client, support_user: User
) -> None:
    job = retried(support_user)
    make.work_all()
    cases = list(Failure.objects.order_by("pk"))
    assert {case.times for case in cases} == {2}
    Failure.objects.filter(pk=cases[1].pk).update(error="doubt", says="It may have happened.")
    Run.objects.filter(pk=cases[2].run_id or 0).update(state="done")
    for case, how in ((cases[2], "retried"), (cases[3], "by_hand")):
        ended = {"state": "resolved", "resolution": how, "resolved_at": case.opened_at}
        Failure.objects.filter(pk=case.pk).update(**ended)

    page = support_client.get(f"/jobs/{job.pk}/")
    assert sorted(fates(page)) == [
        (1, "done"), (1, "done by hand"), (1, "failed again"), (1, "in doubt"),
    ]  # fmt: skip
    shown = [(row.name, row.url, row.words) for row in page.context["told"]]
    assert shown == [
        (f"case {case.pk}", f"/failures/{case.pk}/", f"sent to be tried again: {words}")
        for case, words in zip(cases, ("failed again", "in doubt"), strict=False)
    ]
    rows = file_of(support_client, job)
    assert [row["Outcome"].rpartition(": ")[2] for row in rows] == [
        "failed again", "in doubt", "done", "done by hand",
    ]  # fmt: skip
    assert [row["Why"] for row in rows] == [cases[0].says, "It may have happened.", "", ""]


def test_what_was_refused_is_told_beside_what_was_sent(
    support_client: Client, support_user: User
) -> None:
    job = retried(support_user, 2)
    ids = [*Failure.objects.order_by("pk").values_list("pk", flat=True)]
    again = job_on("failures.retry", ids, "automations.failures", support_user)
    page = support_client.get(f"/jobs/{again.pk}/")
    assert figures(page) == [(0, "sent to be tried again"), (2, "refused")]
    assert [(row.words, row.why) for row in page.context["told"]] == [
        ("refused", case_sets.NO_RUN)
    ] * 2
    assert job.succeeded == 2


def test_a_run_of_which_something_stays_is_undone_in_part_and_says_what(
    operations_client: Client, operations_user: User
) -> None:
    steps = make.steps("depot.stamp", tag="one") + make.steps("depot.add_tag", tag="t1")
    steps[1]["uid"] = "a2"
    make.live_rule(steps=steps)
    make.live_rule(name="Stamps alone", steps=make.steps("depot.stamp", tag="two"))
    make.parcels_arrived(2)
    make.work_all()
    ids = list(Run.objects.order_by("pk").values_list("pk", flat=True))
    job = job_on("runs.undo", ids, "automations.runs", operations_user, reason="Wrong.")

    page = operations_client.get(f"/jobs/{job.pk}/")
    assert figures(page) == [(2, "done"), (2, "done in part"), (0, "refused")]
    rows = file_of(operations_client, job)
    assert sorted(row["Outcome"] for row in rows) == [
        "done",
        "done",
        "done in part",
        "done in part",
    ]
    assert {row["Why"] for row in rows} == {"", "Not undone: Tagged t1: This can't be undone."}


def test_undoing_one_run_from_the_list_says_what_stays(operations_client: Client) -> None:
    steps = make.steps("depot.stamp", tag="one") + make.steps("depot.add_tag", tag="t1")
    steps[1]["uid"] = "a2"
    make.live_rule(steps=steps)
    make.parcels_arrived()
    make.work_all()
    given = {"ids": str(Run.objects.get().pk), "reason": "Wrong.", "_asked": "1"}
    answer = operations_client.post("/runs/_/bulk/runs.undo/", given, **HTMX)  # type: ignore[arg-type]
    assert "1 done in part: Not undone: Tagged t1" in answer["HX-Trigger"].replace("\\u2019", "'")
