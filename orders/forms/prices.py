"""Prices, floors, rates and how far prices may move."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from backoffice.forms import AmountField, NumberField
from orders.models.channels import Channel
from orders.services.errors import WrongAmount
from orders.services.prices import check_amount


class PriceForm(forms.Form):
    """A new price of a product in a channel."""

    amount = AmountField(label="New price", max_digits=13, decimal_places=4)
    starts_at = forms.DateTimeField(
        label="From",
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M"),
        help_text="Left empty: at once.",
    )
    why = forms.CharField(label="Why", max_length=300)

    def __init__(self, *args: Any, channel: Channel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel = channel
        self.fields["amount"].label = f"New price in {channel.currency}"

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        try:
            check_amount(amount, self.channel)
        except WrongAmount as error:
            raise forms.ValidationError(str(error)) from error
        return amount

    def clean_starts_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["starts_at"]
        if at is not None and at < timezone.now():
            raise forms.ValidationError("This is over. Leave it empty, or choose a later time.")
        return at


class FloorForm(forms.Form):
    """The least a product may cost."""

    amount = AmountField(
        label="Least price",
        max_digits=13,
        decimal_places=4,
        min_value=Decimal(0),
        required=False,
        help_text="Left empty: what a unit costs us. Less than now takes another of finance.",
    )
    why = forms.CharField(label="Why", max_length=300)


class AgreeForm(forms.Form):
    """A yes, with a remark where one is worth it."""

    note = forms.CharField(label="Remark", max_length=300, required=False)


class RefuseForm(forms.Form):
    """A no, with its reason."""

    note = forms.CharField(label="Why not", max_length=300)


class PriceFileForm(forms.Form):
    """Many prices, as a file."""

    file = forms.FileField(
        label="CSV file",
        help_text="Nothing is done before you have seen every row.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
    )
    store = forms.ModelChoiceField(
        Channel.objects.filter(is_active=True, prices_from=None).order_by("name"),
        label="Store",
        required=False,
        empty_label="As each row says",
        help_text="Of rows that name none.",
    )


class RateForm(forms.Form):
    """What one unit of a currency is worth in another."""

    base = forms.RegexField("^[A-Za-z]{3}$", label="One", help_text="Such as GBP.")
    rate = NumberField(label="Is worth", max_digits=17, decimal_places=8)
    quote = forms.RegexField("^[A-Za-z]{3}$", label="Of", help_text="Such as EUR.")
    on_date = forms.DateField(label="Of the day", widget=forms.DateInput(attrs={"type": "date"}))
    source = forms.CharField(
        label="From where", max_length=80, help_text="Such as European Central Bank."
    )

    def clean_base(self) -> str:
        return str(self.cleaned_data["base"]).upper()

    def clean_quote(self) -> str:
        return str(self.cleaned_data["quote"]).upper()


class PriceGuardForm(forms.Form):
    """How far prices of a channel may move, and whose they follow."""

    price_variance = forms.IntegerField(
        label="A price that moves by more percent waits for finance",
        min_value=0,
        max_value=1000,
        help_text="0: every price does. Orders at prices so far off are held.",
    )
    prices_from = forms.ModelChoiceField(
        Channel.objects.none(),
        label="Prices follow those of",
        required=False,
        empty_label="No other channel",
        help_text="Converted by the newest exchange rate.",
    )
    why = forms.CharField(
        label="Why",
        max_length=300,
        required=False,
        help_text="For whoever agrees that they may move further.",
    )

    def __init__(self, *args: Any, channel: Channel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.channel = channel
        field = self.fields["prices_from"]
        if isinstance(field, forms.ModelChoiceField):
            others = Channel.objects.filter(prices_from=None).exclude(pk=channel.pk)
            field.queryset = others.order_by("name")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        wider = values.get("price_variance", 0) > self.channel.price_variance
        if wider and not values.get("why", "").strip():
            self.add_error("why", "Say why: another of finance has to agree to it.")
        return values
