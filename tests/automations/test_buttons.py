"""Buttons: a person starts a live manual rule for one record, once however it is pressed."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import approvals, buttons, drafts, stops
from automations.services.errors import NotPossible, Refused, Stale
from automations.simulation import records
from automations.triggers import scans
from backoffice.actors import person
from backoffice.models import TimelineEntry, User
from tests.automations import factories as make
from tests.automations.schedules import every
from tests.bed.databases import Database, at_once
from tests.depot.models import Parcel

PARCEL = "depot.parcel"
MANUAL = {"manual": PARCEL}


def clerk() -> User:
    """Somebody who may do what the rules of these tests do, and may see parcels."""
    user = make.staff("administrator", "clerk")
    user.is_superuser = True
    user.save()
    return user


def manual(**changes: Any) -> Rule:
    return make.live_rule(trigger=MANUAL, **changes)


def press(rule: Rule, parcel: Parcel, after: int = 0, user: User | None = None) -> buttons.Pressed:
    return buttons.press(PARCEL, rule.pk, parcel.pk, after=after, user=user or clerk())


@pytest.mark.django_db
@pytest.mark.requirement("R2")
def test_a_press_starts_the_rule_for_this_record_in_the_persons_name() -> None:
    rule, user = manual(name="Mark it"), clerk()
    parcel, _ = make.make_parcels(2)
    pressed = press(rule, parcel, user=user)
    make.work_all()
    event = Event.objects.get()
    assert (event.trigger, event.rule_id, event.subject_id) == (PARCEL, rule.pk, parcel.pk)
    assert (event.actor_kind, event.actor_user_id) == ("person", user.pk)
    run = Run.objects.get(pk=pressed.run_id)
    assert (run.state, run.outcome) == ("done", "Tagged high-value.")
    assert set(Parcel.objects.filter(touched=1)) == {parcel}
    entry = TimelineEntry.objects.get(subject=PARCEL)
    assert (entry.text, entry.user_id) == ("Started the rule “Mark it”", user.pk)
    assert (entry.link, entry.link_id) == ("automations.run", pressed.run_id)


@pytest.mark.django_db
def test_a_press_again_from_the_same_page_does_nothing_twice() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    one, two = press(rule, parcel), press(rule, parcel)
    assert (one.is_new, two.is_new) == (True, False)
    assert one.event_id == two.event_id
    make.work_all()
    assert press(rule, parcel).is_new is False
    assert (Event.objects.count(), TimelineEntry.objects.count()) == (1, 1)
    parcel.refresh_from_db()
    assert parcel.touched == 1


@pytest.mark.django_db
def test_whoever_has_seen_what_it_did_may_press_it_again() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    one = press(rule, parcel)
    make.work_all()
    with pytest.raises(Stale, match="meanwhile"):
        press(rule, parcel, after=one.event_id - 1)
    assert Event.objects.count() == 1
    assert press(rule, parcel, after=one.event_id).is_new
    make.work_all()
    parcel.refresh_from_db()
    assert parcel.touched == 2


def test_pressed_by_several_at_once_it_starts_once(committed_db: Database) -> None:
    rule, user = manual(), clerk()
    (parcel,) = make.make_parcels(1)
    answers = at_once([lambda: press(rule, parcel, user=user)] * 6)
    told = [answer for answer in answers if isinstance(answer, buttons.Pressed)]
    assert len(told) == 6
    assert sum(answer.is_new for answer in told) == 1
    make.work_all()
    assert (Event.objects.count(), Run.objects.count(), TimelineEntry.objects.count()) == (1, 1, 1)


@pytest.mark.django_db
def test_only_who_may_do_all_that_it_does_may_press_it() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    user = make.staff("support", "amara")
    (button,) = buttons.buttons_for(PARCEL, user)
    assert button.refusal == "You may not see this parcel."
    with pytest.raises(Refused, match="may not"):
        press(rule, parcel, user=user)
    user = clerk()
    assert [each.refusal for each in buttons.buttons_for(PARCEL, user)] == [""]
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_what_does_not_meet_the_conditions_is_not_started_and_says_why() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1, total="20.00")
    verdict = buttons.judge(buttons.button_for(PARCEL, rule.pk, clerk()), parcel.pk)
    assert (verdict.told.verdict, verdict.refusal) == (
        "no",
        "Its conditions are not met, so it would do nothing.",
    )
    with pytest.raises(NotPossible, match="not met"):
        press(rule, parcel)
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_what_can_not_be_judged_becomes_a_case() -> None:
    is_dhl = {"field": "parcel.carrier", "op": "is", "value": "dhl"}
    rule = manual(when={"all": [is_dhl]})
    (parcel,) = make.make_parcels(1, carrier="")
    press(rule, parcel)
    make.work_all()
    assert Failure.objects.get().error == "missing"


@pytest.mark.django_db
def test_a_stopped_rule_has_no_button_to_press() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    stops.stop_rule(rule.pk, reason="Look first.", actor=person(make.author()))
    with pytest.raises(Refused, match="stopped"):
        press(rule, parcel)
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_rules_that_are_not_manual_have_no_button() -> None:
    make.live_rule()
    rule = make.live_rule(trigger=every())
    (parcel,) = make.make_parcels(1)
    assert buttons.buttons_for(PARCEL, clerk()) == []
    with pytest.raises(NotPossible, match="no button"):
        press(rule, parcel)


@pytest.mark.django_db
def test_a_record_that_is_gone_can_not_be_pressed() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    Parcel.objects.filter(pk=parcel.pk).delete()
    with pytest.raises(NotPossible, match="gone"):
        buttons.press(PARCEL, rule.pk, parcel.pk, after=0, user=clerk())
    assert records.as_it_stands(scans[PARCEL], parcel.pk) is None


@pytest.mark.django_db
def test_a_shadow_notes_what_it_would_have_done_on_a_press() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    body = make.body(trigger=MANUAL, steps=make.steps("depot.add_tag", tag="other"))
    drafts.save_draft(rule.pk, body=body, revision=1, actor=person(make.author()))
    document = make.submit(rule)
    approvals.run_in_shadow(document.pk, actor=person(make.author()))
    press(rule, parcel)
    make.work_all()
    assert sorted(Run.objects.values_list("shadow", "state")) == [(False, "done"), (True, "done")]
    parcel.refresh_from_db()
    assert parcel.tags == ["high-value"]


@pytest.mark.django_db
def test_a_forged_press_before_it_starts_nothing() -> None:
    rule = manual()
    (parcel,) = make.make_parcels(1)
    with pytest.raises(Stale):
        press(rule, parcel, after=uuid4().int % 1_000_000 + 1)
    assert not Event.objects.exists()
