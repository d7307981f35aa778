"""Form fields that every app shares."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backoffice.money import Money


class MoneyWidget(forms.MultiWidget):
    """An amount beside its currency."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        amount = forms.NumberInput({"inputmode": "decimal", "step": "any", "aria-label": "Amount"})
        currency = forms.TextInput({"size": 3, "maxlength": 3, "aria-label": "Currency"})
        super().__init__([amount, currency], attrs)

    def decompress(self, value: Any) -> list[Any]:
        return [value.amount, value.currency] if isinstance(value, Money) else [None, None]


class HiddenMoney(MoneyWidget):
    """What was shown, sent back unseen."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        forms.MultiWidget.__init__(self, [forms.HiddenInput(), forms.HiddenInput()], attrs)


class MoneyField(forms.MultiValueField):
    """Money of any currency, in whole minor units; empty is None."""

    widget = MoneyWidget

    def __init__(self, **options: Any) -> None:
        fields = (
            # A thousandth of what a column holds, so that no sum of what people type overflows.
            forms.DecimalField(max_digits=16, decimal_places=4),
            forms.RegexField(r"^[A-Z]{3}$", error_messages={"invalid": "Write it like GBP."}),
        )
        super().__init__(fields=fields, **options)

    def compress(self, data_list: Sequence[Any]) -> Money | None:
        amount, currency = data_list or (None, None)
        if amount is None and not currency:
            return None
        if amount is None:
            raise ValidationError("Enter an amount beside the currency.")
        if not currency:
            raise ValidationError("Enter the currency beside the amount, such as GBP.")
        money = Money(Decimal(amount), currency)
        if money != money.rounded():
            raise ValidationError(f"{currency} has no such small amounts.")
        return money
