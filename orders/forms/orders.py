"""Input of orders: for screens, and for the parameters of its actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from backoffice.territories import countries
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.address_rules import check_postcode
from orders.services.drafts import Address
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


# What an approver decides about is held by the order's own arithmetic alone.
REASONS = [each for each in Hold.Reason.choices if each[0] != Hold.Reason.APPROVAL]


class HoldForm(forms.Form):
    reason = forms.ChoiceField(label="Reason", choices=REASONS)
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


class AddressForm(forms.Form):
    """Where an order is shipped to."""

    name = forms.CharField(label="Name", max_length=200)
    lines = forms.CharField(label="Street", widget=forms.Textarea, max_length=500)
    city = forms.CharField(label="Town", max_length=120)
    postcode = forms.CharField(label="Postcode", max_length=20, required=False)
    country = forms.ChoiceField(
        label="Country", choices=lambda: [("", "choose…"), *countries()], widget=forms.Select
    )
    # Shown once a postcode was refused: formats are known, streets are not.
    sure = forms.BooleanField(
        label="The postcode is right as it stands", required=False, widget=forms.HiddenInput
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        sure = given.pop("sure", False)
        if "country" not in given or "postcode" not in given or sure:
            return given
        said = {name: given.get(name, "") for name in ("name", "lines", "city")}
        address = Address(**said, postcode=given["postcode"], country=given["country"])
        problem, meant = check_postcode(address)
        if problem:
            proposal = f" Did you mean {meant}?" if meant else ""
            self.add_error("postcode", f"{problem}{proposal}")
            self.fields["sure"].widget = forms.CheckboxInput()
        return given
