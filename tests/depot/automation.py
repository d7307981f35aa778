"""Triggers, actions and a kind of case on parcels."""

from __future__ import annotations

import json
import os
import signal as signals_of_the_system
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.db import connection

from automations.actions import (
    Action,
    Call,
    Change,
    Counts,
    Done,
    How,
    Outcome,
    Rejected,
    RetryLater,
    Risk,
    SetAction,
    Unsure,
)
from automations.actions import actions as action_registry
from automations.cases import CaseKind, NewCase, cases
from automations.triggers import Fact, Trigger, triggers
from backoffice.actors import Actors
from backoffice.money import Money
from tests.depot import disputes, labels, scanning, signals
from tests.depot.models import Parcel
from tests.depot.payloads import ParcelArrived, ParcelRerouted, RoutePart, payload

# Registers what schedules go over, what calls outside, and what blocks parcels.
__all__ = ["disputes", "labels", "scanning"]


class _OnParcel(Trigger):
    subject = "depot.parcel"
    customer = "parcel.sender"
    payload_class: ClassVar[type] = ParcelArrived
    example = "A parcel from France arrives."

    def facts(
        self, parcels: Sequence[Parcel], actor: Any = None, history: bool = False
    ) -> list[Fact]:
        return [
            Fact(
                parcel.pk,
                parcel.version,
                payload(parcel),
                datetime.now(UTC),
                actor.of(parcel.pk) if actor else None,
                history,
            )
            for parcel in parcels
        ]

    def current(self, ids: Iterable[int]) -> Mapping[int, ParcelArrived]:
        return {parcel.pk: payload(parcel) for parcel in Parcel.objects.filter(pk__in=set(ids))}


@triggers.register
class OnParcelArrived(_OnParcel):
    key = "depot.parcel_arrived"
    label = "Parcel arrived"
    signal = signals.parcels_arrived


@triggers.register
class OnParcelTagged(_OnParcel):
    key = "depot.parcel_tagged"
    label = "Parcel tagged"
    signal = signals.parcels_tagged


@triggers.register
class OnParcelLost(_OnParcel):
    key = "depot.parcel_lost"
    label = "Parcel lost"
    signal = signals.parcels_lost


@triggers.register
class OnParcelRerouted(_OnParcel):
    """What it was before, only the fact tells."""

    key = "depot.parcel_rerouted"
    label = "Parcel rerouted"
    signal = signals.parcels_rerouted
    payload_class = ParcelRerouted

    def facts(
        self, parcels: Sequence[Parcel], actor: Any = None, history: bool = False
    ) -> list[Fact]:
        told = super().facts(parcels, actor, history)
        before = [RoutePart(each.payload.parcel.carrier, "ups") for each in told]
        return [
            replace(each, payload=ParcelRerouted(each.payload.parcel, route))
            for each, route in zip(told, before, strict=True)
        ]

    def current(self, ids: Iterable[int]) -> Mapping[int, Any]:
        return {
            pk: ParcelRerouted(known.parcel, RoutePart(known.parcel.carrier, None))
            for pk, known in super().current(ids).items()
        }


class TagForm(forms.Form):
    tag = forms.CharField(label="Tag", max_length=40)


TOUCH = """
UPDATE depot_parcel SET tags = array_append(tags, v.tag), touched = touched + 1,
    version = version + 1
FROM json_to_recordset(%s::json) AS v(id bigint, tag text) WHERE depot_parcel.id = v.id
RETURNING depot_parcel.id
"""


def add_tags(calls: Sequence[Call]) -> set[int]:
    """Tag without looking whether the tag is there, so that doing it twice shows."""
    rows = [{"id": call.subject_id, "tag": call.params["tag"]} for call in calls]
    with connection.cursor() as cursor:
        cursor.execute(TOUCH, [json.dumps(rows)])
        found = {row[0] for row in cursor.fetchall()}
    return found


class Tagging(SetAction):
    subject = "depot.parcel"
    form = TagForm
    permission = "automations.change_rule"
    writes = ("parcel.tags",)

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        tag = params.get("tag")
        return (Change("parcel.tags", How.ADDS, f"the tag “{tag}”" if tag else "a tag", tag),)

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"tag it {params.get('tag')}"


@action_registry.register
class AddTag(Tagging):
    key = "depot.add_tag"
    label = "Tag"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        found = add_tags(calls)
        return [
            Done(f"Tagged {call.params['tag']}.")
            if call.subject_id in found
            else Rejected("The parcel is gone.")
            for call in calls
        ]


@action_registry.register
class AddTagAndTell(AddTag):
    key = "depot.add_tag_and_tell"
    label = "Tag and tell"
    announces = ("depot.parcel_tagged",)

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        answers = super().execute_many(calls)
        parcels = list(Parcel.objects.filter(pk__in=[call.subject_id for call in calls]))
        signals.parcels_tagged.send(
            sender=Parcel,
            parcels=parcels,
            actor=Actors({call.subject_id: call.actor for call in calls}),
            history=False,
        )
        return answers


