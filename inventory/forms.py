"""Input of inventory: for screens, and for the parameters of its actions."""

from __future__ import annotations

from django import forms


class ReorderPointForm(forms.Form):
    point = forms.IntegerField(
        label="Reorder point",
        min_value=0,
        max_value=1_000_000,
        help_text="People are told when this many or fewer can still be sold.",
    )


class MovementForm(forms.Form):
    """A receipt, a write-off or an inspection of one SKU."""

    quantity = forms.IntegerField(label="Quantity", min_value=1, max_value=10_000_000)
    note = forms.CharField(label="Why, in a word", max_length=60, required=False)


class AdjustmentForm(forms.Form):
    """A correction of what is on hand, up or down."""

    quantity = forms.IntegerField(
        label="Difference", min_value=-10_000_000, max_value=10_000_000, help_text="Such as −2."
    )
    note = forms.CharField(label="Why, in a word", max_length=60)

    def clean_quantity(self) -> int:
        quantity: int = self.cleaned_data["quantity"]
        if not quantity:
            raise forms.ValidationError("A difference of zero changes nothing.")
        return quantity


class CustomsForm(forms.Form):
    """What customs ask about a SKU that goes abroad."""

    hs_code = forms.RegexField(
        r"^[0-9]{6,10}$",
        label="HS code",
        required=False,
        error_messages={"invalid": "Write 6 to 10 digits."},
        help_text="From the customs tariff.",
    )
    origin = forms.RegexField(
        r"^[A-Z]{2}$",
        label="Country of origin",
        required=False,
        error_messages={"invalid": "Write two letters, such as GB."},
        help_text="Where it was made.",
    )
