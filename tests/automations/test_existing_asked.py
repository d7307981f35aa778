"""Whether a version is applied to the records that are there is asked at its verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.engine import applying, paging
from automations.models.documents import Activation, Approval, Document
from automations.models.events import Event
from automations.models.existing import ExistingRecords
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.models.schedules import existing_key
from automations.services import approvals, emergencies, policies, stops
from automations.services.approvals import FirstLook
from automations.services.errors import NotPossible, Refused
from backoffice.actors import person
from backoffice.models import AuditEntry
from tests.automations import factories as make
from tests.depot.models import Parcel
from tests.depot.signals import parcels_rerouted

pytestmark = pytest.mark.django_db


def agree(document: Document, **given: Any) -> Approval:
    """A yes by somebody of the right role."""
    actor = given.pop("actor", None) or person(make.approver(document))
    return approvals.approve(document.pk, sha256=document.sha256, actor=actor, **given)


def live(rule: Rule | None = None, **given: Any) -> Document:
    document = make.submit(rule or make.make_rule())
    agree(document, existing=True, **given)
    return document


def apply_all() -> None:
    while applying.apply_batch():
        pass


def settle() -> None:
    """Until nothing is left: records gone over, events matched, runs executed."""
    make.match_all()
    ExistingRecords.objects.filter(finished_at=None).update(run_after=timezone.now())
    apply_all()
    make.work_all()


def touched() -> set[str]:
    return set(Parcel.objects.filter(touched=1).values_list("number", flat=True))


def sql(statement: str, *arguments: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, arguments)


# --- no, and yes ----------------------------------------------------------------------------------


def test_who_says_nothing_says_no_and_nothing_fires() -> None:
    make.parcels_arrived(3)
    make.match_all()
    document = make.submit(make.make_rule())
    given = agree(document)
    settle()
    assert given.existing is False
    assert not ExistingRecords.objects.exists()
    assert not Run.objects.exists()
    assert touched() == set()
    entry = AuditEntry.objects.get(verb="rules.approved", subject_id=document.pk)
    assert entry.detail["existing"] is False


def test_a_yes_applies_it_to_exactly_the_records_that_match_once() -> None:
    wanted = {parcel.number for parcel in make.parcels_arrived(3)}
    make.parcels_arrived(2, total="99.99")
    make.make_parcels(2)  # nothing was told of them
    make.match_all()
    document = live()
    settle()
    assert touched() == wanted
    row = ExistingRecords.objects.get()
    assert (row.document_id, row.state, row.examined, row.events) == (document.pk, "done", 7, 3)
    assert {run.document_id for run in Run.objects.filter(state="done")} == {document.pk}
    settle()
    assert touched() == wanted
    assert Run.objects.count() == 3


def test_the_answer_is_in_the_audit_trail_with_what_came_of_it() -> None:
    make.parcels_arrived(2)
    make.match_all()
    document = live()
    settle()
    trail = {entry.verb: entry.detail for entry in AuditEntry.objects.order_by("pk")}
    assert trail["rules.approved"]["existing"] is True
    assert trail["rules.activated"]["existing"] is True
    assert trail["rules.existing_ended"] == {"state": "done", "examined": 2, "started": 2}
    assert document.approvals.get().existing is True


def test_a_record_that_changed_is_judged_as_it_stands_now() -> None:
    parcels = make.parcels_arrived(2)
    make.match_all()
    Parcel.objects.filter(pk=parcels[0].pk).update(total="5.00")
    live()
    settle()
    assert touched() == {parcels[1].number}


def test_what_happens_just_before_it_goes_live_is_started_on_once() -> None:
    make.parcels_arrived(3)
    live()  # the events of the three still wait to be matched, and now meet the version
    applying.apply_batch()
    row = ExistingRecords.objects.get()
    assert (row.state, row.says) == (
        "scanning",
        "It waits until what happened before is matched: 3 facts are left.",
    )
    settle()
    assert Run.objects.count() == 3
    assert len(touched()) == 3
    assert ExistingRecords.objects.get().events == 0


def test_what_comes_later_starts_it_by_itself() -> None:
    make.parcels_arrived(1)
    make.match_all()
    live()
    make.parcels_arrived(2)
    settle()
    assert Run.objects.count() == 3
    assert len(touched()) == 3
    assert ExistingRecords.objects.get().events == 1


def test_a_second_version_leaves_out_what_the_rule_has_acted_on() -> None:
    rule = make.live_rule()
    done = make.parcels_arrived(2)
    make.work_all()
    small = make.parcels_arrived(1, total="60.00")
    make.work_all()
    over_fifty = [
        {"field": "parcel.total", "op": "gte", "value": {"amount": "50.00", "currency": "GBP"}}
    ]
    make.edit(rule, when={"all": over_fifty})
    live(rule)
    settle()
    assert touched() == {parcel.number for parcel in [*done, *small]}
    assert Run.objects.count() == 3


def test_what_can_not_be_judged_becomes_a_case_where_the_rule_says_so() -> None:
    is_dhl = {"field": "parcel.carrier", "op": "is", "value": "dhl"}
    make.parcels_arrived(1)
    make.parcels_arrived(1, carrier="")
    make.match_all()
    live(make.make_rule(when={"all": [is_dhl]}, missing_data="hold"))
    settle()
    assert len(touched()) == 1
    assert Failure.objects.get().error == "missing"


# --- twice, and in the middle ---------------------------------------------------------------------


def test_a_version_that_is_put_in_force_again_is_not_applied_again() -> None:
    make.parcels_arrived(2)
    make.match_all()
    document = live()
    settle()
    approvals.activate(document.pk, actor=person(make.approver(document)))
    settle()
    assert ExistingRecords.objects.count() == 1
    assert Run.objects.count() == 2


def test_a_page_that_breaks_is_tried_again_and_nothing_is_doubled_or_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(applying, "PAGE", 3)
    make.parcels_arrived(10)
    make.match_all()
    live()
    whole, broken = existing_key, iter([False] * 4 + [True] + [False] * 20)

    def breaks(document_id: int, subject_id: int) -> str:
        if next(broken):
            raise ZeroDivisionError("thirteen")
        return whole(document_id, subject_id)

    monkeypatch.setattr(applying, "existing_key", breaks)
    applying.apply_batch()
    applying.apply_batch()
    row = ExistingRecords.objects.get()
    assert (row.examined, row.says, row.tries) == (3, "thirteen", 1)
    settle()
    row.refresh_from_db()
    assert (row.state, row.examined, row.events, row.tries) == ("done", 10, 10, 0)
    assert len(touched()) == 10


def test_a_page_that_keeps_breaking_becomes_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    make.parcels_arrived(1)
    make.match_all()
    document = live()

    def breaks(document_id: int, subject_id: int) -> str:
        raise ZeroDivisionError("thirteen")

    monkeypatch.setattr(applying, "existing_key", breaks)
    for _ in range(paging.MOST_TRIES + 1):
        ExistingRecords.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        applying.apply_batch()
    case = Failure.objects.get()
    assert (case.kind, case.document_id) == ("existing", document.pk)
    assert case.says.endswith("5 attempts at the same records failed. The last said: thirteen")
    assert ExistingRecords.objects.get().state == "failed"
    assert not Event.objects.exclude(key="").exists()


def test_a_later_version_ends_it_and_the_rest_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(applying, "PAGE", 2)
    rule = make.make_rule()
    make.parcels_arrived(5)
    make.match_all()
    live(rule)
    applying.apply_batch()
    make.edit(rule, steps=make.steps("depot.add_tag"))
    make.make_live(rule)
    settle()
    row = ExistingRecords.objects.get()
    assert (row.state, row.examined) == ("skipped", 2)
    assert row.says == "This version is not in force any more."
    assert touched() == set()  # what was told to the version before is for nobody else


def test_it_waits_while_another_version_acts_in_an_emergency() -> None:
    rule = make.make_rule()
    make.parcels_arrived(2)
    make.match_all()
    document = live(rule)
    make.edit(rule, steps=make.steps("depot.add_tag"))
    urgent = make.submit(rule)
    clerk, second = (person(make.staff(role, role)) for role in ("operations", "finance"))
    asked = emergencies.ask(urgent.pk, sha256=urgent.sha256, why="Now.", actor=clerk)
    emergencies.agree(asked.pk, sha256=urgent.sha256, actor=second)
    settle()
    row = ExistingRecords.objects.get()
    assert (row.state, row.says[:9], row.document_id) == ("scanning", "It waits:", document.pk)
    assert touched() == set()
    emergencies.end(asked.pk, actor=second)
    settle()
    assert ExistingRecords.objects.get().state == "done"
    assert {run.document_id for run in Run.objects.all()} == {document.pk}


# --- limits, first looks and stops ----------------------------------------------------------------


def test_a_stopped_rule_does_not_act_on_what_was_there() -> None:
    make.parcels_arrived(3)
    make.match_all()
    document = live()
    assert document.rule_id is not None
    actor = person(make.staff("operations", "stopper"))
    stops.stop_rule(document.rule_id, actor=actor, reason="Wait.")
    settle()
    assert touched() == set()
    assert set(Run.objects.values_list("state", "parked_for")) == {("parked", "stop")}


def test_a_first_look_comes_before_the_rest_of_what_was_there() -> None:
    make.parcels_arrived(5)
    make.match_all()
    document = make.submit(make.make_rule())
    look = FirstLook(make.approver(document).pk, after=2)
    agree(document, existing=True, first_look=look)
    settle()
    assert len(touched()) == 2
    assert Run.objects.filter(state="parked", parked_for="first_look").count() == 3


def test_a_limit_holds_for_what_was_there() -> None:
    make.parcels_arrived(4)
    make.match_all()
    live(make.make_rule(limits={"runs": {"per_hour": 3}}))
    settle()
    assert len(touched()) == 3
    assert Run.objects.filter(state="parked", parked_for="limit").count() == 1


# --- whose answer it is ---------------------------------------------------------------------------


def test_the_author_can_not_say_yes_for_what_is_there() -> None:
    document = make.submit(make.make_rule())
    with pytest.raises(Refused, match="someone else has to decide"):
        agree(document, existing=True, actor=person(make.author()))
    assert not Approval.objects.exists()


def test_where_two_agree_both_have_to_say_yes_for_what_is_there() -> None:
    make.parcels_arrived(1)
    make.match_all()
    assert policies.change("none", 2, actor=person(make.staff("finance")))
    for answers, applied in (((True, False), 0), ((False, True), 0), ((True, True), 1)):
        document = make.submit(make.make_rule())
        for role, existing in zip(("operations", "support"), answers, strict=True):
            agree(document, existing=existing, actor=person(make.staff(role)))
        assert Activation.objects.in_force().filter(document=document).exists()
        assert ExistingRecords.objects.filter(document=document).count() == applied


def test_a_yes_can_not_be_added_after_the_verdict_nor_by_sql() -> None:
    document = make.submit(make.make_rule())
    agree(document)
    with pytest.raises(Refused, match="no longer waits"):
        agree(document, existing=True, actor=person(make.staff("support")))
    for statement in (
        "UPDATE automations_approval SET existing = true",
        "INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict,"
        " comment, evidence, existing, expires_at) SELECT document_id, sha256, approver_id, role,"
        " verdict, '', '{}', true, expires_at FROM automations_approval",
        "INSERT INTO automations_existingrecords (document_id, rule_id, from_at)"
        " SELECT id, rule_id, now() FROM automations_document",
    ):
        with pytest.raises(DatabaseError, match="permission denied"):
            sql(statement)
    assert not ExistingRecords.objects.exists()


def test_what_is_over_can_not_be_begun_again_by_sql() -> None:
    make.parcels_arrived(1)
    make.match_all()
    live()
    other = make.submit(make.make_rule())
    with pytest.raises(DatabaseError, match="once, and onwards"):
        sql("UPDATE automations_existingrecords SET document_id = %s", other.pk)
    settle()
    with pytest.raises(DatabaseError, match="once, and onwards"):
        sql("UPDATE automations_existingrecords SET state = 'due', cursor = NULL")
    with pytest.raises(DatabaseError, match="permission denied"):
        sql("DELETE FROM automations_existingrecords")


def test_a_no_to_the_version_can_not_be_a_yes_for_what_is_there() -> None:
    document = make.submit(make.make_rule())
    judge = make.approver(document)
    with pytest.raises(DatabaseError, match="Only a yes to a rule"):
        sql(
            "SELECT automations_decide_document(%s, %s, %s, 'operations', 'reject', 'No.', '{}',"
            " true)",
            document.pk,
            document.sha256,
            judge.pk,
        )


def test_a_schedule_is_not_asked_as_it_goes_over_them_anyway() -> None:
    every = {"every": "0 8 * * *", "zone": "UTC", "for": "depot.parcel"}
    document = make.submit(make.make_rule(trigger=every))
    with pytest.raises(NotPossible):
        agree(document, existing=True)


# --- what only the fact tells ---------------------------------------------------------------------


def test_what_only_the_fact_tells_is_taken_as_it_was_told_last() -> None:
    (parcel,) = make.make_parcels(1, carrier="dhl")
    parcels_rerouted.send(sender=Parcel, parcels=[parcel], actor=None, history=False)
    make.match_all()
    live(make.make_rule(trigger={"on": "depot.parcel_rerouted"}, when={"all": []}))
    settle()
    facts = Event.objects.exclude(key="").get().facts
    assert (facts["route.carrier"], facts["route.previous_carrier"]) == ("dhl", "ups")
    assert len(touched()) == 1
