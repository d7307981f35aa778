"""Input of the warehouse: what ships, from where, in which parcels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from backoffice.forms import AmountField
from inventory.models import Location
from orders.models.carriers import CarrierService
from orders.models.orders import Order, OrderLine
from orders.models.packages import PackageLine, TrackerEvent


class ShipForm(forms.Form):
    carrier = forms.CharField(label="Carrier", max_length=60, required=False)
    tracking = forms.CharField(label="Tracking number", max_length=80, required=False)


if TYPE_CHECKING:
    LocationChoice = forms.ModelChoiceField[Location]
else:
    LocationChoice = forms.ModelChoiceField


class PlaceField(LocationChoice):
    """A place of ours, by name and code."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.code})"


class RouteForm(forms.Form):
    """Where what is left of an order ships from."""

    place = PlaceField(label="Place", queryset=Location.objects.none(), empty_label=None)

    def __init__(self, *args: Any, places: QuerySet[Location], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["place"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = places


class PromiseRestForm(forms.Form):
    """The day the rest of an order is promised for."""

    day = forms.DateField(label="Day", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))


def called(line: OrderLine) -> str:
    """What a line is, as one finds it on a shelf: its SKU, then its name."""
    return f"{line.sku.code} {line.description}".strip() if line.sku else line.description


class LinesForm(forms.Form):
    """Units of each line; what can go stands there already."""

    def add_lines(self, lines: Iterable[OrderLine], ready: Mapping[int, int]) -> None:
        for line in lines:
            units = ready.get(line.pk, 0)
            fragile = ", fragile" if line.sku and line.sku.is_fragile else ""
            self.fields[f"line_{line.pk}"] = forms.IntegerField(
                label=f"{called(line)}{fragile}: units",
                min_value=0,
                max_value=line.quantity_open,
                initial=units,
                required=False,
                help_text=f"of {line.quantity_open} still open; {units} can go",
            )

    @property
    def quantities(self) -> dict[int, int] | None:
        """Units by line id; None, all there is, where no line was sent along."""
        names = [name for name in self.fields if name.startswith("line_")]
        if not any(name in self.data for name in names):
            return None
        return {int(name.removeprefix("line_")): self.cleaned_data[name] or 0 for name in names}


class ShipLinesForm(ShipForm, LinesForm):
    """How many units of each line leave."""

    def __init__(
        self, *args: Any, lines: Iterable[OrderLine], ready: Mapping[int, int], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.add_lines(lines, ready)


class PackForm(LinesForm):
    """One parcel: what is in it, what it weighs, what it is worth."""

    weight_grams = forms.IntegerField(
        label="Weight, in grams", required=False, min_value=1, max_value=1_000_000
    )
    side_cm = forms.IntegerField(
        label="Longest side, in cm", required=False, min_value=1, max_value=2_000
    )
    declared = AmountField(
        label="Declared value",
        required=False,
        min_value=0,
        max_digits=14,
        decimal_places=2,
        help_text="Empty: what its goods cost.",
    )

    def __init__(
        self, *args: Any, lines: Iterable[OrderLine], ready: Mapping[int, int], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.add_lines(lines, ready)


class LabelForm(forms.Form):
    """A label that staff bought; for a parcel abroad also what customs ask and no SKU told."""

    service = forms.ModelChoiceField(
        queryset=CarrierService.objects.filter(is_active=True), empty_label=None
    )
    tracking = forms.CharField(label="Tracking number", max_length=80)
    cost = AmountField(
        label="What it cost", required=False, min_value=0, max_digits=14, decimal_places=2
    )
    key = forms.CharField(widget=forms.HiddenInput, max_length=60)

    def __init__(self, *args: Any, customs: Iterable[PackageLine], **options: Any) -> None:
        super().__init__(*args, **options)
        self.customs = [row for row in customs if not row.is_declared]
        for row in self.customs:
            name = called(row.order_line)
            self.fields[f"hs_{row.pk}"] = forms.RegexField(
                r"^[0-9]{6,10}$",
                label=f"{name}: HS code",
                initial=row.hs_code,
                error_messages={
                    "invalid": "Write 6 to 10 digits.",
                    "required": "Customs need this code. It stands in the tariff.",
                },
            )
            self.fields[f"origin_{row.pk}"] = forms.RegexField(
                r"^[A-Z]{2}$",
                label=f"{name}: country of origin",
                initial=row.origin,
                error_messages={
                    "invalid": "Write two letters, such as GB.",
                    "required": "Customs need to know where it was made.",
                },
            )
            self.fields[f"value_{row.pk}"] = AmountField(
                label=f"{name}: value of one unit",
                initial=row.unit_value,
                min_value=0,
                max_digits=14,
                decimal_places=2,
                error_messages={"required": "Customs need a value, also of a gift."},
            )

    @property
    def customs_data(self) -> dict[int, tuple[str, str, Decimal | None]]:
        """Code, origin and value of one unit, by the line of the parcel."""
        given = self.cleaned_data
        return {
            row.pk: (given[f"hs_{row.pk}"], given[f"origin_{row.pk}"], given[f"value_{row.pk}"])
            for row in self.customs
        }


class TrackingForm(forms.Form):
    """What a carrier says of a parcel."""

    state = forms.ChoiceField(label="The carrier says", choices=TrackerEvent.State.choices)
    occurred_at = forms.DateTimeField(
        label="When",
        widget=forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )
    note = forms.CharField(label="Note", max_length=200, required=False)

    def clean_occurred_at(self) -> Any:
        at = self.cleaned_data["occurred_at"]
        if at > timezone.now() + timedelta(minutes=5):
            raise forms.ValidationError("That is still to come. Note it when it has happened.")
        return at


class ServiceChoiceForm(forms.Form):
    """The service an order leaves with: a certain one, for a reason, or the cheapest in time."""

    service = forms.ModelChoiceField(
        queryset=CarrierService.objects.filter(is_active=True),
        required=False,
        empty_label="the cheapest that arrives in time",
    )
    why = forms.CharField(
        label="Why this one",
        max_length=300,
        required=False,
        help_text="Only where you choose a certain one.",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("service") and not values.get("why", "").strip():
            self.add_error("why", "Say why this service.")
        return values


class DeliveryForm(forms.Form):
    """Delivered or collected, and what the customer pays for it."""

    method = forms.ChoiceField(label="The order is", choices=Order.Method.choices)
    pickup_at = PlaceField(
        label="Collected at",
        queryset=Location.objects.none(),
        required=False,
        empty_label="–",
    )
    service = forms.ModelChoiceField(
        label="Delivered with",
        queryset=CarrierService.objects.filter(is_active=True),
        required=False,
        empty_label="as the channel ships",
    )
    fee = AmountField(label="Delivery fee", min_value=0, max_digits=14, decimal_places=2)

    def __init__(
        self, *args: Any, places: QuerySet[Location], currency: str, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.fields["fee"].help_text = f"In {currency}. Its tax keeps its rate."
        field = self.fields["pickup_at"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = places

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("method") == Order.Method.PICKUP:
            if not given.get("pickup_at"):
                self.add_error("pickup_at", "Say where it is collected.")
            given["service"] = None
        else:
            given["pickup_at"] = None
        return given


class TrackingFileForm(forms.Form):
    """Many tracking numbers, as a file."""

    file = forms.FileField(
        label="CSV file",
        help_text="Nothing is done before you have seen every row.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
    )
    leave = forms.BooleanField(
        label="These parcels have left",
        required=False,
        help_text="Ticked: they are handed over too, which can't be taken back.",
    )
