"""Fifty at once on prices that follow rates, and on carts whose buyers order, merge and go."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.versions import StaleVersion
from orders.models.carts import Cart
from orders.models.channels import Channel
from orders.models.prices import Price, PriceChange
from orders.services.carts import receive_carts, sweep_carts
from orders.services.channels import open_channel
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Contact
from orders.services.erasure import erase_customer
from orders.services.errors import OrderError
from orders.services.merging import merge_customers
from orders.services.placing import place_orders
from orders.services.price_floors import set_floor
from orders.services.prices import Wanted, ask_prices, decide_price
from orders.services.rates import NewRate, edit_price_guard, note_rate
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.inventory.factories import make_legal_entity, make_sku, make_warehouse
from tests.orders.factories import draft, line, make_channel
from tests.orders.prices import set_price
from tests.orders.test_carts import told

WORKERS = 50
SAID_NO = (OrderError, StaleVersion, ObjectDoesNotExist)


def strange(answers: list[Any]) -> list[Exception]:
    """What none of the services should raise."""
    found = [each for each in answers if isinstance(each, Exception)]
    return [each for each in found if not isinstance(each, SAID_NO)]


def each_is_agreed_or_small() -> None:
    for price in Price.objects.exclude(was=None).filter(change=None):
        assert price.was is not None
        assert abs(price.amount - price.was) * 100 <= 30 * price.was
    for change in PriceChange.objects.filter(state="agreed"):
        assert change.decided_by_id is not None
        assert change.decided_by_id != change.asked_by_id
        assert Price.objects.filter(change=change).count() == 1


def test_fifty_prices_verdicts_rates_and_guards_at_once_leave_each_price_agreed_or_small(
    committed_db: Database, make_user: MakeUser
) -> None:
    shop, skus, dice = make_channel(), [make_sku("MUG"), make_sku("BOWL")], random.Random(3)
    abroad = open_channel(
        "abroad", name="Abroad", kind=Channel.Kind.SHOP, currency="EUR",
        legal_entity=make_legal_entity(), location=make_warehouse(),
    )  # fmt: skip
    for sku in skus:
        set_price("10.00", sku)
    note_rate(NewRate("GBP", "EUR", Decimal("1.2"), timezone.localdate(), "x"), actor=HOUSE)
    edit_price_guard(abroad.pk, price_variance=30, prices_from=shop, actor=HOUSE)
    clerks = [person(make_user("finance")) for _ in range(3)]

    def ask() -> object:
        chosen = dice.sample(skus, 2)
        wanted = [
            Wanted(shop.pk, sku.pk, Decimal(dice.choice(["9.00", "10.50", "40.00"])))
            for sku in chosen
        ]
        return ask_prices(wanted, actor=dice.choice(clerks))

    def decide() -> object:
        change = PriceChange.objects.filter(state="waiting").order_by("?").first()
        verdict = dice.choice([PriceChange.State.AGREED, PriceChange.State.REFUSED])
        pk = change.pk if change else 0
        return decide_price(pk, verdict, note="x", actor=dice.choice(clerks))

    def rate() -> object:
        worth = Decimal(dice.choice(["1.1", "1.2", "1.9"]))
        return note_rate(NewRate("GBP", "EUR", worth, timezone.localdate(), "x"), actor=HOUSE)

    def guard() -> object:
        follows = dice.choice([shop, None])
        return edit_price_guard(abroad.pk, price_variance=30, prices_from=follows, actor=HOUSE)

    def floor() -> object:
        return set_floor(shop, dice.choice(skus).pk, Decimal(1), why="x", actor=dice.choice(clerks))

    acts: list[Callable[[], object]] = [ask, ask, decide, decide, rate, guard, floor]
    for _ in range(2):
        assert strange(at_once([dice.choice(acts) for _ in range(WORKERS)])) == []
    each_is_agreed_or_small()


def test_fifty_carts_orders_sweeps_merges_and_erasures_at_once_forget_whom_they_should(
    committed_db: Database,
) -> None:
    dice, shop = random.Random(4), make_channel()
    tea = make_sku("TEA", stock=500)
    names = [f"b{number}@example.com" for number in range(6)]
    found = add_customers(
        [NewCustomer(f"3000{n}", name="G", email=mail) for n, mail in enumerate(names)]
    )
    buyers = sorted(found.values(), key=lambda each: each.pk)

    def tell() -> object:
        number = dice.randrange(6)
        at = timezone.now() - timedelta(minutes=dice.randrange(100, 500))
        return receive_carts(
            [told(f"c{dice.randrange(9)}", email=names[number], active_at=at)], actor=HOUSE
        )

    def buy() -> object:
        number = dice.randrange(6)
        known = dice.choice([None, buyers[number].pk])
        contact = Contact(email=names[number])
        new = draft(line(tea), channel=shop, customer_id=known, contact=contact)
        return place_orders([new], actor=HOUSE)

    def sweep() -> object:
        return sweep_carts(now=timezone.now() + timedelta(minutes=dice.choice([2, 50_000])))

    def erase() -> object:
        return erase_customer(dice.choice(buyers).pk, why="Asked", actor=HOUSE)

    def merge() -> object:
        one, two = dice.sample(buyers, 2)
        return merge_customers(one.pk, two.pk, actor=HOUSE)

    acts: list[Callable[[], object]] = [tell, tell, tell, buy, sweep, erase, merge]
    for _ in range(6):
        assert strange(at_once([dice.choice(acts) for _ in range(WORKERS)])) == []
    assert not Cart.objects.filter(state="converted", order=None).exists()
    assert not Cart.objects.filter(customer__erased_at__isnull=False).exclude(mail="").exists()
