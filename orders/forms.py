"""Input of orders: for screens, and for the parameters of its actions."""

from __future__ import annotations

from django import forms

from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.errors import BadTag
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


class HoldForm(forms.Form):
    reason = forms.ChoiceField(label="Reason", choices=Hold.Reason.choices)
    note = forms.CharField(label="Note", max_length=500, required=False)


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


class AddressForm(forms.Form):
    """Where an order is shipped to."""

    name = forms.CharField(label="Name", max_length=200)
    lines = forms.CharField(label="Street", widget=forms.Textarea, max_length=500)
    city = forms.CharField(label="Town", max_length=120)
    postcode = forms.CharField(label="Postcode", max_length=20, required=False)
    country = forms.RegexField(
        label="Country", regex="^[A-Z]{2}$", help_text="Two letters, such as GB."
    )
