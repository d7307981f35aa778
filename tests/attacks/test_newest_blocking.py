"""Cases that block, where another parcel or another lock comes between."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from automations.engine import steps
from automations.engine.execute import execute_batch
from automations.models.runs import Effect, Run
from backoffice.actors import HOUSE, outside
from backoffice.models import TimelineEntry
from finance.services.books import open_books
from orders.models.channels import Channel
from orders.models.claims import Claim
from orders.models.conflicts import Conflict
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.services.claims import open_claim
from orders.services.drafts import MarketNews
from orders.services.packing import pack_order
from orders.services.tracking import NewEvent, record_tracking
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, place
from tests.orders.parcels import HOME
from tests.orders.test_conflicts import Said, cancelled_there, moves, sold

LOST = {"all": [{"field": "claim.reason", "op": "is", "value": "lost"}]}


def in_two_parcels() -> Order:
    channel = make_channel()
    Channel.objects.filter(pk=channel.pk).update(kind=Channel.Kind.MARKETPLACE)
    channel.refresh_from_db()
    order = place(
        line(make_sku(stock=10), 2),
        ship_to=HOME,
        channel=channel,
        external_id="026-1",
        market=MarketNews(MarketOrder.Status.OPEN),
    )
    open_books(channel.legal_entity)
    pay(order)
    unit = order.lines.get().pk
    for _ in range(2):
        pack_order(order.pk, quantities={unit: 1}, actor=HOUSE)
    return fresh(order)


def scan(package_id: int) -> None:
    event = NewEvent(Said.MOVING, timezone.now() - timedelta(hours=1))
    record_tracking(package_id, [event], actor=outside("Royal Mail"))


@pytest.mark.django_db
def test_a_parcel_that_moves_while_the_question_is_open_is_not_decided_unseen(
    operations_client: Client,
) -> None:
    order = in_two_parcels()
    first, second = order.packages.order_by("pk")
    scan(first.pk)
    cancelled_there(order)

    def page() -> str:
        return operations_client.get(f"/orders/{order.number}/").content.decode()

    def address() -> str:
        found = re.search(r'hx-get="(/orders/[^"]*conflicts[^"]*)"', page())
        assert found is not None
        return found[1]

    seen = address()
    scan(second.pk)
    answer = {"decision": "arrives", "note": "Asked about the first."}
    assert operations_client.post(seen, answer).status_code == 409
    assert Conflict.objects.get().decided_at is None
    assert f"Also parcel {second}" in page()
    told = TimelineEntry.objects.filter(subject_id=order.pk).values_list("text", flat=True)
    assert f"Cancelled, but on its way: parcel {second} too" in told
    assert f"and parcel {second}" in operations_client.get(address()).content.decode()
    assert operations_client.post(address(), answer).status_code == 302
    assert Conflict.objects.get().decision == "arrives"


def test_a_batch_asks_again_for_what_hangs_on_an_order_that_it_does_not_hold(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = sold()
    make.work_all()
    moves(order)
    refund = {"do": "finance.refund_claim", "with": {"reason": "lost", "note": ""}}
    for uid, name in enumerate(("first", "second")):
        make.live_rule(
            name=name,
            trigger={"on": "orders.claim_opened"},
            when=LOST,
            steps=[{**refund, "uid": f"c{uid}"}],
            position=uid + 1,
        )
    units = {order.lines.get().pk: 1}
    open_claim(order.pk, units, reason=Claim.Reason.LOST, actor=HOUSE)
    make.match_all()
    whole = steps.perform

    def perform(*given: Any) -> Any:
        if not Conflict.objects.exists():
            job = threading.Thread(target=at_once, args=([partial(cancelled_there, order)],))
            job.start()
            job.join(10)
            assert Conflict.objects.exists()
        return whole(*given)

    monkeypatch.setattr(steps, "perform", perform)
    execute_batch()
    assert set(Run.objects.values_list("state", "parked_for")) == {("done", ""), ("parked", "case")}
    assert Effect.objects.count() == 1
