"""The signals of fraud screening: added, changed, and loosened by those who may."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.text import slugify

from backoffice import audit, notices
from backoffice.actors import Actor
from backoffice.doors import call
from backoffice.versions import refuse_stale
from orders.models.trust import RiskSignal
from orders.services.errors import OrderError

LABEL = "orders.risksignal"
Kind, Mode = RiskSignal.Kind, RiskSignal.Mode
SHAPE = ("name", "weight", "mark", "orders", "minutes", "countries")
_STRICTNESS = (Mode.OFF, Mode.MONITOR, Mode.REVIEW, Mode.BLOCK)


@dataclass(frozen=True, slots=True)
class SignalEdit:
    """What a signal is. `mark`, `orders` and `minutes` are velocity's, `countries` region's."""

    name: str
    mode: RiskSignal.Mode
    weight: int
    mark: str = ""
    orders: int | None = None
    minutes: int | None = None
    countries: Sequence[str] = ()


@transaction.atomic
def add_signal(kind: RiskSignal.Kind, edit: SignalEdit, *, actor: Actor) -> RiskSignal:
    """Add a signal, in monitor whatever the edit says; raises OrderError."""
    if RiskSignal.objects.filter(name__iexact=edit.name).exists():
        raise OrderError(f"There is a signal “{edit.name}” already.")
    signal = RiskSignal(key=_free_key(edit.name), kind=kind, mode=Mode.MONITOR)
    _write(signal, edit)
    signal.save()
    audit.record("orders.signal_added", LABEL, signal.pk, actor=actor, key=signal.key)
    return signal


@transaction.atomic
def edit_signal(
    signal_id: int,
    edit: SignalEdit,
    *,
    reason: str,
    may_loosen: bool,
    version: int | None = None,
    actor: Actor,
) -> RiskSignal:
    """Change a signal for orders placed from now on; assessments keep what it was.

    What lets more orders through is only asked for, by those who `may_loosen`: another one of
    finance agrees to it by `agree_to_looser`. Raises OrderError, StaleVersion.
    """
    signal = RiskSignal.objects.select_for_update(no_key=True).get(pk=signal_id)
    refuse_stale([signal], None if version is None else {signal_id: version})
    before = {"mode": signal.mode, "weight": signal.weight}
    loosens = is_looser(signal, edit)
    if loosens and not may_loosen:
        raise OrderError(
            "This would let more orders through. Finance decides about that; ask them to change it."
        )
    if loosens:
        return _ask_looser(signal, edit, reason, actor)
    signal.mode = edit.mode
    _write(signal, edit)
    signal.wanted, signal.wanted_why, signal.wanted_by = None, "", None
    signal.version += 1
    signal.save()
    audit.record(
        "orders.signal_changed",
        LABEL,
        signal.pk,
        actor=actor,
        key=signal.key,
        before=before,
        mode=edit.mode,
        weight=edit.weight,
        why=reason,
    )
    return signal


def _ask_looser(signal: RiskSignal, edit: SignalEdit, reason: str, actor: Actor) -> RiskSignal:
    as_it_would_be = RiskSignal(kind=signal.kind, mode=edit.mode)
    _write(as_it_would_be, edit)
    wanted = {name: getattr(as_it_would_be, name) for name in (*SHAPE, "mode")}
    _call("ask_looser_signal", signal.pk, json.dumps(wanted), reason, actor.user_id)
    signal.refresh_from_db()
    audit.record(
        "orders.signal_loosening_asked",
        LABEL,
        signal.pk,
        actor=actor,
        key=signal.key,
        mode=edit.mode,
        weight=edit.weight,
        why=reason,
    )
    people = notices.holders("orders.loosen_risksignal")
    text = f"{actor.label} asks that “{signal}” lets more orders through. Another has to agree."
    notices.notify(
        [each for each in people if each.pk != actor.user_id],
        text,
        reverse("signal_detail", args=[signal.key]),
        key=f"signal:{signal.pk}:{signal.version}",
        mail=True,
    )
    return signal


@audit.traces_refusals("orders.refused", LABEL, OrderError)
@transaction.atomic
def agree_to_looser(signal_id: int, *, version: int, actor: Actor) -> RiskSignal:
    """Let a signal be as loose as was asked for, as the second person of finance.

    `version` is what was seen. Raises OrderError.
    """
    asked_by = _call("loosen_signal", signal_id, version, actor.user_id)
    signal = RiskSignal.objects.get(pk=signal_id)
    signal.save(update_fields=["version"])  # for its history: nothing else changes
    audit.record(
        "orders.signal_loosened",
        LABEL,
        signal.pk,
        actor=actor,
        key=signal.key,
        mode=signal.mode,
        weight=signal.weight,
        asked_by=asked_by,
    )
    return signal


@transaction.atomic
def keep_as_strict(signal_id: int, *, actor: Actor) -> RiskSignal:
    """Leave a signal as it is; one person may. Raises OrderError where nothing is asked for."""
    signal = RiskSignal.objects.select_for_update(no_key=True, of=("self",)).get(pk=signal_id)
    if signal.wanted is None:
        raise OrderError("Nobody asks for it any more.")
    signal.wanted, signal.wanted_why, signal.wanted_by = None, "", None
    signal.version += 1
    signal.save(update_fields=["wanted", "wanted_why", "wanted_by", "version"])
    audit.record("orders.signal_kept", LABEL, signal.pk, actor=actor, key=signal.key)
    return signal


def _call(function: str, *arguments: Any) -> Any:
    return call(f"orders_{function}", *arguments, as_error=OrderError)


def is_looser(signal: RiskSignal, edit: SignalEdit) -> bool:
    """Whether fewer orders would be held, or with less weight, than as the signal stands."""
    before, after = _STRICTNESS.index(Mode(signal.mode)), _STRICTNESS.index(edit.mode)
    if before != after and (after < before or before < _STRICTNESS.index(Mode.REVIEW)):
        return after < before  # what holds nothing yet may take another shape as it begins to
    return (
        edit.weight < signal.weight
        or (edit.orders or 0) > (signal.orders or 0)
        or (edit.minutes or 0) < (signal.minutes or 0)
        or edit.mark != signal.mark
        or bool(set(signal.countries) - set(edit.countries))
    )


def _write(signal: RiskSignal, edit: SignalEdit) -> None:
    is_velocity, is_region = signal.kind == Kind.VELOCITY, signal.kind == Kind.REGION
    if is_velocity and not (edit.mark and edit.orders and edit.minutes):
        raise OrderError("Say which mark, how many orders, and within how many minutes.")
    if is_region and not edit.countries:
        raise OrderError("Name at least one country.")
    if not 0 <= edit.weight <= 100:
        raise OrderError("A weight is from 0 to 100.")
    signal.name = edit.name
    signal.weight = edit.weight
    signal.mark = edit.mark if is_velocity else ""
    signal.orders = edit.orders if is_velocity else None
    signal.minutes = edit.minutes if is_velocity else None
    signal.countries = sorted(set(edit.countries)) if is_region else []


def _free_key(name: str) -> str:
    base = slugify(name)[:32] or "signal"
    taken = set(RiskSignal.objects.filter(key__startswith=base).values_list("key", flat=True))
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)
