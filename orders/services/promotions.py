"""Promotions: written as drafts, asked for by one person, agreed to by another, stopped by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone
from django.utils.text import slugify

from backoffice import audit, timeline
from backoffice.actors import HOUSE, Acting, Actor
from backoffice.doors import refusing
from backoffice.money import Money
from backoffice.versions import refuse_stale
from inventory.queries.skus import skus_by_code
from orders import signals
from orders.models.channels import Channel
from orders.models.promotions import Promotion, PromotionChange
from orders.services.clock import FARTHEST
from orders.services.errors import PromotionError, WrongState
from orders.services.promoting import LABEL, clean_code, tell_ended

Kind, Target = Promotion.Kind, Promotion.Target
# One person may lower these while it runs; everything else takes two.
TIGHTENS = ("usage_limit", "ends_at")


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms of a promotion, as its columns have them; amounts by currency as text."""

    name: str
    kind: str
    starts_at: datetime
    ends_at: datetime | None = None
    time_zone: str = "Europe/London"
    code: str = ""
    percent: Decimal | None = None
    amounts: Mapping[str, str] = field(default_factory=dict)
    target: str = Target.ORDER
    skus: tuple[str, ...] = ()
    thresholds: Mapping[str, str] = field(default_factory=dict)
    bundle: Mapping[str, int] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    usage_limit: int | None = None
    customer_limit: int | None = None
    when_used_up: str = Promotion.UsedUp.FULL_PRICE
    is_exclusive: bool = False
    cap_percent: Decimal = Decimal(100)
    margin_percent: Decimal = Decimal(0)
    stock_sku: str = ""
    stock_units: int | None = None


FIELDS = tuple(Terms.__dataclass_fields__)


def terms_of(promotion: Promotion) -> Terms:
    """The terms that a promotion has now."""
    return Terms(**{name: getattr(promotion, name) for name in FIELDS})


def as_promotion(terms: Terms) -> Promotion:
    """Terms as a promotion that is not saved, such as to try it; raises PromotionError."""
    _check(terms)
    return Promotion(**_columns(terms))


def draft_promotion(terms: Terms, *, actor: Actor) -> Promotion:
    """Write a new promotion, which gives nothing until it is started; raises PromotionError."""
    with transaction.atomic():
        _check(terms)
        row = Promotion(key=_free_key(terms.name), made_by=actor.label[:200], **_columns(terms))
        row.save()
        audit.record("orders.promotion_drafted", LABEL, row.pk, actor=actor, name=row.name)
        _tell(row, "Drafted", actor)
        return row


@transaction.atomic
def edit_promotion(
    promotion_id: int, terms: Terms, *, why: str, version: int | None = None, actor: Actor
) -> PromotionChange | None:
    """Change terms: at once in a draft or where it only gives less, else it is asked for.

    Answers with what now waits for a second person; None where it is done. What waited before is
    asked anew. Raises PromotionError, StaleVersion.
    """
    row = _locked(promotion_id, version)
    _check(terms)
    if row.change_id is not None and not _tightens(row, terms):
        return _ask(row, terms, why, actor)
    for name, value in _columns(terms).items():
        setattr(row, name, value)
    row.version += 1
    row.save()
    audit.record(
        "orders.promotion_changed", LABEL, row.pk, actor=actor, terms=_json(terms), why=why
    )
    _tell(row, f"Changed{f': {why}' if why else ''}", actor)
    return None


@transaction.atomic
def ask_start(
    promotion_id: int, *, why: str, version: int | None = None, actor: Actor
) -> PromotionChange:
    """Ask that a draft, or a promotion that was stopped, starts with the terms that it has.

    Raises PromotionError, WrongState where it is on, StaleVersion.
    """
    row = _locked(promotion_id, version)
    if row.is_on:
        raise WrongState(f"“{row}” is on already.")
    terms = terms_of(row)
    _check(terms)
    if terms.ends_at is not None and terms.ends_at <= timezone.now():
        raise PromotionError("Its time is over. Change its end first.", "ends_at")
    return _ask(row, terms, why, actor)


def _ask(row: Promotion, terms: Terms, why: str, actor: Actor) -> PromotionChange:
    _refuse_code_twice(row, terms.code)
    if not why.strip():
        raise PromotionError("Say why, so that somebody can agree.", "why")
    pk = _call("ask_promotion", "%s, %s::jsonb, %s, %s", row.pk, _text(terms), why, actor.user_id)
    change = PromotionChange.objects.get(pk=pk)
    detail = {"change": change.pk, "terms": change.terms, "why": why}
    audit.record("orders.promotion_asked", LABEL, row.pk, actor=actor, **detail)
    _tell(row, f"{'A change' if row.is_on else 'The start'} was asked for: {why}", actor)
    return change


