"""What a person is asked: the question speaks of the run's own record."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from automations.models.failures import Failure
from automations.models.runs import Run, StepRun
from automations.rules.validating import validate_document
from automations.services import approvals
from backoffice.actors import person
from tests.automations import factories as make
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db

FINE = "Is a parcel to {{ parcel.country }} fine to ship?"


def ask(question: str) -> dict[str, Any]:
    given = {"role": "finance", "question": question, "due": "PT24H"}
    return {"uid": "p1", "ask": given}


def tag(uid: str) -> dict[str, Any]:
    return {"uid": uid, "do": "depot.add_tag", "with": {"tag": "kept"}}


def said(*steps: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.path, each.message) for each in validate_document(make.body(steps=list(steps)))]


def test_a_question_is_filled_in_from_the_fields_of_its_run() -> None:
    make.live_rule(steps=[ask(FINE), tag("a1")])
    make.parcels_arrived(country="FR")
    make.work_all()
    case, run, step = Failure.objects.get(), Run.objects.get(), StepRun.objects.get()
    assert case.says == run.outcome == "Is a parcel to FR fine to ship?"
    assert step.says.startswith("Ask finance “Is a parcel to FR fine to ship?”")
    assert case.not_done[0] == step.says
    assert len(case.not_done) == 2


def test_the_same_question_about_two_records_has_one_cause() -> None:
    make.live_rule(steps=[ask(FINE)])
    make.parcels_arrived(country="FR")
    make.parcels_arrived(country="DE")
    make.work_all()
    assert len(set(Failure.objects.values_list("says", flat=True))) == 2
    assert len(set(Failure.objects.values_list("cause", flat=True))) == 1
    words = set(Failure.objects.values_list("cause_words", flat=True))
    assert words == {"Is a parcel to … fine to ship?"}


def test_a_question_speaks_of_the_record_as_it_is_when_asked() -> None:
    make.live_rule(steps=[{"uid": "w1", "wait": "PT30M"}, ask(FINE)])
    (parcel,) = make.parcels_arrived(country="FR")
    make.work_all()
    Parcel.objects.filter(pk=parcel.pk).update(country="DE", version=F("version") + 1)
    Run.objects.update(run_after=F("created_at"))
    make.work_all()
    assert Failure.objects.get().says == "Is a parcel to DE fine to ship?"


def test_a_question_in_a_loop_speaks_of_its_item() -> None:
    each = {"uid": "l1", "for_each": "parcel.items", "steps": [ask("Keep {{ item.sku }}?")]}
    make.live_rule(steps=[each])
    make.parcels_arrived(items=[{"sku": "GL-LMP", "quantity": 1}])
    make.work_all()
    assert Failure.objects.get().says == "Keep GL-LMP?"


def test_a_question_whose_field_is_not_known_is_not_asked_but_told(
    operations_client: Client,
) -> None:
    make.live_rule(steps=[ask("Is {{ parcel.items.first.sku }} right?")])
    make.parcels_arrived(items=[])
    make.work_all()
    case = Failure.objects.get()
    assert (case.error, Run.objects.get().state) == ("rejected", "failed")
    assert "can't be filled in" in case.says
    page = operations_client.get(reverse("failure_detail", args=[case.pk]))
    assert page.status_code == 200


def test_a_shadow_notes_the_question_as_it_would_be_asked() -> None:
    document = make.submit(make.make_rule(steps=[ask(FINE)]))
    approvals.run_in_shadow(document.pk, actor=person(make.author()))
    make.parcels_arrived(country="FR")
    make.work_all()
    step = StepRun.objects.get(outcome="would")
    assert "Is a parcel to FR fine to ship?" in step.says
    assert not Failure.objects.exists()


def test_a_question_names_only_fields_that_there_are() -> None:
    at = "steps.0.ask.question"
    assert said(ask("Fine?")) == said(ask(FINE)) == []
    assert said(ask("{{ parcel.colour }}?")) == [
        (at, "There is no field “parcel.colour” in this trigger.")
    ]
    ((path, message),) = said(ask("{{ parcel.country"))
    assert (path, message.startswith("This text can't be read")) == (at, True)


def test_a_question_without_fields_is_asked_as_it_is_written() -> None:
    make.live_rule(steps=[ask("  50 % or {more}? ")])
    make.parcels_arrived()
    make.work_all()
    assert Failure.objects.get().says == "  50 % or {more}? "


def test_the_run_and_the_case_show_the_question_as_it_was_asked(operations_client: Client) -> None:
    make.live_rule(steps=[ask(FINE)])
    make.parcels_arrived(country="FR")
    make.work_all()
    run, case = Run.objects.get(), Failure.objects.get()
    for url in (
        reverse("run_detail", args=[run.pk]),
        reverse("failure_detail", args=[case.pk]),
        reverse("failure_list"),
        reverse("run_list"),
    ):
        page = operations_client.get(url).content.decode()
        assert "Is a parcel to FR fine to ship?" in page, url
        assert "{{" not in page, url
