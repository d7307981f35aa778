"""Input of pre-orders."""

from __future__ import annotations

from datetime import date

from django import forms
from django.utils import timezone

from inventory.models import Sku
from inventory.queries.skus import skus_by_code
from orders.models.channels import Channel
from orders.models.preorders import PreOrder

CAP = 1_000_000


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
        help_text="Empty: nobody knows yet.",
    )


def _not_over(day: date | None) -> date | None:
    if day is not None and day < timezone.localdate():
        raise forms.ValidationError("That day is over. Promise today or a later day.")
    return day


class CapForm(forms.Form):
    cap = forms.IntegerField(
        label="Sell at most",
        required=False,
        min_value=1,
        max_value=CAP,
        help_text="Units in all; empty: no limit.",
    )


class NewPreOrderForm(forms.Form):
    channel = forms.ModelChoiceField(
        label="Channel",
        queryset=Channel.objects.filter(is_active=True).order_by("name"),
        empty_label=None,
    )
    sku = forms.CharField(label="SKU", max_length=60, help_text="Upper and lower case differ.")
    promised_on = _day("Promised for")
    cap = forms.IntegerField(
        label="Sell at most",
        required=False,
        min_value=1,
        max_value=CAP,
        help_text="Units in all; empty: no limit.",
    )
    billing = forms.ChoiceField(label="Is paid", choices=PreOrder.Billing.choices)
    reserve = forms.ChoiceField(
        label="Stock is set aside",
        choices=PreOrder.Reserve.choices,
        help_text="On the promised day: until then it may be sold to others.",
    )

    def clean_sku(self) -> Sku:
        code = self.cleaned_data["sku"].strip()
        found = skus_by_code({code}).get(code)
        if found is None:
            raise forms.ValidationError(f"There is no SKU {code}.")
        return found

    def clean_promised_on(self) -> date | None:
        return _not_over(self.cleaned_data["promised_on"])


class MoveForm(forms.Form):
    to = _day("Promised for")
    why = forms.CharField(
        label="Why",
        max_length=300,
        help_text="Shown to staff, and to rules that write to the customers.",
    )

    def clean_to(self) -> date | None:
        return _not_over(self.cleaned_data["to"])