@transaction.atomic
def agree_promotion(change_id: int, *, note: str = "", actor: Actor) -> Promotion:
    """Agree to what another person asked for: the promotion is on from now with these terms.

    Raises PromotionError where it is one's own, decided, or overtaken by a later change.
    """
    change = PromotionChange.objects.select_related("promotion").get(pk=change_id)
    _refuse_code_twice(change.promotion, change.terms.get("code", ""))
    was_on = change.promotion.is_on
    _call("decide_promotion", "%s, true, %s, %s", change_id, note, actor.user_id)
    row = Promotion.objects.get(pk=change.promotion_id)
    audit.record("orders.promotion_agreed", LABEL, row.pk, actor=actor, change=change_id)
    _tell(row, "The change was agreed to" if was_on else "Started", actor)
    return row


@transaction.atomic
def refuse_promotion(change_id: int, *, note: str, actor: Actor) -> Promotion:
    """Turn down what was asked for; nothing changes. Whoever asked may take it back so."""
    _call("decide_promotion", "%s, false, %s, %s", change_id, note, actor.user_id)
    row = Promotion.objects.get(changes=change_id)
    audit.record("orders.promotion_refused", LABEL, row.pk, actor=actor, change=change_id, why=note)
    _tell(row, f"Turned down: {note}", actor)
    return row


@transaction.atomic
def stop_promotion(
    promotion_id: int, *, reason: str, version: int | None = None, actor: Acting
) -> Promotion:
    """Take a promotion off at once; orders placed from now on get nothing of it.

    Waits for orders that are being placed. Raises WrongState where it is off, StaleVersion.
    Announces promotions_ended.
    """
    row = _locked(promotion_id, version)
    if not row.is_on:
        raise WrongState(f"“{row}” is off already.")
    by = actor.of(row.pk)
    row.is_on = False
    row.stopped_at = timezone.now()
    row.stopped_by = by.label[:200]
    row.stop_reason = reason[:300]
    row.version += 1
    row.save(update_fields=["is_on", "stopped_at", "stopped_by", "stop_reason", "version"])
    audit.record("orders.promotion_stopped", LABEL, row.pk, actor=by, why=reason)
    _tell(row, f"Stopped: {reason}", by)
    signals.promotions_ended.send(
        sender=Promotion,
        promotions=[row],
        why={row.pk: "stopped"},
        actor=actor,
        history=False,
    )
    return row


def end_promotions() -> int:
    """Say of promotions whose time is over that they ended, once each; answers how many.

    They give nothing from that instant on, told or not. Announces promotions_ended.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT orders_end_promotions()")
            ids = [pk for (pk,) in cursor.fetchall()]
        rows = list(Promotion.objects.filter(pk__in=ids).select_related("count").order_by("pk"))
        if rows:
            tell_ended(rows, actor=HOUSE)
        return len(rows)


def _locked(promotion_id: int, version: int | None) -> Promotion:
    row = Promotion.objects.select_for_update(no_key=True).get(pk=promotion_id)
    refuse_stale([row], None if version is None else {promotion_id: version})
    return row


def _call(function: str, places: str, *arguments: str | int | None) -> Any:
    """Call a guarded function; raises PromotionError with the sentence it refuses with."""
    with refusing(PromotionError), connection.cursor() as cursor:
        cursor.execute(f"SELECT orders_{function}({places})", arguments)
        row = cursor.fetchone()
    return row[0] if row else None


def _columns(terms: Terms) -> dict[str, Any]:
    """Terms as the model's columns take them."""
    given = asdict(terms)
    for name in ("skus", "channels"):
        given[name] = list(given[name])
    return given


def _text(terms: Terms) -> str:
    return json.dumps(_columns(terms), cls=DjangoJSONEncoder)


def _json(terms: Terms) -> Any:
    return json.loads(_text(terms))


def _tightens(row: Promotion, terms: Terms) -> bool:
    """Whether new terms of a started promotion only end it sooner or let it be used less."""
    old, new = _columns(terms_of(row)), _columns(terms)
    if any(old[name] != new[name] for name in FIELDS if name not in TIGHTENS):
        return False
    return all(
        old[name] == new[name]
        or (new[name] is not None and (old[name] is None or new[name] < old[name]))
        for name in TIGHTENS
    )


