"""Form fields that every app shares."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backoffice.amounts import read_amount, read_number
from backoffice.money import Money

# Text, as a browser's number field drops a comma: 12,50 would be sent as 1250, or as nothing.
_TYPED = {"inputmode": "decimal", "autocomplete": "off"}


class NumberField(forms.DecimalField):
    """A decimal number as people type it; what is in doubt is refused at the field."""

    widget = forms.TextInput

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.attrs = _TYPED | self.widget.attrs

    def typed(self, text: str) -> Decimal:
        """The number in a text; raises ValueError."""
        return read_number(text)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            try:
                value = self.typed(value)
            except ValueError as error:
                raise ValidationError(str(error), code="invalid") from error
        return super().to_python(value)


class AmountField(NumberField):
    """An amount of `currency`, which is shown beside it; empty where it is not known yet."""

    def __init__(self, *, currency: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.currency = currency

    def typed(self, text: str) -> Decimal:
        return read_amount(text, self.currency)


class MoneyWidget(forms.MultiWidget):
    """An amount beside its currency."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        amount = forms.TextInput(_TYPED | {"aria-label": "Amount"})
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

    def clean(self, value: Any) -> Money | None:
        match value:
            case [str(typed), str(currency)] if typed.strip():
                try:
                    value = [read_amount(typed, currency.strip()), currency]
                except ValueError as error:
                    raise ValidationError(str(error), code="invalid") from error
        cleaned: Money | None = super().clean(value)
        return cleaned

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
