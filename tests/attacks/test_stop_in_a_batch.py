"""The stop, pressed while a thousand runs are in one hand."""

from __future__ import annotations

import threading
import time

import pytest

from automations.engine.execute import execute_batch
from automations.services import stops
from backoffice.actors import HOUSE, person
from orders.automation.parcels import PackOrder
from orders.services.placing import place_orders
from tests.automations import factories as make
from tests.bed.databases import Database
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line, pay
from tests.orders.parcels import HOME

ORDERS = 1_000


def test_no_parcel_of_a_batch_is_begun_two_seconds_after_the_stop(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = make.live_rule(
        trigger={"on": "orders.order_placed"},
        when={"all": [{"field": "order.total", "op": "gte",
                       "value": {"amount": "0.01", "currency": "GBP"}}]},
        steps=[{"uid": "a1", "do": "orders.pack_order", "with": {}}],
    )  # fmt: skip
    sku = make_sku("TEA", stock=ORDERS * 2)
    for _ in range(ORDERS // 100):
        new = [draft(line(sku), ship_to=HOME) for _ in range(100)]
        for order in place_orders(new, actor=HOUSE).orders:
            pay(order)
    make.match_all()
    begun: list[float] = []
    pack = PackOrder.execute

    def noted(self: PackOrder, call: object) -> object:
        begun.append(time.monotonic())
        return pack(self, call)  # type: ignore[arg-type]

    monkeypatch.setattr(PackOrder, "execute", noted)
    worker = threading.Thread(target=execute_batch)
    worker.start()
    while not begun:
        time.sleep(0.01)
    stops.stop_rule(rule.pk, reason="Wrong parcels.", actor=person(make.author()))
    stopped = time.monotonic()
    worker.join()
    late = [at - stopped for at in begun if at > stopped + 2]
    assert not late, f"{len(late)} of {len(begun)} were begun up to {max(late):.1f} s after it."