def _check(terms: Terms) -> None:
    """Raise PromotionError, with the field to blame, for terms that can't be."""
    for wrong, where, told in _wrongs(terms):
        if wrong:
            raise PromotionError(told, where)
    _check_names(terms)


_BAD_AMOUNT = "An amount is above zero, in whole minor units."
_TOO_FAR = "Choose a time within ten years."


def _wrongs(terms: Terms) -> list[tuple[bool, str, str]]:
    """What may be wrong by itself: whether it is, at which field, in words."""
    share, units = terms.percent, terms.stock_units
    either = (share is None) == (not terms.amounts)
    too_much = share is not None and not 0 < share <= 100
    ends_first = terms.ends_at is not None and terms.ends_at <= terms.starts_at
    no_zone = terms.time_zone not in available_timezones()
    some_stock = bool(terms.stock_sku) != (units is not None)
    return [
        (not terms.name.strip(), "name", "Give it a name."),
        (either, "percent", "Give either a percentage or an amount."),
        (too_much, "percent", "A percentage is above 0 and at most 100."),
        (_bad_amounts(terms.amounts), "amounts", _BAD_AMOUNT),
        (_bad_amounts(terms.thresholds), "thresholds", _BAD_AMOUNT),
        (ends_first, "ends_at", "It ends after it starts."),
        (_too_far(terms.starts_at), "starts_at", _TOO_FAR),
        (_too_far(terms.ends_at), "ends_at", _TOO_FAR),
        (some_stock, "stock_units", "Say how many units of which product are set aside."),
        (no_zone, "time_zone", "There is no such time zone."),
        *_missing(terms),
    ]


def _missing(terms: Terms) -> list[tuple[bool, str, str]]:
    """What a kind or a target needs and does not have."""
    kind, target = terms.kind, terms.target
    no_threshold = kind == Kind.THRESHOLD and not terms.thresholds
    no_end = kind == Kind.TIME and terms.ends_at is None
    bundle = (kind == Kind.BUNDLE) != bool(terms.bundle)
    no_bundle = target == Target.BUNDLE and kind != Kind.BUNDLE
    skus = (target == Target.SKUS) != bool(terms.skus)
    return [
        (no_threshold, "thresholds", "Say what the goods must come to."),
        (kind == Kind.CODE and not terms.code, "code", "Say which code the buyer types."),
        (no_end, "ends_at", "Say when it ends."),
        (bundle, "bundle", "Say what is bought together; only a bundle has this."),
        (no_bundle, "target", "Only a bundle has goods of its own."),
        (skus, "skus", "Name the products it takes off, or choose another target."),
    ]


def _too_far(at: datetime | None) -> bool:
    return at is not None and abs(at - timezone.now()) > FARTHEST


def _bad_amounts(amounts: Mapping[str, str]) -> bool:
    for currency, text in amounts.items():
        money = Money(Decimal(text), currency)
        if money.amount <= 0 or money != money.rounded():
            return True
    return False


def _check_names(terms: Terms) -> None:
    """Products and channels that a promotion names must be there."""
    wanted = {
        "skus": set(terms.skus),
        "bundle": set(terms.bundle),
        "stock_sku": {terms.stock_sku} - {""},
    }
    known = set(skus_by_code(set().union(*wanted.values())))
    for where, codes in wanted.items():
        if missing := sorted(codes - known):
            raise PromotionError(f"There is no product {', '.join(missing)}.", where)
    keys = set(Channel.objects.filter(key__in=terms.channels).values_list("key", flat=True))
    if missing := sorted(set(terms.channels) - keys):
        raise PromotionError(f"There is no channel {', '.join(missing)}.", "channels")
    if terms.code != clean_code(terms.code):
        raise PromotionError("A code is in upper case, without spaces around it.", "code")


def _refuse_code_twice(row: Promotion, code: str) -> None:
    others = Promotion.objects.filter(is_on=True, code=code).exclude(pk=row.pk)
    if code and (other := others.first()):
        raise PromotionError(f"“{other}” is on with this code. Stop it first.", "code")


def _free_key(name: str) -> str:
    base = slugify(name)[:32].strip("-") or "promotion"
    taken = set(Promotion.objects.filter(key__startswith=base).values_list("key", flat=True))
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)


def _tell(row: Promotion, said: str, actor: Actor) -> None:
    timeline.record([timeline.Happened(LABEL, row.pk, said, actor)])
