"""What pages say of stops, and what they offer because of them."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from automations.models.documents import Stop
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import stops
from backoffice import counts
from backoffice.actors import person
from backoffice.models import BulkJob, User
from backoffice.workbench import jobs
from tests.automations import factories as make
from tests.automations.views import kinds
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_while_everything_is_stopped_no_rule_is_said_to_run(
    operations_user: User, operations_client: Client
) -> None:
    runs = kinds.outcomes().runs
    own = Rule.objects.get(pk=runs["done"].rule_id)
    stops.stop_rule(own.pk, reason="Wrong.", actor=person(make.author()))
    counts.forget(operations_user)
    assert "1 stopped" in words(operations_client.get("/rules/stop/").content.decode())
    stops.stop_rule(None, reason="All wrong.", actor=person(make.author()))
    counts.forget(operations_user)
    page = operations_client.get("/rules/stop/").content.decode()
    text = words(page)
    rows = page[page.index('id="stopped-rules"') :]
    assert "Runs" not in words(rows[: rows.index("</section>")])
    assert "Stopped with everything" in words(rows[rows.index('id="stopped-connectors"') :])
    assert "Stop…" not in rows
    assert "Start again…" in rows
    assert "All stopped" in text
    assert "2 stopped" not in text


def test_only_who_may_start_again_is_offered_to_agree(
    support_client: Client, finance_client: Client
) -> None:
    stop = stops.stop_rule(None, reason="All wrong.", actor=person(make.author()))
    stops.ask_start(stop.pk, actor=person(make.author()))
    theirs = support_client.get("/rules/_/start/").content.decode()
    assert "Agree and start" not in theirs
    assert "Someone of finance has to agree." in theirs
    # A press that was not offered is still PostgreSQL's to refuse.
    refused = support_client.post("/rules/_/start/", {"queued": "release"})
    assert "Your role can&#x27;t start this again." in refused.content.decode()
    assert "Agree and start" in finance_client.get("/rules/_/start/").content.decode()
    assert finance_client.post("/rules/_/start/", {"queued": "release"}).status_code == 302
    assert Stop.objects.get().lifted_at is not None


def test_who_edited_the_rule_is_not_offered_to_start_it_again(operations_client: Client) -> None:
    rule = make.live_rule()
    stop = stops.stop_rule(rule.pk, reason="Wrong.", actor=person(make.author()))
    stops.ask_start(stop.pk, actor=person(make.staff("finance")))
    theirs = signed_in(make.author()).get(f"/rules/{rule.slug}/start/").content.decode()
    assert "Agree and start" not in theirs
    assert "You edited or submitted this rule" in theirs
    other = operations_client.get(f"/rules/{rule.slug}/start/").content.decode()
    assert "Agree and start" in other


@pytest.mark.parametrize("everything", [False, True])
def test_undoing_a_version_asks_for_a_stop_only_while_its_rule_runs(
    operations_user: User, operations_client: Client, *, everything: bool
) -> None:
    rule = kinds.rule("JP", "Stamps", make.steps("depot.stamp"))
    kinds.arrive("JP", 2)
    url = f"/rules/{rule.slug}/undo/1/"
    assert "Stop the rule first" in operations_client.get(url).content.decode()
    stopped = None if everything else rule.pk
    stops.stop_rule(stopped, reason="Wrong.", actor=person(make.author()))
    assert "Stop the rule first" not in operations_client.get(url).content.decode()
    assert operations_client.post(url, {"reason": "Wrong stamps."}).status_code == 302
    job = BulkJob.objects.get()
    jobs.start_job(job, wake=lambda job_id: None, user=operations_user)
    while jobs.run_chunk(job.pk):
        pass
    assert Run.objects.exclude(undone_at=None).count() == 2
