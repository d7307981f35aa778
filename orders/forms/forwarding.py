"""Input of forwarding."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms

from backoffice.models import Calendar
from inventory.models import Location
from orders.models.carriers import CarrierService
from orders.models.forwarding import Forwarder

REFERENCE = 80


def _time(label: str, initial: str) -> forms.TimeField:
    widget = forms.TimeInput({"type": "time"}, "%H:%M")
    return forms.TimeField(label=label, widget=widget, initial=initial)


class ForwarderForm(forms.Form):
    """Who ships from a place, and by when they answer."""

    location = forms.ModelChoiceField(
        label="Ships from",
        queryset=Location.objects.none(),
        empty_label=None,
        help_text="Everything that leaves this place is forwarded to them.",
    )
    name = forms.CharField(label="Name", max_length=120)
    kind = forms.ChoiceField(label="Kind", choices=Forwarder.Kind.choices)
    answer_hours = forms.IntegerField(
        label="Answers within, in working hours", min_value=1, max_value=400, initial=8
    )
    opens_at = _time("Works from", "09:00")
    closes_at = _time("Works until", "17:00")
    time_zone = forms.CharField(label="Time zone", max_length=40, initial="Europe/London")
    calendar = forms.ModelChoiceField(
        label="Not on days closed in",
        queryset=Calendar.objects.all(),
        required=False,
        empty_label="Saturdays and Sundays",
    )
    is_active = forms.BooleanField(label="In use", required=False, initial=True)

    def __init__(self, *args: Any, known: Forwarder | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        free = Location.objects.filter(kind=Location.Kind.INTERNAL, is_active=True)
        mine = Location.objects.filter(forwarder=known) if known else Location.objects.none()
        field = self.fields["location"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = (free.filter(forwarder=None) | mine).order_by("name")

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"].strip()
        if zone not in available_timezones():
            raise forms.ValidationError("There is no such time zone. Write it like Europe/London.")
        return zone

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        opens, closes = values.get("opens_at"), values.get("closes_at")
        if opens and closes and closes <= opens:
            self.add_error("closes_at", "They work until later than from when they do.")
        return values


class AcknowledgeForm(forms.Form):
    theirs = forms.CharField(label="Their reference", max_length=REFERENCE, required=False)


class RefusedForm(forms.Form):
    why = forms.CharField(label="Why they refused it", max_length=300)


class LeftForm(forms.Form):
    service = forms.ModelChoiceField(
        label="Left with", queryset=CarrierService.objects.filter(is_active=True), empty_label=None
    )
    tracking = forms.CharField(label="Tracking number", max_length=80)


class AnswersForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        help_text="Columns: reference, answer (acknowledged or refused), their reference, why.",
    )
