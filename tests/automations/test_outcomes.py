"""What a run that is done says of itself: what was done last, whoever did it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import answers, failures
from backoffice.actors import Actor, person
from tests.automations import factories as make

pytestmark = pytest.mark.django_db


def tag(uid: str, name: str, do: str = "depot.add_tag") -> dict[str, Any]:
    return {"uid": uid, "do": do, "with": {"tag": name}}


def wait(uid: str) -> dict[str, Any]:
    return {"uid": uid, "wait": "PT30M"}


def by() -> Actor:
    return person(make.author())


def refused_case(*after: dict[str, Any]) -> Failure:
    """The case of a run whose last step that acts is refused."""
    make.live_rule(steps=[tag("a1", "first"), tag("a2", "no", "depot.choosy"), *after])
    make.parcels_arrived()
    make.work_all()
    return Failure.objects.get()


def outcome() -> str:
    run = Run.objects.get()
    assert run.state == "done"
    return run.outcome


def test_a_run_whose_last_step_was_done_by_hand_says_so() -> None:
    case = refused_case()
    failures.done_by_hand(case.pk, version=case.version, reference="REF-1", actor=by())
    make.work_all()
    assert outcome() == "Done by hand: REF-1"


def test_a_run_whose_last_step_was_skipped_says_so() -> None:
    case = refused_case()
    failures.skip_step(case.pk, version=case.version, reason="No room.", actor=by())
    make.work_all()
    assert outcome() == "Skipped: No room."


def test_a_run_that_ends_with_a_yes_says_who_said_it() -> None:
    question = {"role": "finance", "question": "Keep it?", "due": "PT24H"}
    make.live_rule(steps=[{"uid": "p1", "ask": question}])
    make.parcels_arrived()
    make.work_all()
    case, finance = Failure.objects.get(), person(make.staff("finance"))
    answers.answer_question(case.pk, version=case.version, yes=True, text="Fine.", actor=finance)
    make.work_all()
    assert outcome() == "Finance said yes: Fine."


def test_a_run_that_only_waits_at_its_end_says_what_it_did_before() -> None:
    make.live_rule(steps=[tag("a1", "first"), wait("w1")])
    make.parcels_arrived()
    make.work_all()
    Run.objects.update(run_after=F("run_after") - timedelta(minutes=31))
    make.work_all()
    assert outcome() == "Tagged first."


def test_a_run_that_did_nothing_says_that_nothing_was_to_be_done() -> None:
    make.live_rule(steps=[wait("w1")])
    make.parcels_arrived()
    make.work_all()
    Run.objects.update(run_after=F("run_after") - timedelta(minutes=31))
    make.work_all()
    assert outcome() == "Nothing was to be done."
