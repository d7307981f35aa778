"""What prices offer to rules: that one changed, that one waits, and to ask for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from automations.actions import Action, Call, Change, Done, How, Rejected, Risk, actions
from automations.triggers import Fact, Trigger, labelled, triggers
from backoffice.actors import Acting
from backoffice.forms import NumberField
from backoffice.money import Money
from inventory.automation import SkuFacts, sku_facts
from orders import signals
from orders.automation.actions import shown
from orders.models.prices import Price, PriceChange, PriceOrigin
from orders.queries.prices import valid_prices
from orders.services.errors import OrderError
from orders.services.prices import Wanted, ask_prices

MOST = 900


@dataclass(frozen=True, slots=True)
class PriceFacts:
    channel: str = labelled("Channel")
    price: Money = labelled("Price")
    was: Money | None = labelled("Price before")
    moved_by: Decimal | None = labelled(
        "Moved by, in percent", about="Below zero it became cheaper; unknown for a first price."
    )
    origin: str = labelled("How it was set", choices=PriceOrigin.choices)
    agreed: bool = labelled("A person had to agree")
    begins_at: datetime = labelled("Valid from")


@dataclass(frozen=True, slots=True)
class PriceChangedPayload:
    sku: SkuFacts = labelled("Product")
    price: PriceFacts | None = labelled("Price")


@dataclass(frozen=True, slots=True)
class PriceChangeFacts:
    channel: str = labelled("Channel")
    state: str = labelled("State", choices=PriceChange.State.choices)
    price: Money = labelled("Price asked for")
    was: Money | None = labelled("Price when it was asked")
    moves_by: Decimal | None = labelled(
        "Moves by, in percent", about="The widest of what it was held against, never below zero."
    )
    over_variance: bool = labelled("Moves too far")
    under_floor: bool = labelled("Under the floor")
    floor: Money | None = labelled("Floor")
    origin: str = labelled("How it was asked", choices=PriceOrigin.choices)
    asked_at: datetime = labelled("Asked")


@dataclass(frozen=True, slots=True)
class PriceWaitingPayload:
    sku: SkuFacts = labelled("Product")
    change: PriceChangeFacts | None = labelled("Price change")


def moved_by(was: Decimal | None, amount: Decimal) -> Decimal | None:
    """By how many percent a price moved, below zero when it fell; None for a first price."""
    if was is None:
        return None
    return ((amount - was) * 100 / was).quantize(Decimal("0.1"))


def _price(price: Price) -> PriceFacts:
    return PriceFacts(
        channel=price.channel.key,
        price=price.money,
        was=price.was_money,
        moved_by=moved_by(price.was, price.amount),
        origin=price.origin,
        agreed=price.change_id is not None,
        begins_at=price.starts_at,
    )


def _change(change: PriceChange) -> PriceChangeFacts:
    return PriceChangeFacts(
        channel=change.channel.key,
        state=change.state,
        price=change.money,
        was=change.was_money,
        moves_by=change.variance,
        over_variance=change.over_variance,
        under_floor=change.under_floor,
        floor=change.floor_money,
        origin=change.origin,
        asked_at=change.asked_at,
    )


@triggers.register
class PriceChanged(Trigger):
    key = "orders.price_changed"
    label = "Price changed"
    example = "85123A costs £14.90 in the web shop from now on, 10% less."
    subject = "inventory.sku"
    signal = signals.prices_changed
    payload_class = PriceChangedPayload
    fixed = ("price",)

    def facts(
        self, *, prices: Sequence[Price], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        known, now = sku_facts(price.sku_id for price in prices), timezone.now()
        return [
            Fact(
                price.sku_id,
                known[price.sku_id][0].version,
                PriceChangedPayload(known[price.sku_id][1], _price(price)),
                now,
                actor.of(price.sku_id),
                history,
            )
            for price in prices
        ]

    def current(self, ids: Iterable[int]) -> dict[int, PriceChangedPayload]:
        known = sku_facts(ids)
        rows = Price.objects.filter(sku__in=known).select_related("channel")
        last = {row.sku_id: row for row in rows.order_by("sku", "-pk").distinct("sku")}
        return {
            pk: PriceChangedPayload(facts, _price(last[pk]) if pk in last else None)
            for pk, (_, facts) in known.items()
        }


@triggers.register
class PriceWaiting(Trigger):
    """Once the change is decided its state says so, so that what waits on it is not done late."""

    key = "orders.price_waiting"
    label = "Price change waits for a person"
    example = "£149.00 is asked for 85123A, ten times its price: somebody of finance has to agree."
    subject = "inventory.sku"
    signal = signals.prices_waiting
    payload_class = PriceWaitingPayload

    def facts(
        self, *, changes: Sequence[PriceChange], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        known = sku_facts(change.sku_id for change in changes)
        return [
            Fact(
                change.sku_id,
                known[change.sku_id][0].version,
                PriceWaitingPayload(known[change.sku_id][1], _change(change)),
                change.asked_at,
                actor.of(change.sku_id),
                history,
            )
            for change in changes
        ]

    def current(self, ids: Iterable[int]) -> dict[int, PriceWaitingPayload]:
        known = sku_facts(ids)
        rows = PriceChange.objects.filter(sku__in=known).select_related("channel", "was")
        last = {row.sku_id: row for row in rows.order_by("sku", "-pk").distinct("sku")}
        return {
            pk: PriceWaitingPayload(facts, _change(last[pk]) if pk in last else None)
            for pk, (_, facts) in known.items()
        }


class AskPriceForm(forms.Form):
    """By how much the price moves, and where."""

    percent = NumberField(
        label="Change the price by, in percent",
        min_value=Decimal(-95),
        max_value=Decimal(MOST),
        max_digits=5,
        decimal_places=1,
        help_text="Below zero it becomes cheaper.",
    )
    channel = forms.CharField(
        label="Key of the channel",
        max_length=40,
        required=False,
        help_text="Left empty: in every channel that has a price of its own.",
    )


@actions.register
class AskPrice(Action):
    """It goes through the guard: what is out of bounds waits for somebody of finance."""

    key = "orders.ask_price"
    label = "Ask for another price"
    subject = "inventory.sku"
    form = AskPriceForm
    permission = "orders.change_price"
    risk = Risk.MONEY
    makes = "price"
    minutes_by_hand = 3
    announces = ("orders.price_changed", "orders.price_waiting")
    never_undone = "Prices stay in their history. Ask for the former one."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("sku.price", How.MAKES, "another price"),)

    def execute(self, call: Call) -> Done:
        rows = valid_prices().filter(sku=call.subject_id, channel__prices_from=None)
        if key := call.params.get("channel"):
            rows = rows.filter(channel__key=key)
        prices = list(rows.select_related("channel").order_by("channel"))
        if not prices:
            raise Rejected("It has no price of its own there that could change.")
        wanted = [
            Wanted(price.channel_id, price.sku_id, _moved(price, call.params["percent"]))
            for price in prices
        ]
        try:
            done = ask_prices(
                wanted, origin=PriceOrigin.RULE, why=call.actor.label, actor=call.actor
            )
        except OrderError as error:
            raise Rejected(str(error)) from error
        said = [f"{price.money} in {price.channel}" for price in done.live]
        said += [f"{each.money} in {each.channel} waits for finance" for each in done.waiting]
        if not said:
            return Done("It costs so much already", already=True)
        return Done("; ".join(said))

    def in_words(self, params: Mapping[str, Any]) -> str:
        percent, key = params["percent"], params.get("channel")
        where = f" in {shown(key)}" if key else ""
        return f"Ask for a price that differs by {shown(percent)}%{where}"


def _moved(price: Price, percent: Decimal) -> Decimal:
    return (price.money * ((100 + percent) / 100)).rounded().amount
