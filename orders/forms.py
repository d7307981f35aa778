"""Input of orders: for screens, and for the parameters of its actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from backoffice.models import Calendar
from inventory.models import Location
from orders.models.carriers import CarrierService
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.errors import BadTag
from orders.services.holds import Ending
from orders.services.tags import clean_tag


class TagForm(forms.Form):
    tag = forms.CharField(
        label="Tag", max_length=40, help_text="Letters, digits and hyphens, such as high-value."
    )

    def clean_tag(self) -> str:
        try:
            return clean_tag(self.cleaned_data["tag"])
        except BadTag as error:
            raise forms.ValidationError(str(error)) from error


# Cancelling is a deed of its own, with its own risk: no hold of a rule brings it about.
THEN = [each for each in Hold.Then.choices if each[0] != Hold.Then.CANCEL]


class HoldForm(forms.Form):
    reason = forms.ChoiceField(label="Reason", choices=Hold.Reason.choices)
    note = forms.CharField(label="Note", max_length=500, required=False)
    lasts = forms.IntegerField(
        label="Lasts, in hours",
        required=False,
        min_value=1,
        max_value=24 * 90,
        help_text="Empty: until somebody releases it.",
    )
    then = forms.ChoiceField(
        label="What happens then",
        required=False,
        choices=[("", "–"), *THEN],
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("lasts") and not given.get("then") and "then" not in self.errors:
            self.add_error("then", "Say what happens when the time is over.")
        if given.get("then") and not given.get("lasts") and "lasts" not in self.errors:
            self.add_error("lasts", "Say how long the hold lasts.")
        return given


class DeskHoldForm(HoldForm):
    """What a person may ask for: only what they might do themselves."""

    def __init__(self, *args: Any, may_release: bool, may_cancel: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        allowed = {Hold.Then.RELEASE: may_release, Hold.Then.CANCEL: may_cancel}
        field = self.fields["then"]
        if isinstance(field, forms.ChoiceField):
            shown = [each for each in Hold.Then.choices if allowed.get(Hold.Then(each[0]), True)]
            field.choices = [("", "–"), *shown]


def ending(params: Mapping[str, Any]) -> Ending | None:
    """The end of a hold as these parameters ask for it, counted from now; None: there is none."""
    if not params.get("lasts"):
        return None
    return Ending(timezone.now() + timedelta(hours=params["lasts"]), Hold.Then(params["then"]))


class ReleaseForm(forms.Form):
    reason = forms.ChoiceField(
        label="Reason",
        choices=[("", "Every hold"), *Hold.Reason.choices],
        required=False,
        help_text="Which hold to end; holds for other reasons stay.",
    )


class CancelForm(forms.Form):
    reason = forms.ChoiceField(label="Reason", choices=Order.CancelReason.choices)


class NoteForm(forms.Form):
    text = forms.CharField(label="Note", max_length=20_000, widget=forms.Textarea)


class ShipForm(forms.Form):
    carrier = forms.CharField(label="Carrier", max_length=60, required=False)
    tracking = forms.CharField(label="Tracking number", max_length=80, required=False)


class RouteForm(forms.Form):
    """Where what is left of an order ships from."""

    place = forms.ModelChoiceField(
        label="Place", queryset=Location.objects.none(), empty_label=None
    )

    def __init__(self, *args: Any, places: QuerySet[Location], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["place"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = places
            field.label_from_instance = lambda place: f"{place.name} ({place.code})"


class PromiseRestForm(forms.Form):
    """The day the rest of an order is promised for."""

    day = forms.DateField(label="Day", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))


class AddressForm(forms.Form):
    """Where an order is shipped to."""

    name = forms.CharField(label="Name", max_length=200)
    lines = forms.CharField(label="Street", widget=forms.Textarea, max_length=500)
    city = forms.CharField(label="Town", max_length=120)
    postcode = forms.CharField(label="Postcode", max_length=20, required=False)
    country = forms.RegexField(
        label="Country", regex="^[A-Z]{2}$", help_text="Two letters, such as GB."
    )


WEEKDAYS = [
    (1, "Monday"),
    (2, "Tuesday"),
    (3, "Wednesday"),
    (4, "Thursday"),
    (5, "Friday"),
    (6, "Saturday"),
    (7, "Sunday"),
]


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
    is_active = forms.BooleanField(label="In use", required=False, initial=True)

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