@action_registry.register
class Refuse(Tagging):
    """Refuses the tag "no"."""

    key = "depot.choosy"
    label = "Choosy tag"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        good = [call for call in calls if call.params["tag"] != "no"]
        if good:
            add_tags(good)
        return [
            Done(f"Tagged {call.params['tag']}.")
            if call.params["tag"] != "no"
            else Rejected(f"Parcel {call.subject_id} does not take this tag.")
            for call in calls
        ]


@action_registry.register
class Flaky(Tagging):
    """Fails as often as the parcel's mood says."""

    key = "depot.flaky"
    label = "Flaky tag"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        moody = set(
            Parcel.objects.filter(pk__in=[c.subject_id for c in calls], moods__gt=0).values_list(
                "pk", flat=True
            )
        )
        good = [call for call in calls if call.subject_id not in moody]
        if good:
            add_tags(good)
        return [
            RetryLater("The shelf is in use.", timedelta(seconds=0))
            if call.subject_id in moody
            else Done("Tagged.")
            for call in calls
        ]


@action_registry.register
class Buggy(Tagging):
    """Breaks on every parcel whose number ends in 13."""

    key = "depot.buggy"
    label = "Buggy tag"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        add_tags(calls)
        numbers = Parcel.objects.filter(pk__in=[call.subject_id for call in calls])
        if any(number.endswith("13") for number in numbers.values_list("number", flat=True)):
            raise ZeroDivisionError("thirteen")
        return [Done("Tagged.") for _ in calls]


@action_registry.register
class Deadly(Tagging):
    """Kills the process on every parcel whose number ends in 13."""

    key = "depot.deadly"
    label = "Deadly tag"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        add_tags(calls)
        numbers = Parcel.objects.filter(pk__in=[call.subject_id for call in calls])
        if any(number.endswith("13") for number in numbers.values_list("number", flat=True)):
            os.kill(os.getpid(), signals_of_the_system.SIGKILL)
        return [Done("Tagged.") for _ in calls]


@action_registry.register
class Slow(AddTag):
    """Takes its time after the effect and before the commit, where a kill hurts most."""

    key = "depot.slow_tag"
    label = "Slow tag"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        answers = super().execute_many(calls)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
        return answers


class DutyForm(TagForm):
    amount = forms.DecimalField(label="Amount", required=False)
    currency = forms.CharField(label="Currency", required=False, max_length=3)


@action_registry.register
class Pay(Action):
    key = "depot.pay_duty"
    label = "Pay duty"
    subject = "depot.parcel"
    form = DutyForm
    permission = "automations.change_rule"
    risk = Risk.MONEY

    def execute(self, call: Call) -> Done:
        if call.params["tag"] == "no":
            raise Rejected("Customs is closed.")
        add_tags([call])
        return Done("Duty paid.")

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        amount = params.get("amount") or Decimal(0)
        return Counts(money=Money(amount, params.get("currency") or "GBP"), units=2, messages=1)

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "pay the duty"


@cases.register
class DamagedParcel(CaseKind):
    key = "depot.parcel_damaged"
    label = "Parcel damaged"
    subject = "depot.parcel"
    signal = signals.parcels_damaged

    def cases(self, parcels: Sequence[Parcel], actor: Any = None) -> list[NewCase]:
        return [
            NewCase(
                f"{parcel.pk}",
                "Parcel arrived damaged",
                f"Parcel {parcel.number} arrived damaged.",
                parcel.pk,
                Money(Decimal(parcel.total), "GBP"),
                "Photograph it and call the carrier.",
            )
            for parcel in parcels
        ]


@action_registry.register
class Destroy(Tagging):
    """Never by a rule alone: finance agrees to each."""

    key = "depot.destroy"
    label = "Destroy"
    decided_by = "finance"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        add_tags(calls)
        return [Done("Destroyed.") for _ in calls]


@action_registry.register
class Sort(Tagging):
    """Sorts parcels by country, and is not sure about France."""

    key = "depot.sort"
    label = "Sort"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        french = set(
            Parcel.objects.filter(
                pk__in=[call.subject_id for call in calls], country="FR"
            ).values_list("pk", flat=True)
        )
        unsure = [c for c in calls if c.subject_id in french and c.params["tag"] == "guess"]
        sure = [call for call in calls if call not in unsure]
        if sure:
            add_tags(sure)
        return [
            Unsure("North or south?", {"tag": "north"}, Decimal("0.55"))
            if call in unsure
            else Done("Sorted.")
            for call in calls
        ]


@action_registry.register
class Ring(Action):
    """About no parcel: a parcel that stands for each ring of the bell."""

    key = "depot.ring"
    label = "Ring the bell"
    subject = "backoffice.legalentity"
    form = TagForm
    permission = "automations.change_rule"

    def execute(self, call: Call) -> Done:
        Parcel.objects.create(number=f"bell-{Parcel.objects.count()}", country="GB", total=0)
        return Done("It rang.")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "ring the bell"
