"""Input about the insurance of parcels."""

from __future__ import annotations

from typing import Any

from django import forms

from backoffice.forms import AmountField


class InsuranceForm(forms.Form):
    """With whom a parcel is insured, and for how much."""

    insurer = forms.CharField(
        label="Insured with", max_length=80, help_text="The carrier, or an insurer."
    )
    amount = AmountField(label="For", min_value=0, max_digits=14, decimal_places=2)
    policy = forms.CharField(label="Their reference", max_length=80, required=False)
    cost = AmountField(
        label="What it cost", required=False, min_value=0, max_digits=14, decimal_places=2
    )

    def __init__(self, *args: Any, currency: str, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("amount", "cost"):
            field = self.fields[name]
            field.label = f"{field.label}, in {currency}"


class UninsuredForm(forms.Form):
    why = forms.CharField(
        label="Why it may go uninsured",
        max_length=300,
        widget=forms.Textarea({"rows": 2}),
        help_text="Whoever agrees reads this.",
    )


class InsureFromForm(forms.Form):
    """From which declared value on parcels of a channel are insured."""

    least = AmountField(
        label="Insure parcels from",
        required=False,
        min_value=0,
        max_digits=14,
        decimal_places=2,
        help_text="Empty: none has to be.",
    )

    def __init__(self, *args: Any, currency: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["least"].label = f"Insure parcels declared from, in {currency}"
