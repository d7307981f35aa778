"""What people type about orders, and the parameters of actions on them."""

from __future__ import annotations

from django import forms

from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.errors import BadTag
from orders.services.tags import clean_tag


class TagForm(forms.Form):
    tag = forms.CharField(
        max_length=40, help_text="Lower-case letters, digits and hyphens, such as high-value."
    )

    def clean_tag(self) -> str:
        try:
            return clean_tag(self.cleaned_data["tag"])
        except BadTag as error:
            raise forms.ValidationError(str(error)) from error


class HoldForm(forms.Form):
    reason = forms.ChoiceField(choices=Hold.Reason.choices)
    note = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What the next person should know.",
    )


class CancelForm(forms.Form):
    reason = forms.ChoiceField(choices=Order.CancelReason.choices)


class ShipForm(forms.Form):
    carrier = forms.CharField(max_length=60, required=False)
    tracking = forms.CharField(max_length=80, required=False, label="Tracking number")


class AddressForm(forms.Form):
    name = forms.CharField(max_length=200)
    lines = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), label="Street")
    city = forms.CharField(max_length=120, required=False)
    postcode = forms.CharField(max_length=20, required=False)
    country = forms.CharField(
        max_length=2, min_length=2, help_text="Two letters, such as GB or DE."
    )

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()
