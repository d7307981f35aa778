"""Of rules that start on different facts it is told how many records both would have come to."""

from __future__ import annotations

from typing import Any

import pytest

from automations.models.rules import Draft
from automations.rules.parsing import parse_document
from automations.simulation import recent
from automations.simulation.meetings import Meeting, Meetings, meetings
from backoffice.actors import HOUSE
from orders.models.claims import Claim
from orders.services.claims import open_claim
from tests.automations import factories as make
from tests.depot import signals
from tests.depot.models import Parcel
from tests.orders.test_conflicts import sold

pytestmark = pytest.mark.django_db

LOST = {"on": "depot.parcel_lost"}


def lose(parcels: list[Parcel]) -> None:
    signals.parcels_lost.send(sender=Parcel, parcels=parcels, actor=None, history=False)


def met(**changes: Any) -> Meetings:
    rule = make.make_rule(name="Mine", **changes)
    return meetings(rule, parse_document(Draft.objects.get(rule=rule).body))


def only(found: Meetings) -> Meeting:
    (one,) = found.found
    return one


@pytest.mark.requirement("R6")
def test_records_that_came_to_both_are_counted_once_each() -> None:
    make.live_rule(name="When lost", trigger=LOST, when={"all": []})
    parcels = make.parcels_arrived(4, total="250.00")
    small = make.parcels_arrived(1, total="20.00")
    never_arrived = make.make_parcels(1)
    lose([*parcels[:3], *small, *never_arrived])
    lose(parcels[:1])
    found = only(met())
    assert (found.finding.kind, found.finding.apart) == ("over_time", True)
    assert (found.times, found.at_least) == (3, False)
    assert found.event is not None
    assert (found.event.trigger, found.event.subject_id) == ("depot.parcel_arrived", parcels[2].pk)


def test_what_no_record_came_to_is_told_with_an_example() -> None:
    make.live_rule(name="When lost", trigger=LOST)
    make.parcels_arrived(2, total="250.00")
    found = only(met())
    assert (found.times, found.event) == (0, None)
    assert dict(found.finding.shown()) == {"Parcel › total": "£100.00"}


def test_each_of_many_says_how_many_records_it_came_to() -> None:
    large = {"field": "parcel.total", "op": "gte", "value": {"amount": "500", "currency": "GBP"}}
    some = make.live_rule(name="Some", trigger=LOST, when={"all": [large]})
    every = make.live_rule(name="Every", trigger={"on": "depot.parcel_rerouted"}, when={"all": []})
    parcels = make.parcels_arrived(3, total="250.00")
    large_ones = make.parcels_arrived(2, total="900.00")
    lose(large_ones)
    for told in ([*parcels, *large_ones],):
        signals.parcels_rerouted.send(sender=Parcel, parcels=told, actor=None, history=False)
    found = met()
    one = only(found)
    assert (one.times, dict(one.of_rules)) == (5, {some.pk: 2, every.pk: 5})
    (kept,) = found.as_evidence()["found"]
    assert {each["rule"]: each["records"] for each in kept["with"]} == {some.pk: 2, every.pk: 5}


def test_what_could_not_all_be_read_is_told_as_at_least_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make.live_rule(name="When lost", trigger=LOST)
    lose(make.parcels_arrived(5, total="250.00"))
    monkeypatch.setattr(recent, "MOST_EVENTS", 3)
    found = only(met())
    assert (found.times, found.at_least) == (3, True)


def test_a_record_that_hangs_on_another_counts_as_that_one() -> None:
    order = sold()
    units = {order.lines.get().pk: 1}
    open_claim(order.pk, units, reason=Claim.Reason.LOST, actor=HOUSE)
    make.live_rule(
        name="Claims",
        trigger={"on": "orders.claim_opened"},
        when={"all": []},
        steps=[{"uid": "c1", "do": "finance.refund_claim", "with": {"reason": "lost", "note": ""}}],
    )
    steps = [{"uid": "r1", "do": "finance.request_refund", "with": {"reason": "goodwill"}}]
    found = only(met(trigger={"on": "orders.order_placed"}, when={"all": []}, steps=steps))
    assert found.finding.title == "Done again at another time"
    assert found.times == 1
    assert found.event is not None
    assert found.event.subject_id == order.pk
