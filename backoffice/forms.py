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
        if not isinstance(value, Money):
            return [None, None]
        return [value.plain(), value.currency]


class HiddenMoney(MoneyWidget):
    """What was shown, sent back unseen."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        forms.MultiWidget.__init__(self, [forms.HiddenInput(), forms.HiddenInput()], attrs)


class MoneyField(forms.MultiValueField):
    """Money of any currency, in whole minor units; None without an amount.

    `initial` is Money, or `[None, "GBP"]` for a currency that waits for its amount.
    """

    widget = MoneyWidget

    def __init__(self, **options: Any) -> None:
        fields = (
            # A thousandth of what a column holds, so that no sum of what people type overflows.
            forms.DecimalField(max_digits=16, decimal_places=4),
            forms.RegexField(r"^[A-Z]{3}$", error_messages={"invalid": "Write it like GBP."}),
        )
        super().__init__(fields=fields, **options)

    def compress(self, data_list: Sequence[Any]) -> Money | None:
        amount, currency = [*data_list, None, None][:2]
        if amount is None:
            return None
        if not currency:
            raise ValidationError("Say the currency too, such as GBP.", code="incomplete")
        money = Money(Decimal(amount), currency)
        if money != money.rounded():
            raise ValidationError(f"{currency} has no such small amounts.")
        return money
