"""Input of carrier services and channels."""

from __future__ import annotations

from zoneinfo import available_timezones

from django import forms

from backoffice.forms import MoneyField
from backoffice.models import Calendar
from backoffice.territories import countries
from backoffice.views.calendars import WEEKDAYS
from orders.models.carriers import CarrierService


class ServiceForm(forms.Form):
    """A carrier's service, and until when a parcel must be ready for it."""

    carrier = forms.CharField(label="Carrier", max_length=60)
    name = forms.CharField(label="Service", max_length=80, help_text="Such as Tracked 24.")
    cutoff = forms.TimeField(
        label="Cut-off",
        widget=forms.TimeInput({"type": "time"}, "%H:%M"),
        help_text="What is ready by then leaves that day.",
    )
    time_zone = forms.CharField(
        label="Time zone of the cut-off", max_length=40, initial="Europe/London"
    )
    weekdays = forms.TypedMultipleChoiceField(
        label="Collects on",
        choices=WEEKDAYS,
        coerce=int,
        initial=[1, 2, 3, 4, 5],
        widget=forms.CheckboxSelectMultiple,
    )
    calendar = forms.ModelChoiceField(
        label="Not on days closed in",
        queryset=Calendar.objects.all(),
        required=False,
        empty_label="no calendar",
    )
    max_grams = forms.IntegerField(
        label="Heaviest parcel, in grams", required=False, min_value=1, max_value=10_000_000
    )
    max_side_cm = forms.IntegerField(
        label="Longest side, in cm", required=False, min_value=1, max_value=10_000
    )
    countries = forms.CharField(
        label="Goes to",
        required=False,
        max_length=600,
        help_text="Country codes such as GB, IE; empty: everywhere.",
    )
    price = MoneyField(
        label="A parcel costs",
        required=False,
        help_text="Empty: it is never chosen by itself.",
    )
    transit_days = forms.IntegerField(
        label="On its way, in collection days",
        required=False,
        min_value=0,
        max_value=90,
        help_text="From the collection until it arrives; empty: nobody knows.",
    )
    news_days = forms.IntegerField(
        label="Its news counts for, in days",
        min_value=0,
        max_value=90,
        initial=7,
        help_text="Where it has told nothing of a parcel under way for longer, rules wait and "
        "somebody is asked; 0: its news never grows old.",
    )
    is_active = forms.BooleanField(label="In use", required=False, initial=True)

    def clean_countries(self) -> list[str]:
        codes = self.cleaned_data["countries"].upper().replace(",", " ").split()
        known = dict(countries())
        if wrong := [code for code in codes if code not in known]:
            raise forms.ValidationError(f"There is no country {', '.join(wrong)}.")
        return sorted(set(codes))

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"].strip()
        if zone not in available_timezones():
            raise forms.ValidationError("There is no such time zone. Write it like Europe/London.")
        return zone


class PromiseForm(forms.Form):
    """How a channel ships, and how soon."""

    service = forms.ModelChoiceField(
        label="Ships with",
        queryset=CarrierService.objects.filter(is_active=True),
        required=False,
        empty_label="no carrier service: by the end of a working day",
    )
    promise_days = forms.IntegerField(
        label="Ships within, in collection days",
        min_value=0,
        max_value=60,
        help_text="0: what comes in before the cut-off leaves the same day.",
    )
    arrives_days = forms.IntegerField(
        label="Arrives within, in days",
        required=False,
        min_value=0,
        max_value=120,
        help_text="After the order or its payment; empty: no day is promised.",
    )
    chooses_service = forms.BooleanField(
        label="Choose the service when an order is packed",
        required=False,
        help_text="The cheapest that arrives in time.",
    )
    news_days = forms.IntegerField(
        label="What the marketplace tells counts for, in days",
        min_value=0,
        max_value=90,
        initial=14,
        help_text="Where it has told nothing of an order to be shipped for longer, rules wait and "
        "somebody is asked; 0: it never grows old. Shops tell nothing that could.",
    )
