"""A file of many rules is taken in by a job: with progress, checked one by one, to be stopped."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from automations.models.documents import Document
from automations.models.rules import Draft, Rule
from automations.services import rule_files, rule_imports
from backoffice.models import BulkJob, User
from backoffice.workbench import jobs
from tests.automations import factories as make

pytestmark = pytest.mark.django_db


def many(count: int = 50) -> str:
    """A file of so many new rules."""
    text = rule_files.export_rule(make.make_rule())
    text = re.sub(r"owner: .*\n", "", text)
    return "---\n".join(re.sub(r"key: .*", f"key: many-{n}", text, count=1) for n in range(count))


def asked(client: Client, text: str) -> str:
    """The page after a text was put in."""
    return client.post("/rules/import/", {"text": text}).content.decode()


def drafted(client: Client, text: str, **said: str) -> BulkJob:
    found = re.search(r'name="signed" value="([^"]+)"', asked(client, text))
    assert found is not None
    before = set(BulkJob.objects.values_list("pk", flat=True))
    client.post("/rules/import/", {"signed": found[1], **said})
    return BulkJob.objects.exclude(pk__in=before).get()


def run(job: BulkJob, user: User, chunks: int = 1000) -> BulkJob:
    jobs.start_job(job, wake=lambda _: None, user=user)
    while chunks and jobs.run_chunk(job.pk):
        chunks -= 1
    job.refresh_from_db()
    return job


def test_many_rules_come_in_by_a_job_that_names_the_one_it_left_out(
    operations_client: Client, operations_user: User
) -> None:
    rules = many().split("---\n")
    rules[7] = rules[7].replace("depot.add_tag", "depot.launch_rocket")
    before = Rule.objects.count()
    page = asked(operations_client, "---\n".join(rules))
    assert "50 rules" in page
    assert Rule.objects.count() == before
    job = run(drafted(operations_client, "---\n".join(rules)), operations_user)
    assert (job.status, job.succeeded, job.failed) == ("done", 49, 1)
    assert Rule.objects.filter(slug__startswith="many-", owner=operations_user).count() == 49
    assert not Rule.objects.filter(slug="many-7").exists()
    assert not Document.objects.filter(rule__slug__startswith="many-").exists()
    result = operations_client.get(f"/jobs/{job.pk}/").content.decode()
    assert "depot.launch_rocket" in result
    again = run(drafted(operations_client, "---\n".join(rules[:7] + rules[8:])), operations_user)
    assert (again.succeeded, Rule.objects.filter(slug__startswith="many-").count()) == (49, 49)


def test_a_stopped_import_goes_no_further(operations_client: Client, operations_user: User) -> None:
    job = drafted(operations_client, many())
    jobs.start_job(job, wake=lambda _: None, user=operations_user)
    assert jobs.run_chunk(job.pk)
    jobs.cancel_job(job)
    assert not jobs.run_chunk(job.pk)
    assert Rule.objects.filter(slug__startswith="many-").count() == rule_imports.IMPORT.chunk


def test_drafts_of_others_and_those_changed_meanwhile_stay_as_they_are(
    operations_client: Client, operations_user: User
) -> None:
    job = run(drafted(operations_client, many(42)), operations_user)
    assert job.succeeded == 42
    theirs = Rule.objects.get(slug="many-1")
    Rule.objects.filter(pk=theirs.pk).update(owner=make.staff("operations", "somebody"))
    other_tag = many(42).replace("tag: high-value", "tag: dear")
    job = drafted(operations_client, other_tag)
    make.edit(Rule.objects.get(slug="many-2"), steps=make.steps("depot.add_tag", tag="meanwhile"))
    job = run(job, operations_user)
    assert (job.succeeded, job.failed) == (40, 2)
    kept = Draft.objects.filter(rule__slug__in=["many-1", "many-2"]).order_by("rule__slug")
    assert [each.body["steps"][0]["with"]["tag"] for each in kept] == ["high-value", "meanwhile"]
    assert Draft.objects.get(rule__slug="many-3").body["steps"][0]["with"]["tag"] == "dear"


def test_who_may_no_longer_import_takes_nothing_in(
    operations_client: Client, operations_user: User
) -> None:
    job = drafted(operations_client, many())
    jobs.start_job(job, wake=lambda _: None, user=operations_user)
    User.objects.filter(pk=operations_user.pk).update(is_active=False)
    while jobs.run_chunk(job.pk):
        pass
    assert not Rule.objects.filter(slug__startswith="many-").exists()
