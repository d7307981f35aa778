"""Every two services that touch money or stock, by fifty at once on the same two orders.

`make test` takes some, so that half of the services are in one; `CHAOS_FULL=1` takes all pairs.
RACE_PART=2/4 is the second quarter of those, for several processes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import combinations_with_replacement

from backoffice.actors import HOUSE
from inventory.services.moves import receive_stock
from inventory.services.writing import Moving
from orders.models.claims import Claim
from orders.models.orders import OrderLine
from orders.models.preorders import PreOrder
from orders.models.returns import ReturnOrder
from orders.services.authorising import authorise_returns
from orders.services.calling_off import call_off_order
from orders.services.claims import open_claim, refuse_claim, reship_claim
from orders.services.drafts import NewOrder
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.placing import place_orders
from orders.services.preorder_release import release_preorder
from orders.services.preorders import change_preorder, move_preorder
from tests.attacks import test_races as races
from tests.attacks.books import what_is_wrong
from tests.attacks.test_races import REFUSALS, WORKERS, Act, Shop, make_shop, name, race
from tests.bed.databases import Database
from tests.bed.people import MakeUser
from tests.inventory.factories import make_sku
from tests.orders.factories import line, sell_ahead

FULL = bool(os.environ.get("CHAOS_FULL"))
PART, PARTS = (int(each) for each in os.environ.get("RACE_PART", "1/1").split("/"))


def _line(shop: Shop) -> OrderLine:
    return shop.order.lines.order_by("?")[0]


def exchange(shop: Shop) -> object:
    row = _line(shop)
    goods = [NewGoods("PLATE", 1, row.unit_price)]
    reason = ReturnOrder.Reason.UNWANTED
    return exchange_goods(row.order_id, {row.pk: 1}, goods, reason=reason, actor=shop.asks)


def claim(shop: Shop) -> object:
    row = _line(shop)
    reason = Claim.Reason.DAMAGED
    return open_claim(row.order_id, {row.pk: 1}, reason=reason, actor=shop.asks)


def _claim(shop: Shop) -> int:
    found = Claim.objects.filter(order__in=shop.orders).order_by("?").first()
    return found.pk if found else 0


def reship(shop: Shop) -> object:
    pk = _claim(shop)
    return reship_claim(pk, actor=shop.asks) if pk else None


def refuse_it(shop: Shop) -> object:
    pk = _claim(shop)
    return refuse_claim(pk, note="No.", actor=shop.asks) if pk else None


def authorise(shop: Shop) -> object:
    return authorise_returns(shop.coming("requested"), actor=shop.asks)


def call_off(shop: Shop) -> object:
    return call_off_order(shop.order.pk, reason="customer", actor=shop.asks)  # type: ignore[arg-type]


def _ahead() -> PreOrder:
    return PreOrder.objects.get()


def place_ahead(shop: Shop) -> object:
    new = NewOrder(shop.channel, (line(make_sku("LAMP"), 1),))
    made = place_orders([new], actor=HOUSE).orders[0]
    shop.orders = [*shop.orders[-3:], made]
    return made


def fill_ahead(shop: Shop) -> object:
    return release_preorder(_ahead().pk, actor=shop.asks)


def lamps_come(shop: Shop) -> object:
    key = f"lamp:{shop.moving(1).key}"
    lamp = Moving(key, make_sku("LAMP").pk, shop.channel.location_id, 1)
    return receive_stock([lamp], actor=shop.asks)


def move_day(shop: Shop) -> object:
    row = _ahead()
    days = [row.opened_at.date().replace(year=row.opened_at.year + n) for n in (1, 2, 3)]
    return move_preorder(row.pk, shop.dice.choice([None, *days]), why="Late", actor=shop.asks)


def more_ahead(shop: Shop) -> object:
    cap = shop.dice.choice([None, 30, 60])
    return change_preorder(_ahead().pk, cap, version=None, actor=shop.asks)


# Tags and addresses are neither money nor stock.
ACTS: list[Act] = [
    *(act for act in races.ACTS if act.__name__ not in ("tag", "move_house", "track")),
    exchange, claim, reship, refuse_it, authorise, call_off, place_ahead, fill_ahead, lamps_come,
    move_day, more_ahead,
]  # fmt: skip
BEGUN: list[Act] = [
    races.pay, races.pay, races.pay, claim, races.ship, races.send_back, races.ask, races.pack,
    races.label,
]  # fmt: skip


def every_pair() -> list[tuple[Act, Act]]:
    """All pairs but those of test_races, each act with itself among them."""
    known = {frozenset(pair) for pair in races.PAIRS}
    pairs = combinations_with_replacement(ACTS, 2)
    return [pair for pair in pairs if frozenset(pair) not in known]


def few_pairs() -> list[tuple[Act, Act]]:
    """Every second of: the first with the last, the second with the last but one."""
    half = (len(ACTS) + 1) // 2
    return list(zip(ACTS[:half], reversed(ACTS), strict=False))[::2]


def test_every_two_services_by_fifty_at_once_leave_money_and_stock_right(
    committed_db: Database, make_user: MakeUser
) -> None:
    pairs = every_pair()[PART - 1 :: PARTS] if FULL else few_pairs()
    shop = make_shop(make_user, seed=PART)
    sell_ahead(make_sku("LAMP"), channel=shop.channel, billing=PreOrder.Billing.FULFILMENT)
    wrong = {}
    for pair in pairs:
        begin(shop)
        strange = race(shop, list(pair) * (WORKERS // 2))
        if strange or (found := what_is_wrong()):
            wrong[name(pair)] = [repr(each)[:300] for each in strange[:3]] or found
            # What is wrong once stays so: the pairs after it would be blamed for it.
            break
    assert wrong == {}


def begin(shop: Shop) -> None:
    """Two new orders, so far along that each service has something to do, and stock for them."""
    shop.orders = [races.place(shop), races.place(shop)]
    with suppress(*REFUSALS):
        # The pairs before may have sold all that could be ordered ahead.
        change_preorder(_ahead().pk, None, version=None, actor=shop.asks)
    place_ahead(shop)
    for _ in range(3):
        races.take_in(shop)
    for act in BEGUN:
        with suppress(*REFUSALS):
            act(shop)
