"""What a draft would have done, and why rules did or did not fire."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from automations.models.events import Event
from automations.models.rules import Draft
from automations.models.runs import Effect, Run
from automations.services import drafts, stops
from automations.simulation.preview import preview
from automations.simulation.trial import try_on
from automations.simulation.why import explain_run, explain_subject
from backoffice.actors import person
from tests.automations import factories as make
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db


def at_least(amount: str) -> dict[str, object]:
    return {
        "field": "parcel.total",
        "op": "gte",
        "value": {"amount": amount, "currency": "GBP"},
    }


def abroad() -> dict[str, object]:
    return {"field": "parcel.country", "op": "is_not", "value": "GB"}


def test_a_preview_counts_history_and_live_events_clause_by_clause() -> None:
    make.arrive(make.make_parcels(3, total="600.00", country="FR"), history=True)
    make.arrive(make.make_parcels(2, total="600.00", country="GB"))
    make.arrive(make.make_parcels(4, total="10.00", country="FR"))
    make.arrive(make.make_parcels(1, total="600.00", country=""))
    found = preview(make.body(when={"all": [at_least("500.00"), abroad()]}))
    assert (found.events, found.matched, found.unknown) == (10, 3, 1)
    assert found.at_stake == {"GBP": Decimal("1800.00")}
    assert [(c.passed, c.failed, c.unknown) for c in found.clauses] == [(6, 4, 0), (7, 2, 1)]
    assert found.by_day == {timezone.now().date().isoformat(): 3}
    assert len(found.examples) == 3
    assert found.examples[0].explanation.verdict == "yes"
    assert not Run.objects.exists()


def test_a_preview_counts_a_list_condition_as_one_clause() -> None:
    make.arrive(make.make_parcels(2, items=[{"sku": "A", "quantity": 9}]))
    make.arrive(make.make_parcels(3, items=[{"sku": "A", "quantity": 1}]))
    some = {
        "some": "parcel.items",
        "where": {"all": [{"field": "quantity", "op": "gte", "value": 5}]},
    }
    found = preview(make.body(when={"all": [at_least("50.00"), {"any": [some]}]}))
    assert (found.events, found.matched) == (5, 2)
    told = [(clause.path, clause.passed, clause.failed) for clause in found.clauses]
    assert told == [("when.all.0", 5, 0), ("when.all.1.any.0", 2, 3)]


def test_a_preview_tells_gained_and_lost_against_the_version_in_force() -> None:
    make.parcels_arrived(2, total="120.00", country="GB")
    make.parcels_arrived(3, total="60.00", country="FR")
    make.parcels_arrived(4, total="120.00", country="FR")
    found = preview(
        make.body(when={"all": [at_least("50.00"), abroad()]}),
        live=make.body(when={"all": [at_least("100.00")]}),
    )
    assert (found.matched, found.gained, found.lost) == (7, 3, 2)
    assert found.as_evidence()["gained"] == 3


def test_a_preview_reads_no_further_back_than_asked() -> None:
    make.parcels_arrived(1)
    assert preview(make.body(), until=timezone.now() - timedelta(days=1)).events == 0


def test_a_trial_lists_every_effect_and_takes_none() -> None:
    (parcel,) = make.parcels_arrived()
    steps = make.steps("depot.add_tag", "depot.pay_duty", "depot.add_tag")
    steps[0]["with"]["tag"] = {"text": "from-{{ parcel.country }}"}
    steps[2]["with"]["tag"] = {"text": "{{ parcel.number }}" * 10}
    trial = try_on(make.body(steps=steps), Event.objects.get())
    assert trial.verdict == "yes"
    assert [step.words for step in trial.steps] == [
        "tag it from-FR",
        "pay the duty",
        f"tag it {parcel.number * 10}",
    ]
    assert [bool(step.problem) for step in trial.steps] == [False, False, True]
    assert Parcel.objects.get().touched == 0
    assert not Effect.objects.exists()


def test_why_it_fired_and_why_the_others_did_not() -> None:
    make.live_rule(name="A fires")
    make.live_rule(name="B too dear", when={"all": [at_least("900.00")]})
    stopped = make.live_rule(name="C stopped")
    make.make_rule(name="D draft")
    stops.stop_rule(stopped.pk, reason="Later.", actor=person(make.author()))
    (parcel,) = make.parcels_arrived()
    make.work_all()
    (story,) = explain_subject("depot.parcel", parcel.pk)
    told = {known.rule.name: known for known in story.rules}
    assert told["A fires"].says == "Done: Tagged high-value."
    assert told["B too dear"].says == ("Not met: parcel total is at least £900.00 (was £250.00).")
    assert told["C stopped"].says == "Parked: The rule is stopped."
    # What was never in force by then could not have concerned it.
    assert "D draft" not in told
    run = told["A fires"].run
    assert run is not None
    explained = explain_run(run)
    assert explained is not None
    assert explained.verdict == "yes"


def test_a_rule_that_starts_on_something_else_by_now_tells_what_it_made_of_it_then() -> None:
    rule = make.live_rule(name="Moved on", when={"all": [at_least("900.00")]})
    (parcel,) = make.parcels_arrived()
    make.work_all()
    draft = Draft.objects.get(rule=rule)
    body = {**draft.body, "trigger": {"on": "depot.parcel_tagged"}}
    drafts.save_draft(rule.pk, body=body, revision=draft.revision, actor=person(make.author()))
    rule.refresh_from_db()
    document = make.make_live(rule)
    assert document.version == 2
    (story,) = explain_subject("depot.parcel", parcel.pk)
    (told,) = story.rules
    assert (told.rule.name, told.version) == ("Moved on", 1)
    assert told.says == "Not met: parcel total is at least £900.00 (was £250.00)."
    (later,) = make.parcels_arrived()
    (story,) = explain_subject("depot.parcel", later.pk)
    assert [known.says for known in story.rules] == []


def test_history_says_that_it_never_acts() -> None:
    make.live_rule()
    parcels = make.make_parcels()
    make.arrive(parcels, history=True)
    (story,) = explain_subject("depot.parcel", parcels[0].pk)
    assert story.rules[0].says == "The event is history, and history never acts."
