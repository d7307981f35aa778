"""Amounts as people type them: understood without doubt, or refused with what to write."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django import forms
from django.core.exceptions import ValidationError

from backoffice.amounts import read_amount, read_number
from backoffice.forms import AmountField, MoneyField, NumberField
from backoffice.money import Money
from backoffice.workbench.filters import Amount, FilterError


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [
        ("12.50", "GBP", "12.50"),
        ("12,50", "GBP", "12.50"),
        ("300,5", "GBP", "300.5"),
        ("1,234.50", "GBP", "1234.50"),
        ("1.234,50", "EUR", "1234.50"),
        ("1 234,50", "EUR", "1234.50"),
        ("1\u202f234,50 €", "EUR", "1234.50"),
        ("1'234.50", "CHF", "1234.50"),
        ("1,234", "GBP", "1234"),
        ("1.234.567", "GBP", "1234567"),
        ("£12.50", "GBP", "12.50"),
        ("12.50 GBP", "GBP", "12.50"),
        ("$5", "CAD", "5"),
        ("−£5", "GBP", "-5"),
        (" .5 ", "GBP", "0.5"),
        ("1.234", "KWD", "1.234"),
    ],
)
def test_an_amount_is_read_as_it_was_meant(typed: str, currency: str, amount: str) -> None:
    assert read_amount(typed, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("typed", "currency", "says"),
    [
        ("1.234", "GBP", "two ways. Write 1234, or 1.23."),
        ("1,234", "KWD", "two ways. Write 1234, or 1.2340."),
        ("1.234", "JPY", "two ways. Write 1234."),
        ("€12", "GBP", "The amount says €, and its currency is GBP."),
        ("12 EUR", "GBP", "The amount says EUR, and its currency is GBP."),
        *[
            (typed, "GBP", "is no number. Write it like 1234.50.")
            for typed in (
                "", "12,", "1,23,4", "1,2345.5", "12 50", "1e5", "NaN", "--5", "1£2", "١٢",
                "1234,567.00", "9" * 41,
            )
        ],
    ],
)  # fmt: skip
def test_an_amount_in_doubt_is_refused_with_what_to_write(
    typed: str, currency: str, says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_amount(typed, currency)


def test_a_point_is_a_decimal_point_where_thousandths_count() -> None:
    assert read_number("1.234") == Decimal("1.234")
    assert read_number("0,125") == Decimal("0.125")
    with pytest.raises(ValueError, match="two ways"):
        read_number("1,234")


class Typed(forms.Form):
    amount = AmountField()
    weight = NumberField()
    money = MoneyField()


def test_fields_read_as_people_type_and_are_no_number_inputs() -> None:
    """A browser's number input drops the comma: 12,50 would be sent as 1250."""
    assert AmountField(currency="GBP").clean("12,50") == Decimal("12.50")
    assert NumberField().clean("1.234,5") == Decimal("1234.5")
    money = MoneyField()
    assert money.clean(["1.234,50", "EUR"]) == Money(Decimal("1234.50"), "EUR")
    assert MoneyField(required=False).clean(["", "GBP"]) is None
    drawn = Typed().as_p()
    assert drawn.count('inputmode="decimal"') == 3
    assert 'type="number"' not in drawn
    for clean in (AmountField(currency="GBP").clean, lambda typed: money.clean([typed, "GBP"])):
        with pytest.raises(ValidationError, match="two ways"):
            clean("1.234")


def test_a_list_s_filter_reads_amounts_alike() -> None:
    total = Amount(key="total", label="Total", currency="GBP")
    assert total.condition(["gte:1.234,50"]) == total.condition(["gte:1234.50"])
    with pytest.raises(FilterError, match=r"Total: “1\.234” can be read in two ways"):
        total.condition(["gte:1.234"])
