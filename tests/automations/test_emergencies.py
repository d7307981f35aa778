"""Two people let a version act for an hour; it ends by itself at each effect, and is reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from automations.engine import emergencies as clock
from automations.engine.match import match_batch
from automations.models.documents import Activation, Approval, Document
from automations.models.failures import Failure
from automations.models.policies import Emergency
from automations.models.runs import Effect, Run
from automations.services import approvals, drafts, emergencies, rules, stops
from automations.services.errors import Refused
from backoffice import banners, staff
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry, Notice
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.bed.people import signed_in
from tests.depot.models import Parcel

pytestmark = pytest.mark.usefixtures("any_db")

WHY = "Parcels are lost every minute."


@pytest.fixture(autouse=True)
def no_banner_for_others() -> Iterator[None]:
    yield
    banners.forget()


def by(role: str, name: str = "") -> Actor:
    return person(make.staff(role, name))


def waiting(**changes: Any) -> Document:
    return make.submit(make.make_rule(**changes))


def asked(document: Document, who: Actor | None = None) -> Emergency:
    who = who or by("operations", "clerk")
    return emergencies.ask(document.pk, sha256=document.sha256, why=WHY, actor=who)


def agreed(document: Document, who: Actor | None = None) -> Emergency:
    found = asked(document)
    who = who or by("finance", "second")
    return emergencies.agree(found.pk, sha256=document.sha256, actor=who)


def hour_over(found: Emergency) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT depot_hour_over(%s)", [found.pk])


def tags(number: int = 0) -> list[str]:
    return list(Parcel.objects.order_by("pk")[number].tags)


def test_two_people_let_it_act_for_an_hour_and_everybody_is_told() -> None:
    finance = make.staff("finance", "judge")
    document = waiting()
    asked(document)
    make.parcels_arrived()
    make.work_all()
    assert not Run.objects.exists()  # one is not enough
    found = emergencies.agree(
        Emergency.objects.get().pk, sha256=document.sha256, actor=by("support", "second")
    )
    assert found.ends_at is not None
    assert found.agreed_at is not None
    assert found.ends_at - found.agreed_at == timedelta(minutes=60)
    make.parcels_arrived()
    make.work_all()
    assert Run.objects.get().document_id == document.pk
    assert tags(1) == ["high-value"]
    verbs = list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))
    assert [verb for verb in verbs if "emergency" in verb] == [
        "rules.emergency_asked",
        "rules.emergency_began",
    ]
    assert Notice.objects.filter(user=finance, text__contains="without an approval").exists()
    case = Failure.objects.get(kind="emergency")
    assert (case.team, case.state, WHY in case.says) == ("operations", "open", True)
    page = signed_in(make.staff("auditor")).get("/").content.decode()
    assert "acts without an approval until" in page
    assert not Approval.objects.exists()


def test_it_lies_over_what_is_live_and_what_is_live_acts_again_after_it() -> None:
    rule = make.live_rule()
    live = Activation.objects.get()
    body = make.body(steps=make.steps("depot.add_tag", tag="urgent"))
    drafts.save_draft(rule.pk, body=body, revision=1, actor=person(make.author()))
    found = agreed(make.submit(rule))
    make.parcels_arrived()
    make.work_all()
    assert tags(0) == ["urgent"]
    assert Activation.objects.in_force().get() == live
    hour_over(found)
    make.parcels_arrived()  # nobody has ended it yet
    make.work_all()
    assert tags(1) == ["high-value"]
    clock.end_due()
    make.parcels_arrived()
    make.work_all()
    assert tags(2) == ["high-value"]
    ended = Emergency.objects.get()
    assert (ended.state, ended.ended_by) == ("ended", None)
    assert AuditEntry.objects.filter(verb="rules.emergency_ended", actor_kind="system").exists()


def test_a_run_that_began_within_the_hour_takes_no_effect_after_it() -> None:
    wait = {"uid": "w1", "wait": "PT5M"}
    tag = {"uid": "a2", "do": "depot.add_tag", "with": {"tag": "late"}}
    found = agreed(waiting(steps=[*make.steps("depot.add_tag"), wait, tag]))
    make.parcels_arrived()
    make.work_all()
    assert (tags(), Run.objects.get().state) == (["t1"], "waiting")
    hour_over(found)
    Run.objects.update(run_after="2020-01-01T00:00:00Z")
    make.work_all()
    assert tags() == ["t1"]
    assert Run.objects.get().state == "parked"
    clock.end_due()
    run = Run.objects.get()
    assert (run.state, run.outcome) == (
        "cancelled",
        "The emergency was over before this step.",
    )
    assert Effect.objects.count() == 1


def test_what_was_matched_within_the_hour_is_not_begun_after_it() -> None:
    found = agreed(waiting())
    make.parcels_arrived()
    match_batch()
    assert Run.objects.get().state == "due"
    hour_over(found)
    make.execute_all()
    assert tags() == []
    assert not Effect.objects.exists()


def test_one_person_ends_it_at_once() -> None:
    found = agreed(waiting())
    emergencies.end(found.pk, actor=by("support", "anyone"))
    make.parcels_arrived()
    make.work_all()
    assert not Run.objects.exists()
    with pytest.raises(Refused):
        emergencies.end(found.pk, actor=by("support", "anyone"))


@pytest.mark.parametrize(
    ("asks", "agrees"),
    [
        (("operations", "clerk"), ("operations", "clerk")),  # the same person
        (("operations", "clerk"), ("operations", "author")),  # who wrote it
        (("operations", "clerk"), ("auditor", "reader")),
        (("finance", "one"), ("support", "two")),  # neither operations nor an administrator
    ],
)
def test_nobody_agrees_who_may_not(asks: tuple[str, str], agrees: tuple[str, str]) -> None:
    document = waiting()
    found = asked(document, by(*asks))
    with pytest.raises(Refused):
        emergencies.agree(found.pk, sha256=document.sha256, actor=by(*agrees))
    assert not Activation.objects.exists()
    assert Emergency.objects.get().state == "asked"
    assert AuditEntry.objects.filter(verb="rules.refused").count() == 1


def test_nobody_agrees_whose_role_the_asker_gave_them() -> None:
    boss = make.staff("administrator", "boss")
    puppet = make.staff("auditor", "puppet")
    (grant,) = staff.change_role([puppet.pk], "support", actor=person(boss))
    staff.agree_to_role(grant.pk, actor=by("finance", "judge"))
    document = waiting()
    found = asked(document, person(boss))
    with pytest.raises(Refused, match="gave you your role"):
        emergencies.agree(found.pk, sha256=document.sha256, actor=person(puppet))
    assert not Activation.objects.exists()


def test_an_edit_takes_it_back_before_anybody_agrees() -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    found = asked(document)
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    with pytest.raises(Refused):
        emergencies.agree(found.pk, sha256=document.sha256, actor=by("finance", "second"))
    assert not Activation.objects.exists()


def test_another_hash_and_a_late_yes_are_refused() -> None:
    document = waiting()
    with pytest.raises(Refused):
        emergencies.ask(document.pk, sha256="0" * 64, why=WHY, actor=by("operations", "clerk"))
    found = asked(document)
    with pytest.raises(Refused):
        emergencies.agree(found.pk, sha256="0" * 64, actor=by("finance", "second"))
    hour_over(found)
    with pytest.raises(Refused, match="Nobody waits"):
        emergencies.agree(found.pk, sha256=document.sha256, actor=by("finance", "second"))
    assert not Activation.objects.exists()


def test_there_is_no_other_until_somebody_without_a_hand_in_it_has_reviewed_it() -> None:
    document = waiting(steps=make.steps("depot.pay_duty"))
    found = agreed(document, by("finance", "second"))
    hour_over(found)
    clock.end_due()
    with pytest.raises(Refused, match="not reviewed"):
        asked(document)
    for wrong in (by("finance", "second"), by("operations", "clerk"), by("support", "other")):
        with pytest.raises(Refused):
            emergencies.review(found.pk, was_right=True, note="Fine.", actor=wrong)
    assert Failure.objects.get(kind="emergency").state == "open"
    emergencies.review(found.pk, was_right=False, note="Too much.", actor=by("finance", "judge"))
    kept = Emergency.objects.get()
    assert (kept.was_right, kept.review) == (False, "Too much.")
    assert Failure.objects.get(kind="emergency").state == "resolved"
    asked(document)


def test_it_can_still_be_approved_as_any_other_and_whoever_edited_stays_an_editor() -> None:
    document = waiting()
    agreed(document)
    with pytest.raises(Refused):
        approvals.approve(document.pk, sha256=document.sha256, actor=person(make.author()))
    approvals.approve(document.pk, sha256=document.sha256, actor=person(make.approver(document)))
    assert Activation.objects.in_force().get().document_id == document.pk
    assert Activation.objects.get(mode="emergency").until_at is not None
    assert Emergency.objects.get().state == "ended"
    assert emergencies.in_force() == []
    assert Failure.objects.get(kind="emergency").state == "open"  # it still has to be reviewed
    make.parcels_arrived()
    make.work_all()
    assert Run.objects.get().state == "done"
    again = make.submit(Document.objects.get().rule)  # type: ignore[arg-type]
    assert set(again.editors.values_list("user__username", flat=True)) == {"author"}


def test_submitting_anew_after_an_emergency_keeps_everyone_who_edited_out_of_the_verdict() -> None:
    rule = make.make_rule()
    editor = make.staff("finance", "editor")
    drafts.save_draft(rule.pk, body=make.body(latency="batch"), revision=1, actor=person(editor))
    found = agreed(make.submit(rule))
    hour_over(found)
    clock.end_due()
    drafts.save_draft(
        rule.pk, body=make.body(missing_data="skip"), revision=2, actor=person(make.author())
    )
    again = make.submit(rule)
    with pytest.raises(Refused):
        approvals.approve(again.pk, sha256=again.sha256, actor=person(editor))


def test_a_stop_holds_an_emergency_too_and_a_retired_rule_has_none() -> None:
    found = agreed(waiting())
    stops.stop_rule(found.rule_id, reason="Wrong.", actor=by("support", "anyone"))
    make.parcels_arrived()
    make.work_all()
    assert tags() == []
    assert not Effect.objects.exists()
    found.rule.refresh_from_db()
    rules.retire_rule(found.rule_id, version=found.rule.version, why="Old.", actor=by("operations"))
    assert not Activation.objects.filter(until_at=None).exists()
    found.refresh_from_db()
    assert found.state == Emergency.State.ENDED
    assert Notice.objects.filter(text__contains="is over. What it did waits").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO automations_emergency (rule_id, document_id, sha256, state, why, asked_by_id,"
        " agreed_by_id, agreed_at, ends_at) SELECT rule_id, document_id, sha256, 'agreed', '',"
        " asked_by_id, asked_by_id, now(), now() FROM automations_emergency",
        "UPDATE automations_emergency SET ends_at = 'infinity'",
        "UPDATE automations_emergency SET asked_by_id = agreed_by_id, reviewed_at = now()",
        "DELETE FROM automations_emergency",
        "UPDATE automations_activation SET expires_at = 'infinity'",
        "UPDATE automations_activation SET mode = 'live', expires_at = NULL",
        "SELECT automations_end_emergency(id, NULL) FROM automations_emergency",
    ],
)
def test_nothing_of_it_is_written_by_hand(statement: str) -> None:
    agreed(waiting())
    before = [list(Emergency.objects.values()), list(Activation.objects.values())]
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert [list(Emergency.objects.values()), list(Activation.objects.values())] == before


def test_the_page_offers_each_person_what_they_may() -> None:
    document = waiting()
    url = f"/approvals/{document.pk}/"
    clerk, second = make.staff("operations", "clerk"), make.staff("finance", "second")
    hx: dict[str, Any] = {"headers": {"HX-Request": "true"}}
    ask = f"/approvals/{document.pk}/_/emergency/"
    assert "Emergency…" in signed_in(clerk).get(url).content.decode()
    given = {"sha256": document.sha256, "why": WHY}
    assert signed_in(clerk).post(ask, {**given, "why": ""}, **hx).status_code == 422
    assert signed_in(clerk).post(ask, given, **hx).status_code == 204
    assert "Agree: let it act" not in signed_in(clerk).get(url).content.decode()
    assert "Agree: let it act" in signed_in(second).get(url).content.decode()
    found = Emergency.objects.get()
    agree = f"/approvals/_/emergencies/{found.pk}/agree/"
    assert signed_in(clerk).post(agree, given, **hx).status_code == 422
    assert signed_in(second).post(agree, given, **hx).status_code == 204
    assert "End it now" in signed_in(clerk).get(url).content.decode()
    end = f"/approvals/_/emergencies/{found.pk}/end/"
    sure = {"csrfmiddlewaretoken": "sent by every form"}
    assert signed_in(clerk).post(end, sure, **hx).status_code == 204
    judge = make.staff("support", "judge")
    assert "Review…" not in signed_in(second).get(url).content.decode()
    assert "Review…" in signed_in(judge).get(url).content.decode()
    review = f"/approvals/_/emergencies/{found.pk}/review/"
    told = {"was_right": "yes", "note": "It saved the day."}
    assert signed_in(second).post(review, told, **hx).status_code == 422
    assert signed_in(judge).post(review, told, **hx).status_code == 204
    assert "It saved the day." in signed_in(clerk).get(url).content.decode()


# --- races ------------------------------------------------------------------------------------


def test_many_who_agree_edit_and_withdraw_at_once_leave_one_emergency_of_what_was_agreed(
    committed_db: Database,
) -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    found = asked(document)
    author = person(make.author())
    second, third = by("finance", "second"), by("support", "third")

    def agree(who: Actor) -> object:
        return emergencies.agree(found.pk, sha256=document.sha256, actor=who)

    def edit() -> object:
        body = make.body(latency="batch")
        return drafts.save_draft(rule.pk, body=body, revision=1, actor=author)

    acts = [lambda: agree(second), lambda: agree(third), edit] * 3
    answers = at_once(acts)
    begun = [each for each in answers if isinstance(each, Emergency)]
    assert len(begun) <= 1
    periods = Activation.objects.filter(mode="emergency")
    assert periods.count() == len(begun)
    for period in periods:
        assert period.document.sha256 == document.sha256


def test_effects_that_race_the_end_of_the_hour_stop_with_it(committed_db: Database) -> None:
    rule = make.make_rule(steps=make.steps("depot.slow_tag"))
    found = agreed(make.submit(rule))
    make.parcels_arrived(20)
    while match_batch():
        pass

    def work() -> None:
        make.execute_all()
        connection.close()

    def over() -> None:
        hour_over(found)
        clock.end_due()
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(work), pool.submit(work), pool.submit(over), pool.submit(work)]
        for task in tasks:
            task.result(120)
    clock.cancel_left()
    make.execute_all()
    clock.cancel_left()
    ended = Emergency.objects.get().ended_at
    assert ended is not None
    # Whatever was done had been begun before it was over.
    assert set(Run.objects.values_list("state", flat=True)) <= {"done", "cancelled"}
    done = Run.objects.filter(state="done").count()
    assert Effect.objects.count() == done
