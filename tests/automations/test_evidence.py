"""No yes without evidence for exactly this content beside what is live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.models.backtests import Backtest
from automations.models.documents import Activation, Approval, Document
from automations.models.rules import Draft, Rule
from automations.services import approvals, backtests, drafts, rules
from automations.services.errors import Refused
from backoffice.actors import person
from backoffice.models import AuditEntry
from tests.automations import factories as make
from tests.bed.evidence import gather

pytestmark = pytest.mark.usefixtures("any_db")

NO_EVIDENCE = "no evidence yet"


def submit(rule: Rule) -> Document:
    """Submitted, and nothing counted yet."""
    revision = Draft.objects.get(rule=rule).revision
    return rules.submit_rule(rule.pk, revision=revision, why="Now.", actor=person(make.author()))


def approve(document: Document, **given: Any) -> Approval:
    by = person(make.approver(document))
    return approvals.approve(document.pk, sha256=document.sha256, actor=by, **given)


def refused(document: Document, **given: Any) -> None:
    before = (Approval.objects.count(), Activation.objects.count())
    with pytest.raises(Refused, match=NO_EVIDENCE):
        approve(document, **given)
    assert (Approval.objects.count(), Activation.objects.count()) == before
    assert Document.objects.get(pk=document.pk).state == "submitted"
    assert AuditEntry.objects.filter(verb="rules.refused", subject_id=document.pk).exists()


def history(count: int = 3) -> None:
    make.arrive(make.make_parcels(count), history=True)


def test_a_yes_before_the_count_is_done_is_refused_and_after_it_is_kept_with_it() -> None:
    history()
    document = submit(make.make_rule())
    assert backtests.ground_of(document).missing
    refused(document)
    gather(document)
    assert not backtests.ground_of(document).missing
    kept = approve(document).evidence
    job = Backtest.objects.get()
    assert (kept["backtest"], kept["sha256"], kept["live"]) == (job.pk, document.sha256, None)
    assert (kept["events"], kept["days"]) == (3, 90)


def test_submitting_begins_the_count_so_that_nobody_has_to_ask() -> None:
    history()
    document = submit(make.make_rule())
    job = Backtest.objects.get()
    assert (job.sha256, job.state, job.days) == (document.sha256, "queued", 90)


def test_without_any_history_the_approval_says_so() -> None:
    document = submit(make.make_rule())
    ground = backtests.ground_of(document)
    assert not ground.missing
    assert "nothing to replay" in ground.says
    kept = approve(document).evidence
    assert kept["no_history"] == "nothing of depot.parcel_arrived in 90 days"
    assert "backtest" not in kept


def test_a_schedule_has_no_events_to_replay_and_the_approval_says_so() -> None:
    start = {"every": "0 8 * * *", "zone": "UTC", "for": "depot.parcel"}
    history()
    document = submit(make.make_rule(trigger=start))
    assert approve(document, evidence={"records": 3}).evidence == {
        "records": 3,
        "no_history": "no fact starts it",
    }


def test_a_no_needs_no_evidence() -> None:
    history()
    document = submit(make.make_rule())
    by = person(make.approver(document))
    given = approvals.request_changes(
        document.pk, sha256=document.sha256, comment="Why so low?", actor=by
    )
    assert given.verdict == "changes"


def test_the_evidence_of_other_content_or_beside_another_version_is_none() -> None:
    history()
    rule = make.make_rule()
    gather(submit(rule))
    by = person(make.author())
    drafts.save_draft(rule.pk, body=make.body(latency="batch"), revision=1, actor=by)
    second = submit(rule)
    refused(second)
    gather(second)
    approve(second)
    drafts.save_draft(rule.pk, body=make.body(), revision=2, actor=by)
    refused(submit(rule))  # the first content again: it was counted beside nothing


def test_one_may_not_name_a_count_that_one_was_not_shown() -> None:
    history()
    document = submit(make.make_rule())
    other = submit(make.make_rule(latency="batch"))
    gather(document)
    gather(other)
    wrong = backtests.evidence_for(other)
    assert wrong is not None
    refused(document, evidence={"backtest": wrong.pk})
    refused(document, evidence={"backtest": "' OR true"})
    right = backtests.evidence_for(document)
    assert right is not None
    assert approve(document, evidence={"backtest": right.pk, "events": 9}).evidence["events"] == 3


def test_a_count_of_long_ago_is_no_evidence() -> None:
    history()
    document = submit(make.make_rule())
    job = Backtest.objects.get()
    long_ago = timezone.now() - timedelta(days=8)
    Backtest.objects.filter(pk=job.pk).update(
        state="done", cursor=job.until, events=3, finished_at=long_ago
    )
    refused(document)


FORGED = (
    "INSERT INTO automations_backtest (rule_id, text, pins, sha256, trigger, days, since, until,"
    " cursor, state, sums, says, slice, events, seconds, judged, token, tries, asked_by_id)"
    " SELECT rule_id, text, pins, sha256, {trigger}, {days}, now() - {length}, {until}, now(),"
    " 'queued', '{{}}', '', 1, 0, 0, 0, 0, 0, author_id FROM automations_document WHERE id = %s"
)


@pytest.mark.parametrize(
    "changes",
    [
        {"length": "interval '1 day'"},
        {"days": "7", "length": "interval '7 days'"},
        {"until": "now() + interval '9 days'", "length": "interval '81 days'"},
        {"trigger": "'depot.parcel_lost'"},
    ],
)
def test_a_count_over_another_period_or_of_another_trigger_can_t_be_begun(
    changes: dict[str, str],
) -> None:
    document = submit(make.make_rule())
    given = {"trigger": "'depot.parcel_arrived'", "days": "90", "length": "interval '90 days'",
             "until": "now()", **changes}  # fmt: skip
    known = Backtest.objects.count()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FORGED.format(**given), [document.pk])
    assert Backtest.objects.count() == known


def test_a_count_that_saw_nothing_where_there_was_something_is_no_evidence() -> None:
    history()
    document = submit(make.make_rule())
    job = Backtest.objects.get()
    Backtest.objects.update(state="done", cursor=job.until, finished_at=timezone.now())
    refused(document)
