"""News of marketplaces by webhook: forward only, and nothing from what was known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.utils import timezone

from automations.engine import take
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.intake import Delivery, IntakeSource
from automations.models.runs import Run
from automations.services import intake
from backoffice.actors import HOUSE
from orders.models.holds import Hold
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.services.drafts import MarketNews
from orders.services.placing import place_orders
from tests.automations import factories as make
from tests.intake import factories as hooks
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, place
from tests.orders.test_marketplace import market, sold

pytestmark = pytest.mark.django_db
Status = MarketOrder.Status
FEED = "orders.market_reported"
MEANINGS = {
    "Pending": "pending",
    "Unshipped": "open",
    "Shipped": "shipped",
    "Canceled": "cancelled",
}
TOLD = {
    "store": {"is": "shop"},
    "order": {"at": "data.order"},
    "status": {"at": "data.status", "values": MEANINGS},
    "ship_latest": {"at": "data.latest"},
    "happened_at": {"at": "data.at"},
}


def fair() -> IntakeSource:
    """A marketplace that tells of its orders."""
    market()
    source = hooks.source(name="The fair")
    hooks.read(source, TOLD, feed=FEED)
    return source


def there(number: str = "026-1", status: MarketOrder.Status = Status.PENDING) -> Order:
    """An order that we have of it since two hours."""
    at = timezone.now() - timedelta(hours=2)
    return place_orders([sold(number, market=MarketNews(status, at=at))], actor=HOUSE).orders[0]


def hear(source: IntakeSource, own_id: str, status: str, at: datetime, **data: Any) -> None:
    given = {"order": "026-1", "status": status, "at": at.isoformat(), **data}
    hooks.send(source, hooks.message(own_id, **given), own_id=own_id)


def minutes_ago(minutes: int) -> datetime:
    return timezone.now() - timedelta(minutes=minutes)


def events(key: str) -> list[Event]:
    return list(Event.objects.filter(trigger=key).order_by("pk"))


@pytest.mark.requirement("R69")
@pytest.mark.requirement("R21")
def test_what_a_marketplace_tells_late_or_twice_changes_nothing_and_starts_nothing() -> None:
    source, order = fair(), there()
    make.live_rule(
        trigger={"on": FEED},
        when={"all": [{"field": "report.status", "op": "is", "value": "open"}]},
        steps=[{"uid": "a1", "do": "orders.add_tag", "with": {"tag": "told"}}],
    )
    due = (timezone.now() + timedelta(hours=3)).replace(microsecond=0)
    assert fresh(order).is_held
    hear(source, "open", "Unshipped", minutes_ago(60), latest=due.isoformat())
    hooks.take_all()
    hear(source, "open", "Unshipped", minutes_ago(60), latest=due.isoformat())
    hear(source, "again", "Unshipped", minutes_ago(50))
    hear(source, "pending", "Pending", minutes_ago(70))
    hear(source, "back", "Pending", minutes_ago(40))
    hooks.take_all()
    make.work_all()
    assert hooks.states() == {
        "open": "taken", "again": "overtaken", "pending": "overtaken", "back": "overtaken",
    }  # fmt: skip
    order = fresh(order)
    assert (order.is_held, order.ship_by, order.tags) == (False, due, ["told"])
    assert MarketOrder.objects.get().status == Status.OPEN
    (event,) = events(FEED)
    assert (event.actor_kind, event.facts["report.status"]) == ("outside", "open")
    assert [each.subject_id for each in events("orders.market_changed")] == [order.pk]
    assert Run.objects.get().state == "done"
    assert "already" in Delivery.objects.get(external_id="back").says


def test_of_one_batch_the_older_news_come_first_however_they_arrive() -> None:
    source, order = fair(), there()
    hear(source, "cancelled", "Canceled", minutes_ago(10))
    hear(source, "open", "Unshipped", minutes_ago(30))
    hooks.take_all()
    assert hooks.states() == {"cancelled": "taken", "open": "taken"}
    assert [each.facts["market.status"] for each in events("orders.market_changed")] == [
        "open", "cancelled",
    ]  # fmt: skip
    # As by hand: a person cancels it here, or tells them.
    (hold,) = Hold.objects.filter(order=order, released_at=None)
    assert hold.reason == Hold.Reason.CUSTOMER_REQUEST


def test_that_it_was_cancelled_after_it_was_shipped_is_news_once() -> None:
    source, order = fair(), there(status=Status.SHIPPED)
    hear(source, "off", "Canceled", minutes_ago(30))
    hear(source, "off2", "Canceled", minutes_ago(20))
    hooks.take_all()
    assert hooks.states() == {"off": "taken", "off2": "overtaken"}
    row = MarketOrder.objects.get(order=order)
    assert (row.status, row.called_off_at is None) == (Status.SHIPPED, False)


def test_an_order_that_is_not_here_yet_is_waited_for() -> None:
    source = fair()
    hear(source, "early", "Unshipped", minutes_ago(30))
    hooks.take_all()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.tries) == ("waiting", 1)
    assert "no order 026-1 of The shop" in delivery.says
    there()
    Delivery.objects.update(due_at=timezone.now())
    hooks.take_all()
    assert hooks.states() == {"early": "taken"}
    assert MarketOrder.objects.get().status == Status.OPEN


@pytest.mark.requirement("R24")
def test_a_status_that_nobody_mapped_is_a_case_that_names_it_and_says_what_to_do() -> None:
    source, order = fair(), there()
    hear(source, "odd", "PartiallyShipped", minutes_ago(30))
    hooks.take_all()
    case = Failure.objects.get()
    assert (case.kind, hooks.states()) == ("intake.unmapped", {"odd": "quarantined"})
    assert "“PartiallyShipped” means for status there" in case.says
    assert "have an administrator add it to the mapping" in case.fallback
    meanings = {**MEANINGS, "PartiallyShipped": "open"}
    hooks.read(source, {**TOLD, "status": {"at": "data.status", "values": meanings}}, feed=FEED)
    assert intake.replay([Delivery.objects.get().pk], actor=hooks.administrator())
    hooks.take_all()
    assert (Failure.objects.get().state, hooks.states()) == ("resolved", {"odd": "taken"})
    assert not fresh(order).is_held


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"at": "2999-01-01T00:00:00Z"}, "in the future"),
        ({"at": None}, "Happened is missing"),
        ({"latest": "9999-12-31T23:59:59Z"}, "more than a year from now"),
        ({"latest": "soon"}, "with its zone"),
        ({"status": ""}, "Status there is missing"),
        ({"status": {"is": "Shipped"}}, "Nobody said what"),
        ({"order": ""}, "Order is missing"),
    ],
)
def test_what_can_not_be_heard_is_a_case_and_the_rest_is_heard(
    data: dict[str, Any], says: str
) -> None:
    source, _, _ = fair(), there(), there("026-2")
    hear(source, "fine", "Shipped", minutes_ago(30), order="026-2")
    given = {"order": "026-1", "status": "Shipped", "at": minutes_ago(30).isoformat(), **data}
    hooks.send(source, hooks.message("bad", **given), own_id="bad")
    hooks.take_all()
    assert hooks.states() == {"fine": "taken", "bad": "quarantined"}
    assert says in Failure.objects.get().says
    found = MarketOrder.objects.order_by("order__external_id").values_list("status", flat=True)
    assert list(found) == [Status.PENDING, Status.SHIPPED]


def test_only_a_marketplace_of_ours_is_heard_and_only_by_its_own_numbers() -> None:
    source, order = fair(), there()
    other = place(line(make_sku("A1", stock=3)), channel=make_channel("web"), external_id="026-1")
    hear(source, "ours", "Shipped", minutes_ago(30), order=order.number)
    hooks.take_all()
    assert hooks.states() == {"ours": "waiting"}
    hooks.read(source, {**TOLD, "store": {"is": "web"}}, feed=FEED)
    hear(source, "shop", "Shipped", minutes_ago(30))
    hooks.take_all()
    assert "“web” is no marketplace of ours" in Failure.objects.get().says
    assert not MarketOrder.objects.filter(order=other).exists()


def test_a_worker_that_dies_half_way_changes_nothing_and_the_next_one_hears_it_once() -> None:
    source, order = fair(), there()
    hear(source, "m", "Unshipped", minutes_ago(30))
    gone = patch.object(take, "_settle", side_effect=OperationalError("gone"))
    with gone, pytest.raises(OperationalError):
        take.take_batch()
    assert (fresh(order).is_held, events(FEED), hooks.states()) == (True, [], {"m": "waiting"})
    hooks.take_all()
    assert (fresh(order).is_held, len(events(FEED)), hooks.states()) == (False, 1, {"m": "taken"})
