"""Parcels on which two systems disagree: a case that blocks them, and an action that finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from automations.actions import Call, Done, Outcome, SetAction
from automations.actions import actions as action_registry
from automations.cases import CaseKind, NewCase, cases
from tests.depot import signals
from tests.depot.models import Parcel


@cases.register
class DisputedParcel(CaseKind):
    """Two systems disagree about a parcel: no rule spends or writes over it."""

    key = "depot.parcel_disputed"
    label = "Parcel disputed"
    subject = "depot.parcel"
    signal = signals.parcels_disputed
    closed_signals = (signals.parcels_agreed,)
    closed_says = "Somebody decided."
    blocks = True
    decided_at = "the parcel’s page"

    def cases(self, parcels: Sequence[Parcel]) -> list[NewCase]:
        says = "The carrier has it, the shop has not"
        return [
            NewCase(str(parcel.pk), says, f"{says}: {parcel.number}.", parcel.pk)
            for parcel in parcels
        ]

    def closed(self, parcels: Sequence[Parcel]) -> list[str]:
        return [str(parcel.pk) for parcel in parcels]


@action_registry.register
class Dispute(SetAction):
    """Finds out, in the middle of a run, that two systems disagree."""

    key = "depot.dispute"
    label = "Dispute"
    subject = "depot.parcel"
    form = forms.Form
    permission = "automations.change_rule"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        parcels = list(Parcel.objects.filter(pk__in=[call.subject_id for call in calls]))
        signals.parcels_disputed.send(sender=Parcel, parcels=parcels)
        return [Done("Disputed.") for _ in calls]

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "dispute it"
