"""Input about trust in orders: verdicts, the blocklist, signals, credit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from backoffice.forms import MoneyField
from backoffice.territories import countries
from orders.models.credit import CreditAccount
from orders.models.trust import MarkKind, RiskSignal
from orders.services.errors import OrderError
from orders.services.marks import clean_mark

Kind, Mode = RiskSignal.Kind, RiskSignal.Mode


class WhyForm(forms.Form):
    """Why something was decided."""

    reason = forms.CharField(label="Why", max_length=500, widget=forms.Textarea({"rows": 3}))


class OptionalWhyForm(forms.Form):
    """Why something was decided, where the deed speaks for itself."""

    reason = forms.CharField(
        label="Why", max_length=500, required=False, widget=forms.Textarea({"rows": 3})
    )


class FraudForm(WhyForm):
    """An order is a fraud: what else is to be done about it."""

    cancel = forms.BooleanField(label="Cancel the order too", required=False)
    block = forms.MultipleChoiceField(
        label="Put on the blocklist", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self, *args: Any, marks: list[MarkKind], may_cancel: bool, may_block: bool, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        block = self.fields["block"]
        if isinstance(block, forms.MultipleChoiceField):
            block.choices = [(kind.value, kind.label) for kind in marks]
        if not may_cancel:
            del self.fields["cancel"]
        if not marks or not may_block:
            del self.fields["block"]


class BlockForm(forms.Form):
    """A mark for the blocklist."""

    kind = forms.ChoiceField(label="What", choices=MarkKind.choices)
    value = forms.CharField(
        label="Which",
        max_length=300,
        help_text="An address as street, postcode, country: 14 Royal Crescent, BA1 2LX, GB.",
    )
    reason = forms.CharField(label="Why", max_length=300)
    days = forms.IntegerField(
        label="For how many days",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Empty: until somebody takes it off.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("kind") and given.get("value"):
            try:
                clean_mark(MarkKind(given["kind"]), given["value"])
            except OrderError as error:
                self.add_error("value", str(error))
        return given


def until(days: int | None) -> datetime | None:
    """The end of an entry that lasts so many days from now; None: it has none."""
    return timezone.now() + timedelta(days=days) if days else None


class BlockBuyerForm(forms.Form):
    """Which marks of an order's buyer go on the blocklist."""

    kinds = forms.MultipleChoiceField(
        label="What", choices=MarkKind.choices, widget=forms.CheckboxSelectMultiple
    )
    reason = forms.CharField(label="Why", max_length=300)
    days = forms.IntegerField(
        label="For how many days",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Empty: until somebody takes it off.",
    )


class SignalForm(forms.Form):
    """What a signal looks for, and what follows; the fields of its kind alone."""

    name = forms.CharField(label="Name", max_length=80)
    mark = forms.ChoiceField(label="The same", choices=MarkKind.choices)
    orders = forms.IntegerField(
        label="Orders", min_value=2, max_value=1000, help_text="So many or more, this one included."
    )
    minutes = forms.IntegerField(label="Within, in minutes", min_value=1, max_value=525_600)
    countries = forms.CharField(
        label="Countries", max_length=600, help_text="Codes such as FR, NG; commas between."
    )
    mode = forms.ChoiceField(label="What follows", choices=Mode.choices)
    weight = forms.IntegerField(
        label="Weight", min_value=0, max_value=100, help_text="Adds to the score of the order."
    )
    reason = forms.CharField(label="Why this change", max_length=300)

    def __init__(self, *args: Any, kind: RiskSignal.Kind, **options: Any) -> None:
        super().__init__(*args, **options)
        if kind != Kind.VELOCITY:
            for name in ("mark", "orders", "minutes"):
                del self.fields[name]
        if kind != Kind.REGION:
            del self.fields["countries"]

    def clean_countries(self) -> list[str]:
        codes = self.cleaned_data["countries"].upper().replace(",", " ").split()
        known = dict(countries())
        if wrong := [code for code in codes if code not in known]:
            raise forms.ValidationError(f"There is no country {', '.join(wrong)}.")
        return sorted(set(codes))


class NewSignalForm(SignalForm):
    """A new signal: it begins in monitor, so nothing follows from it yet."""

    def __init__(self, *args: Any, kind: RiskSignal.Kind, **options: Any) -> None:
        super().__init__(*args, kind=kind, **options)
        for name in ("mode", "reason"):
            del self.fields[name]
        self.fields["weight"].initial = 20


class CreditForm(forms.Form):
    """What a company may order unpaid."""

    limit = MoneyField(label="Limit", initial=[None, "GBP"])
    resets = forms.ChoiceField(label="Counts anew", choices=CreditAccount.Resets.choices)
    answer_hours = forms.IntegerField(
        label="An approver has, in hours",
        min_value=1,
        max_value=720,
        initial=24,
        help_text="Then the order is brought before people once more.",
    )
    is_active = forms.BooleanField(label="In use", required=False, initial=True)
    reason = forms.CharField(label="Why", max_length=300)


class ChecksForm(forms.Form):
    """What a channel looks at in new orders."""

    checks_addresses = forms.BooleanField(
        label="Hold orders whose delivery address can't be right", required=False
    )
    duplicate_hours = forms.IntegerField(
        label="Hold an order like one placed within so many hours",
        min_value=0,
        max_value=720,
        help_text="0: duplicates are not looked for.",
    )
