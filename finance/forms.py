"""Input of finance: for screens, and for the parameters of its actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from babel.numbers import get_currency_precision
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from backoffice.counting import counted
from backoffice.forms import AmountField, HiddenMoney, MoneyField
from backoffice.money import Money
from finance.models.payments import Payment
from finance.models.refunds import Refund, RefundLine
from finance.services.parts import NewPart, Offered

OLDEST = timedelta(days=3653)


def _above_zero(money: Money) -> None:
    if money.amount <= 0:
        raise ValidationError("Enter an amount above zero.")


class RequestRefundForm(forms.Form):
    """Ask for money back. Without an amount: all that can still be refunded."""

    amount = MoneyField(
        required=False,
        validators=[_above_zero],
        help_text="Leave empty for all that can still be refunded.",
    )
    reason = forms.ChoiceField(choices=Refund.Reason.choices)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea)


class PartsForm(forms.Form):
    """How much of each line, of delivery and beyond goes back; what is proposed stands there."""

    reason = forms.ChoiceField(choices=Refund.Reason.choices)

    def __init__(self, *args: Any, rows: Sequence[Offered], currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows = rows
        for row in rows:
            units = f" for {counted(row.units, 'unit')}" if row.units else ""
            self.fields[row.key] = AmountField(
                label=row.label,
                currency=currency,
                required=False,
                min_value=0,
                max_value=row.left.amount,
                max_digits=19,
                decimal_places=get_currency_precision(currency),
                initial=row.proposed.plain(),
                help_text=f"proposed {row.proposed}{units}; at most {row.left}, tax included",
            )
        self.fields["other"] = AmountField(
            label="Anything else",
            currency=currency,
            required=False,
            min_value=0,
            max_digits=16,
            decimal_places=get_currency_precision(currency),
            help_text=f"In {currency}, such as a sign of goodwill.",
        )
        self.fields["note"] = forms.CharField(
            required=False, max_length=2000, widget=forms.Textarea({"rows": 3})
        )
        self.fields["key"] = forms.CharField(widget=forms.HiddenInput, max_length=60)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and not self.parts():
            raise ValidationError("Enter an amount above zero for at least one line.")
        return values

    def parts(self) -> tuple[NewPart, ...]:
        """What was entered; units are told where the amount is the proposal's own."""
        parts = []
        for row in self.rows:
            amount = self.cleaned_data.get(row.key)
            if amount:
                units = row.units if row.units and amount == row.proposed.amount else None
                parts.append(NewPart(row.what, amount, row.line.pk if row.line else None, units))
        if other := self.cleaned_data.get("other"):
            parts.append(NewPart(RefundLine.What.OTHER, other))
        return tuple(parts)


class ApproveRefundForm(forms.Form):
    """Release exactly what was shown: amount and version travel with the form."""

    amount = MoneyField(widget=HiddenMoney)
    version = forms.IntegerField(widget=forms.HiddenInput)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea)


class LimitForm(forms.Form):
    """What one person may pay back alone."""

    amount = MoneyField(label="At once, at most", help_text="Zero: each refund takes two people.")
    a_day = MoneyField(label="In 24 hours, at most", help_text="Together, of each person.")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        once, day = given.get("amount"), given.get("a_day")
        if once and day and once.currency != day.currency:
            self.add_error("a_day", f"Write it in {once.currency} too.")
        elif once and day and not 0 <= once.amount <= day.amount:
            self.add_error("a_day", "That is less than one refund. Enter at least as much.")
        return given


class AnswerLimitForm(forms.Form):
    """The limit that was seen travels with the answer."""

    amount = MoneyField(widget=HiddenMoney)
    a_day = MoneyField(widget=HiddenMoney)


class RejectRefundForm(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput)
    note = forms.CharField(label="Why not", max_length=2000, widget=forms.Textarea)


class RecordPaymentForm(forms.Form):
    """A payment that reached us outside the provider's reports."""

    amount = MoneyField(validators=[_above_zero])
    method = forms.ChoiceField(
        choices=Payment.Method.choices, initial=Payment.Method.TRANSFER.value
    )
    provider = forms.CharField(max_length=40, initial="bank")
    external_id = forms.CharField(label="Reference", max_length=120)
    received_at = forms.DateTimeField(
        label="Received",
        widget=forms.DateTimeInput({"type": "datetime-local", "step": 1}, "%Y-%m-%dT%H:%M:%S"),
    )

    def clean_received_at(self) -> datetime:
        at: datetime = self.cleaned_data["received_at"]
        if at > timezone.now():
            raise ValidationError("This is still to come. Enter when the money was received.")
        if at < timezone.now() - OLDEST:
            raise ValidationError("This is more than ten years ago. Check the year.")
        return at

    def clean_provider(self) -> Any:
        return self.cleaned_data["provider"].strip().lower()
