"""What carriers tell: each event once, in whatever order, and never a step back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automations.actions import Call, Rejected, actions
from automations.models.events import Event
from backoffice.actors import HOUSE, outside
from orders.models.packages import Package, TrackerEvent
from orders.services.drafts import Address
from orders.services.labels import Wanted, buy_label
from orders.services.packing import pack_order
from orders.services.tracking import NewEvent, record_tracking
from tests.bed.databases import at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_service, pay, place

Said = TrackerEvent.State
HOME = Address("Grace Holloway", "14 Royal Crescent", "Bath", "BA1 2LX", "GB")
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def parcel() -> Package:
    order = place(line(make_sku(stock=10)), ship_to=HOME)
    pay(order)
    return pack_order(order.pk, actor=HOUSE)


def said(state: TrackerEvent.State, hours: int, key: str = "") -> NewEvent:
    return NewEvent(state, NOW + timedelta(hours=hours), key)


def tell(package: Package, *events: NewEvent) -> tuple[str, str]:
    known = record_tracking(package.pk, events, actor=outside("royal-mail"))
    return known.state, known.trouble


@pytest.mark.django_db
@pytest.mark.requirement("R73")
def test_a_late_event_takes_nothing_back_and_a_repeated_one_is_kept_once() -> None:
    package = parcel()
    assert tell(package, said(Said.MOVING, 1), said(Said.DELIVERED, 9)) == ("delivered", "")
    version = Package.objects.get().version
    assert tell(package, said(Said.OUT_FOR_DELIVERY, 8)) == ("delivered", "")
    assert tell(package, said(Said.DELIVERED, 9)) == ("delivered", "")
    assert (Package.objects.get().version, package.events.count()) == (version, 3)
    assert Event.objects.filter(trigger="orders.parcel_moved").count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("R73")
def test_postgresql_takes_no_step_back_and_no_event_twice() -> None:
    package = parcel()
    tell(package, said(Said.DELIVERED, 9, "e-1"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Package.objects.update(state=Package.State.MOVING)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrackerEvent.objects.create(
            package=package, key="e-1", state="moving", occurred_at=NOW, actor_kind="system",
            actor_label="shell",
        )  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        TrackerEvent.objects.update(state="moving")
    assert Package.objects.get().state == Package.State.DELIVERED


@pytest.mark.django_db
def test_what_went_wrong_is_over_when_the_parcel_goes_on() -> None:
    package = parcel()
    assert tell(package, said(Said.OUT_FOR_DELIVERY, 1)) == ("out_for_delivery", "")
    assert tell(package, said(Said.FAILED, 2)) == ("out_for_delivery", "failed")
    assert Event.objects.filter(trigger="orders.parcel_in_trouble").count() == 1
    # An older event that comes late mends nothing; a newer one does.
    assert tell(package, said(Said.MOVING, 0)) == ("out_for_delivery", "failed")
    assert tell(package, said(Said.MOVING, 3)) == ("out_for_delivery", "")


@pytest.mark.django_db
@pytest.mark.requirement("R73")
def test_a_rule_brings_a_carriers_report_to_its_parcel_once() -> None:
    package = parcel()
    service = make_service()
    buy_label(Wanted(package.pk, service.pk, "k", "JD1"), actor=HOUSE)
    action = actions["orders.note_tracking"]
    given = {"tracking": "JD1", "state": "delivered", "happened_at": NOW.isoformat()}
    form = action.form(given)
    assert form.is_valid(), form.errors
    call = Call("c", package.order_id, form.cleaned_data, HOUSE)
    assert not action.execute(call).already
    assert action.execute(call).already
    assert (Package.objects.get().state, package.events.count()) == ("delivered", 1)
    with pytest.raises(Rejected):
        action.execute(Call("d", package.order_id, {**form.cleaned_data, "tracking": "X"}, HOUSE))
    assert package.events.count() == 1


EVENTS = st.lists(st.tuples(st.sampled_from(list(Said)), st.integers(0, 5)), min_size=1, max_size=8)


@pytest.mark.django_db
@pytest.mark.requirement("R73")
@given(events=EVENTS, seed=st.integers(0, 99))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_shuffled_and_doubled_events_end_in_the_same_state(
    events: list[tuple[TrackerEvent.State, int]], seed: int
) -> None:
    with transaction.atomic():
        one, other = parcel(), parcel()
        told = [said(state, hours) for state, hours in events]
        for event in told:
            tell(one, event)
        shuffled = [*told, *told]
        random.Random(seed).shuffle(shuffled)
        before = Package.State.PACKED
        steps = list(Package.State)
        for event in shuffled:
            state, _ = tell(other, event)
            assert steps.index(Package.State(state)) >= steps.index(before)
            before = Package.State(state)
        one.refresh_from_db()
        other.refresh_from_db()
        assert (one.state, one.trouble) == (other.state, other.trouble)
        transaction.set_rollback(True)


@pytest.mark.requirement("R73")
def test_fifty_reports_at_once_are_kept_once_each(committed_db: None) -> None:
    package = parcel()
    events = [said(state, hours) for hours, state in enumerate(Said)]
    answers = at_once([lambda each=event: tell(package, each) for event in events * 6][:50])
    assert [a for a in answers if isinstance(a, Exception)] == []
    assert package.events.count() == len(events)
    assert Package.objects.get().state == Package.State.RETURNED
