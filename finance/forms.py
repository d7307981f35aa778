"""Input of finance: for screens, and for the parameters of its actions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from backoffice.forms import HiddenMoney, MoneyField
from backoffice.money import Money
from finance.models.payments import Payment
from finance.models.refunds import Refund

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


class ApproveRefundForm(forms.Form):
    """Release exactly what was shown: amount and version travel with the form."""

    amount = MoneyField(widget=HiddenMoney)
    version = forms.IntegerField(widget=forms.HiddenInput)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea)


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
