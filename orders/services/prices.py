"""Setting prices: what is within bounds is live at once, the rest waits for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from backoffice import audit, timeline
from backoffice.actors import Acting, Actor
from backoffice.doors import call
from backoffice.money import Money
from inventory.models import Sku
from orders import signals
from orders.models.channels import Channel
from orders.models.prices import Price, PriceChange, PriceOrigin
from orders.queries.prices import Judged, database_now, judge, newest_rate, valid_prices
from orders.services.errors import OrderError, WrongAmount
from orders.services.pricing import step_of

LABEL = "inventory.sku"
Verdict = PriceChange.State
# A time at the edge of the calendar could be written, and not read again.
AHEAD = timedelta(days=3653)
MOST = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class Wanted:
    """A price that is asked for, in the channel's currency. `starts_at` None: from now on."""

    channel_id: int
    sku_id: int
    amount: Decimal
    starts_at: datetime | None = None


@dataclass(slots=True)
class Outcome:
    """What became of prices that were asked for."""

    live: list[Price] = field(default_factory=list)
    waiting: list[PriceChange] = field(default_factory=list)
    unchanged: list[Wanted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One price on its way, in the currency of its channel."""

    wanted: Wanted
    channel: Channel
    at: datetime
    rate_id: int | None = None


@transaction.atomic
def ask_prices(
    wanted: Sequence[Wanted],
    *,
    origin: PriceOrigin = PriceOrigin.HAND,
    why: str = "",
    actor: Acting,
) -> Outcome:
    """Set prices: those within bounds at once, the others once somebody of finance agrees.

    A price that moves further than its channel allows, or lies under its floor, waits; asked twice,
    it waits once, and another one that has to wait takes its place. Prices of channels that follow
    move along. `actor` is asked by product. Raises WrongAmount, and OrderError for a channel that
    follows another, a time that is over or a product named twice. Announces prices_changed and
    prices_waiting.
    """
    channels = Channel.objects.in_bulk({each.channel_id for each in wanted})
    _refuse(wanted, channels)
    _lock(each.sku_id for each in wanted)
    now = database_now()
    late = [each for each in wanted if each.starts_at is not None and each.starts_at < now]
    if late:
        raise OrderError("A price begins now or later. Leave the time out, or choose a later one.")
    if any(each.starts_at is not None and each.starts_at > now + AHEAD for each in wanted):
        raise OrderError("A price begins within ten years. Choose an earlier time.")
    asking = [_Asking(each, channels[each.channel_id], each.starts_at or now) for each in wanted]
    done = _settle(asking, origin, why, actor)
    _follow(done, why, actor)
    _announce(done, actor)
    return done


def _refuse(wanted: Sequence[Wanted], channels: dict[int, Channel]) -> None:
    seen = set()
    for each in wanted:
        channel = channels[each.channel_id]
        check_amount(each.amount, channel)
        if channel.prices_from_id is not None:
            raise OrderError(
                f"The prices of {channel} follow those of another channel. Change them there, or "
                "let it have prices of its own."
            )
        key = (each.channel_id, each.sku_id)
        if key in seen:
            raise OrderError("A product has one price in a channel: name it once.")
        seen.add(key)


def check_amount(amount: Decimal, channel: Channel) -> None:
    """Raise WrongAmount for what can't be a price in the channel's currency."""
    step = step_of(channel.currency)
    if not amount.is_finite() or not 0 < amount < MOST:
        raise WrongAmount("A price is more than zero and less than a thousand million.")
    if amount != amount.quantize(step):
        raise WrongAmount(
            f"A price in {channel.currency} has at most {-int(step.as_tuple().exponent)} decimals."
        )


def _lock(sku_ids: Iterable[int]) -> None:
    """Lock products in the house's order: their prices are decided one after the other."""
    rows = Sku.objects.select_for_update(no_key=True).filter(pk__in=set(sku_ids))
    list(rows.order_by("pk").values_list("pk"))


def _settle(asking: Sequence[_Asking], origin: PriceOrigin, why: str, actor: Acting) -> Outcome:
    """Judge, write what is within bounds, and let the rest wait."""
    judged = judge(
        [
            (
                each.channel.pk,
                each.wanted.sku_id,
                each.channel.currency,
                each.wanted.amount,
                each.at,
            )
            for each in asking
        ]
    )
    done = Outcome()
    live: list[tuple[_Asking, Decimal | None]] = []
    waiting: list[_Asking] = []
    for each, found in zip(asking, judged, strict=True):
        if found.was == each.wanted.amount:
            done.unchanged.append(each.wanted)
        elif found.waits:
            waiting.append(each)
        else:
            live.append((each, found.was))
    done.live = _write(live, origin, why, actor)
    done.waiting = _wait(waiting, origin, why, actor)
    return done


def _write(
    asking: Sequence[tuple[_Asking, Decimal | None]],
    origin: PriceOrigin,
    why: str,
    actor: Acting,
) -> list[Price]:
    rows = []
    for each, was in asking:
        by = actor.of(each.wanted.sku_id)
        rows.append(
            Price(
                channel=each.channel, sku_id=each.wanted.sku_id, currency=each.channel.currency,
                amount=each.wanted.amount, was=was, starts_at=each.at, origin=origin,
                rate_id=each.rate_id, why=why, actor_kind=by.kind, actor_label=by.label,
                user_id=by.user_id, run_id=by.run_id,
            )
        )  # fmt: skip
    return Price.objects.bulk_create(rows)


def _wait(
    asking: Sequence[_Asking], origin: PriceOrigin, why: str, actor: Acting
) -> list[PriceChange]:
    """Have prices wait; those that waited already are not told of again."""
    if not asking:
        return []
    rows: list[dict[str, Any]] = []
    for place, each in enumerate(asking):
        by, at = actor.of(each.wanted.sku_id), each.wanted.starts_at
        rows.append(
            {
                "place": place, "channel": each.channel.pk, "sku": each.wanted.sku_id,
                "currency": each.channel.currency, "amount": str(each.wanted.amount),
                "starts": at.isoformat() if at else None, "origin": origin.value,
                "rate": each.rate_id, "why": why, "kind": by.kind, "label": by.label,
                "person": by.user_id, "run": by.run_id,
            }
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT place, change, fresh FROM orders_ask_prices(%s)", [json.dumps(rows)])
        answers = sorted(cursor.fetchall())
    fresh = {change: is_fresh for _, change, is_fresh in answers}
    known = PriceChange.objects.select_related("channel", "sku", "was", "rate").in_bulk(list(fresh))
    for pk, change in known.items():
        change.is_fresh = fresh[pk]
    return [known[change] for _, change, _ in answers]


def _follow(done: Outcome, why: str, actor: Acting) -> None:
    """Move the prices of channels that follow those which changed just now."""
    changed = {(price.channel_id, price.sku_id): price for price in done.live}
    bases = {channel_id for channel_id, _ in changed}
    if not bases:
        return
    for channel in Channel.objects.filter(prices_from__in=bases).select_related("prices_from"):
        prices = [price for (base, _), price in changed.items() if base == channel.prices_from_id]
        moved = derive(channel, prices, why=why, actor=actor)
        done.live += moved.live
        done.waiting += moved.waiting


def derive(channel: Channel, prices: Iterable[Price], *, why: str, actor: Acting) -> Outcome:
    """Ask for the prices that a channel has by those of the one it follows; they are locked.

    By the newest rate, rounded to the channel's currency; without a rate nothing moves, and a
    price that would round to nothing is left alone.
    """
    base = channel.prices_from
    if base is None:
        return Outcome()
    rate = None
    if base.currency != channel.currency:
        rate = newest_rate(base.currency, channel.currency)
        if rate is None:
            return Outcome()
    factor = rate.rate if rate else Decimal(1)
    now = database_now()
    asking = []
    for price in prices:
        amount = Money(price.amount * factor, channel.currency).rounded().amount
        if 0 < amount < MOST:
            starts = price.starts_at if price.starts_at > now else None
            wanted = Wanted(channel.pk, price.sku_id, amount, starts)
            asking.append(_Asking(wanted, channel, starts or now, rate.pk if rate else None))
    return _settle(asking, PriceOrigin.RATE, why, actor)


def derive_all(channel: Channel, *, why: str, actor: Acting) -> Outcome:
    """Ask for all prices of a channel that follows another, such as after a new rate.

    Announces prices_changed and prices_waiting.
    """
    rows = valid_prices().filter(channel=channel.prices_from_id, currency=_base_currency(channel))
    _lock(rows.values_list("sku", flat=True))
    # Read once they are locked: what they follow may have changed a moment ago.
    prices = list(rows.order_by("sku"))
    done = derive(channel, prices, why=why, actor=actor)
    _announce(done, actor)
    return done


def _base_currency(channel: Channel) -> str:
    return channel.prices_from.currency if channel.prices_from else ""


def touch_skus(ids: set[int]) -> None:
    """Products whose prices moved are another version: what waits on them is looked at again."""
    Sku.objects.filter(pk__in=ids).update(version=F("version") + 1)


def _announce(done: Outcome, actor: Acting) -> None:
    """Tell of prices that are live or begin later, and of those that wait since just now."""
    fresh = [change for change in done.waiting if change.is_fresh]
    touch_skus({price.sku_id for price in done.live} | {change.sku_id for change in fresh})
    said = [(price.sku_id, f"Price in {price.channel}: {price.money}") for price in done.live]
    said += [
        (change.sku_id, f"Price in {change.channel} waits for agreement: {change.money}")
        for change in fresh
    ]
    timeline.record(timeline.Happened(LABEL, pk, text, actor.of(pk)) for pk, text in said)
    if done.live:
        signals.prices_changed.send(sender=Price, prices=done.live, actor=actor, history=False)
    if fresh:
        signals.prices_waiting.send(sender=PriceChange, changes=fresh, actor=actor, history=False)


@transaction.atomic
def decide_price(
    change_id: int, verdict: PriceChange.State, *, note: str = "", actor: Actor
) -> PriceChange:
    """Agree to a price that waits, refuse it, or withdraw what one asked for oneself.

    Agreed, it is valid from now on, or from when it was asked to begin. Only somebody of finance
    who did not ask agrees. Raises OrderError where PostgreSQL refuses: decided already, the same
    person, another role, or the price changed since. Announces prices_changed, price_decided.
    """
    if actor.user_id is None:
        raise OrderError("Only a person decides about a price.")
    price_id = _door(change_id, verdict, actor.user_id, note)
    rows = PriceChange.objects.select_related("channel", "sku", "was", "rate")
    change = rows.get(pk=change_id)
    audit.record(
        f"orders.price_{verdict}", LABEL, change.sku_id, actor=actor,
        channel=change.channel.key, price=str(change.money), asked_by=change.actor_label,
    )  # fmt: skip
    if price_id is not None:
        price = Price.objects.select_related("channel", "rate").get(pk=price_id)
        done = Outcome(live=[price])
        _follow(done, change.why, actor)
        _announce(done, actor)
    else:
        touch_skus({change.sku_id})
        said = f"Price of {change.money} in {change.channel} {change.get_state_display().lower()}"
        timeline.record([timeline.Happened(LABEL, change.sku_id, said, actor)])
    signals.price_decided.send(sender=PriceChange, changes=[change], actor=actor, history=False)
    return change


def _door(change_id: int, verdict: str, user_id: int, note: str) -> int | None:
    price_id: int | None = call(
        "orders_decide_price", change_id, verdict, user_id, note[:300], as_error=OrderError
    )
    return price_id


def foresee(wanted: Sequence[Wanted]) -> list[Judged]:
    """What would become of prices that begin now or at their time, changing nothing."""
    now = database_now()
    channels = Channel.objects.in_bulk({each.channel_id for each in wanted})
    return judge(
        [
            (
                each.channel_id, each.sku_id, channels[each.channel_id].currency, each.amount,
                each.starts_at or now,
            )
            for each in wanted
        ]
    )  # fmt: skip
