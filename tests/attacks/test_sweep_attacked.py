"""One case that can't be seen to must not keep the sweep from all the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from automations.actions import actions
from automations.engine import compiled, outages
from automations.engine.sweep import sweep
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import doubts
from automations.services.errors import NotPossible
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.test_flow import ask, tag
from tests.depot.automation import AddTag
from tests.intake import factories as hooks
from tests.intake.test_take import State, an_order, order_rule, parcel, work
from tests.orders import factories as orders

pytestmark = pytest.mark.django_db


def test_a_question_of_a_version_that_can_act_no_more_does_not_stop_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An upgrade changed an action while the question waited."""
    make.live_rule(steps=[ask(on_timeout="go_on"), tag("a1", "kept")])
    make.parcels_arrived()
    make.work_all()
    assert Run.objects.get().state == "held"
    monkeypatch.setattr(AddTag, "version", AddTag.version + 1)
    compiled._kept.pop(connection.settings_dict["NAME"])
    Failure.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    sweep()
    assert Failure.objects.get().error != "question"


def test_a_report_from_the_future_does_not_silence_what_comes_after_it() -> None:
    """A sender's clock was wrong once; a parcel that is delivered is delivered all the same."""
    order, source = an_order(), hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    order_rule("delivered")
    hooks.send(source, parcel(order, "in_transit", "2099-11-20T10:00:00Z", "m1"), own_id="m1")
    work()
    hooks.send(source, parcel(order, "delivered", "2026-11-21T10:00:00Z", "m2"), own_id="m2")
    work()
    told = orders.fresh(order).tags == ["told-delivered"]
    assert told or hooks.states()["m2"] == State.QUARANTINED, hooks.states()


def test_what_a_person_did_for_a_version_that_can_act_no_more_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = lines.web_account("http://127.0.0.1:9")
    lines.live_caller(account)
    make.parcels_arrived()
    make.work_all()
    outages.park_due(account.key, "It is down.")
    action = actions.get("automations.call_http")
    assert action is not None
    monkeypatch.setattr(type(action), "version", action.version + 1)
    compiled._kept.pop(connection.settings_dict["NAME"])
    with pytest.raises(NotPossible):
        doubts.parked_by_hand(Run.objects.get().pk, reference="T-1", actor=person(make.author()))
