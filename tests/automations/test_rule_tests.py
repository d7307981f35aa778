"""From a cause that returns to the rule; one chosen event; a shadow for some days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from automations.models.documents import Activation
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.rules import Draft, Rule
from automations.models.runs import Effect, Run
from automations.models.trials import RuleTest, ShadowTrial
from automations.services import drafts, rule_tests, shadow_trials
from automations.services.errors import NotPossible
from automations.simulation.on_cases import on_cases
from backoffice.actors import person
from backoffice.models import AuditEntry, Notice
from tests.automations import factories as make
from tests.automations.views import story
from tests.bed.databases import Database
from tests.bed.people import signed_in
from tests.depot.models import Parcel

pytestmark = pytest.mark.usefixtures("any_db")
HX: dict[str, Any] = {"headers": {"HX-Request": "true"}}


def by() -> Any:
    return person(make.author())


def failing(count: int = 3) -> Rule:
    """A rule whose action refuses each parcel: cases of one cause."""
    rule = make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(count)
    make.work_all()
    assert Failure.objects.count() == count
    return rule


def edit(rule: Rule, **changes: Any) -> Any:
    draft = Draft.objects.get(rule=rule)
    body = {**draft.body, **changes}
    drafts.save_draft(rule.pk, body=body, revision=draft.revision, actor=by())
    return body


def test_the_cases_of_a_cause_become_the_test_of_the_rule() -> None:
    rule = failing()
    first = Failure.objects.order_by("pk")[0]
    assert rule_tests.add_cause(first.pk, actor=by()) == rule
    rule_tests.add_cause(first.pk, actor=by())  # twice changes nothing
    assert RuleTest.objects.count() == 3
    events = set(Event.objects.values_list("pk", flat=True))
    assert set(RuleTest.objects.values_list("event_id", flat=True)) == events
    assert AuditEntry.objects.filter(verb="rules.tests_added").exists()


def test_it_says_of_each_case_whether_the_draft_would_now_handle_it() -> None:
    rule = failing()
    rule_tests.add_cause(Failure.objects.order_by("pk")[0].pk, actor=by())
    effects, runs = Effect.objects.count(), Run.objects.count()
    body = edit(rule, steps=make.steps("depot.add_tag"))
    assert [each.verdict for each in on_cases(rule, body)] == ["handled"] * 3
    dear = {"field": "parcel.total", "op": "gte", "value": {"amount": "900", "currency": "GBP"}}
    assert [each.verdict for each in on_cases(rule, edit(rule, when={"all": [dear]}))] == [
        "passes"
    ] * 3
    unreadable = {**body, "trigger": {"on": "depot.parcel_lost"}}
    assert [each.verdict for each in on_cases(rule, unreadable)] == ["gone"] * 3
    assert (Effect.objects.count(), Run.objects.count()) == (effects, runs)
    assert not Parcel.objects.filter(touched__gt=0).exists()


def test_a_step_that_would_refuse_its_input_still_stops() -> None:
    rule = failing(1)
    rule_tests.add_cause(Failure.objects.get().pk, actor=by())
    body = edit(rule, steps=[{"uid": "a1", "do": "depot.add_tag", "with": {"tag": ""}}])
    (case,) = on_cases(rule, body)
    assert case.verdict == "stops"
    assert not case.handled


def test_a_case_without_a_run_has_no_rule_to_change() -> None:
    failing(1)
    Failure.objects.update(run_id=None)
    with pytest.raises(NotPossible):
        rule_tests.add_cause(Failure.objects.get().pk, actor=by())
    assert not RuleTest.objects.exists()


def test_from_the_case_to_the_draft_and_on_to_the_approver() -> None:
    rule = failing()
    case = Failure.objects.order_by("pk")[0]
    client = signed_in(make.author())
    page = client.get(f"/failures/{case.pk}/").content.decode()
    assert "Change the rule, with these cases as its test" in page
    url = f"/failures/{case.pk}/_/change-rule/"
    assert signed_in(make.staff("support")).post(url, **HX).status_code == 403
    assert not RuleTest.objects.exists()
    answer = client.post(url, **HX)
    assert answer.status_code == 204
    edit(rule, steps=make.steps("depot.add_tag"))
    part = client.get(f"/rules/{rule.slug}/edit/_/cases/").content.decode()
    assert "the draft would not stop at 3 of 3" in part
    document = make.submit(rule)
    judge = signed_in(make.staff("finance"))
    shown = judge.get(f"/approvals/{document.pk}/_/cases/").content.decode()
    assert f"version {document.version} would not stop at 3 of 3" in shown
    cleared = f"/rules/{rule.slug}/edit/_/cases/clear/"
    assert judge.post(cleared, **HX).status_code == 403
    assert client.post(cleared, **HX).status_code == 204
    assert not RuleTest.objects.exists()


# --- one chosen event ---------------------------------------------------------------------------


@pytest.mark.requirement("R15")
def test_what_is_in_force_is_tried_on_one_chosen_event_and_nothing_is_done() -> None:
    (case,) = story.failed_run()
    assert case.rule is not None
    order = story.dear_order()
    client = signed_in(make.author())
    counts = (Effect.objects.count(), Run.objects.count())
    url = f"/rules/{case.rule.slug}/test/?number={order.number}"
    page = client.get(url).content.decode()
    assert "It would match, and do:" in page
    assert (Effect.objects.count(), Run.objects.count()) == counts
    nobody = client.get(f"/rules/{case.rule.slug}/test/?number=0").content.decode()
    assert "No such event is stored" in nobody


# --- shadow -------------------------------------------------------------------------------------


def shadow(days: int = 7) -> ShadowTrial:
    rule = make.live_rule()
    edit(rule, steps=make.steps("depot.add_tag", tag="other"))
    document = make.submit(rule)
    shadow_trials.begin(document.pk, days=days, actor=by())
    return ShadowTrial.objects.get()


def test_a_shadow_is_compared_after_its_days_ended_and_told_of(committed_db: Database) -> None:
    trial = shadow()
    make.parcels_arrived(2)
    make.work_all()
    assert shadow_trials.compare_due() == 0
    ShadowTrial.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert shadow_trials.compare_due() == 1
    trial.refresh_from_db()
    assert trial.found == {"same": 0, "differs": 2, "live": 0, "shadow": 0, "open": 0}
    assert not Activation.objects.in_shadow().exists()
    assert Activation.objects.in_force().count() == 1
    told = Notice.objects.filter(user=make.author(), text__contains="ran in shadow for 7 days")
    assert told.count() == 1
    assert shadow_trials.compare_due() == 0


def test_a_shadow_of_another_length_is_refused() -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    for days in (0, 5, 365):
        with pytest.raises(NotPossible):
            shadow_trials.begin(document.pk, days=days, actor=by())
    assert not Activation.objects.exists()
    assert not ShadowTrial.objects.exists()
