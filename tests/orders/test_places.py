"""Which places a channel ships from: set by people, seen on its page, and used by routing."""

from __future__ import annotations

import pytest
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.models import AuditEntry, LegalEntity
from backoffice.versions import StaleVersion
from inventory.models import Location
from orders.models.places import ChannelPlace
from orders.services.errors import OrderError
from orders.services.places import add_place, edit_place, remove_place
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_store, place, stock

pytestmark = pytest.mark.django_db


def test_orders_leave_from_the_place_whose_turn_it_is(operations_client: Client) -> None:
    channel, leeds, york = make_channel(), make_store("LEEDS"), make_store("YORK")
    sku = make_sku("MUG")
    for where in (leeds, york):
        stock(sku, 5, where)
    page = f"/settings/channels/{channel.key}/"
    for number, (where, turn) in enumerate(((leeds, 2), (york, 1)), 1):
        form = {"location": where.pk, "priority": turn, "hands_over": "on"}
        operations_client.post(f"{page}_/place/?version={number}", form)
    assert [row.location for row in channel.places.all()] == [york, leeds]
    assert fresh(place(line(sku, 2))).location == york
    shown = operations_client.get(page).content.decode()
    assert shown.index("YORK") < shown.index("LEEDS")
    row = ChannelPlace.objects.get(location=york)
    operations_client.post(f"{page}_/place/{row.pk}/?version=3", {"priority": "9"})
    row.refresh_from_db()
    assert (row.priority, row.hands_over) == (9, False)
    assert fresh(place(line(sku, 2))).location == leeds
    operations_client.post(f"{page}_/place/{row.pk}/remove/?version=4", {"go": "1"})
    assert not ChannelPlace.objects.filter(location=york).exists()
    verbs = AuditEntry.objects.filter(subject="orders.channel").order_by("pk")
    told = list(verbs.values_list("verb", flat=True))
    assert told == [
        "channels.place_added", "channels.place_added", "channels.place_changed",
        "channels.place_removed",
    ]  # fmt: skip
    assert verbs[2].detail["before"] == {"priority": 1, "collect": True}


def test_a_place_that_can_not_ship_is_refused_and_nothing_changes() -> None:
    channel, leeds = make_channel(), make_store("LEEDS")
    other = LegalEntity.objects.create(
        name="Other Ltd", country="GB", currency="GBP", time_zone="Europe/London"
    )
    theirs = Location.objects.create(
        code="THEIRS", name="Theirs", kind=Location.Kind.INTERNAL, legal_entity=other
    )
    lost = Location.objects.get(kind=Location.Kind.LOSS)
    given = {"priority": 1, "hands_over": False, "version": None, "actor": HOUSE}
    for where in (theirs, lost, channel.location):
        with pytest.raises(OrderError):
            add_place(channel.pk, where, **given)  # type: ignore[arg-type]
    assert not channel.places.exists()
    row = add_place(channel.pk, leeds, **given)  # type: ignore[arg-type]
    with pytest.raises(OrderError, match="already"):
        add_place(channel.pk, leeds, **given)  # type: ignore[arg-type]
    with pytest.raises(StaleVersion):
        edit_place(row.pk, priority=2, hands_over=True, version=1, actor=HOUSE)
    remove_place(row.pk, version=None, actor=HOUSE)
    remove_place(row.pk, version=None, actor=HOUSE)
    assert AuditEntry.objects.filter(verb="channels.place_removed").count() == 1


def test_who_may_not_change_channels_changes_none(support_client: Client) -> None:
    channel, leeds = make_channel(), make_store("LEEDS")
    form = {"location": leeds.pk, "priority": "1"}
    answer = support_client.post(f"/settings/channels/{channel.key}/_/place/", form)
    assert answer.status_code == 403
    assert not channel.places.exists()
