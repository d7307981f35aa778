"""Input of claims and exchanges: for screens, and for the parameters of their actions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import Any

from django import forms
from django.db.models import Q

from backoffice.amounts import read_amount
from inventory.models import Sku
from orders.models.claims import Claim
from orders.models.orders import OrderLine
from orders.models.returns import ReturnOrder
from orders.services.exchanges import NewGoods

# Products that are named for words that are no SKU.
_PROPOSALS = 5


class UnitsForm(forms.Form):
    """So many units of each line; a subclass says of what."""

    of = "of {} here"
    nothing = "Say how many units of at least one line it is about."

    def __init__(self, *args: Any, lines: Sequence[tuple[OrderLine, int]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for line, left in lines:
            self.fields[f"line_{line.pk}"] = forms.IntegerField(
                label=line.description or str(line.sku),
                required=False,
                min_value=0,
                max_value=left,
                initial=0,
                help_text=self.of.format(left),
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and not self.units():
            raise forms.ValidationError(self.nothing)
        return values

    def units(self) -> dict[int, int]:
        """Units by the id of their order line, those above zero."""
        return {
            int(name.removeprefix("line_")): count
            for name, count in self.cleaned_data.items()
            if name.startswith("line_") and count
        }


class ClaimForm(UnitsForm):
    of = "of {} that no claim stands for yet"

    reason = forms.ChoiceField(choices=Claim.Reason.choices)
    evidence = forms.CharField(
        label="What the customer says and shows",
        max_length=4000,
        required=False,
        widget=forms.Textarea({"rows": 4}),
    )


class ReshipForm(forms.Form):
    note = forms.CharField(
        label="Note", max_length=1000, required=False, widget=forms.Textarea({"rows": 3})
    )


class RefuseClaimForm(forms.Form):
    note = forms.CharField(label="Why not", max_length=1000, widget=forms.Textarea({"rows": 3}))


class ExchangeForm(UnitsForm):
    of = "of {} that can come back"
    nothing = "Say how many units of at least one line come back."

    reason = forms.ChoiceField(choices=ReturnOrder.Reason.choices)
    goods = forms.CharField(
        label="Goods that leave",
        max_length=4000,
        widget=forms.Textarea({"rows": 3}),
        help_text="One product a line: its SKU, how many and the price of one, such as "
        "MUG 2 12.50. Without a price, as the order sold it. A part of its name finds the SKU.",
    )
    why = forms.CharField(
        label="Why it is taken late",
        max_length=300,
        required=False,
        help_text="For an order whose return window is over.",
    )

    def clean_goods(self) -> list[NewGoods]:
        goods = [_goods(row) for row in self.cleaned_data["goods"].splitlines() if row.strip()]
        codes = {each.sku for each in goods}
        known = set(Sku.objects.filter(code__in=codes).values_list("code", flat=True))
        for each in goods:
            if each.sku not in known:
                raise forms.ValidationError(_proposed(each.sku))
        return goods


def _proposed(words: str) -> str:
    """What to write for a product that was written by its name, or by a part of its SKU."""
    named = Q(code__istartswith=words)
    named |= reduce(and_, (Q(name__icontains=word) for word in words.split()))
    found = list(Sku.objects.filter(named, is_active=True).order_by("code")[: _PROPOSALS + 1])
    if not found:
        return f"There is no product “{words[:60]}”, by its SKU or its name."
    listed = "; ".join(f"{sku.code} {sku.name}".strip() for sku in found[:_PROPOSALS])
    more = " and more" if len(found) > _PROPOSALS else ""
    return f"“{words[:60]}” is no SKU. Write the first word of one of these: {listed}{more}."


def _goods(row: str) -> NewGoods:
    """`MUG 2 12.50` or `MUG 2`; raises ValidationError."""
    match row.split():
        case [*words, count, price] if words and _whole(count) and not _whole(price):
            return NewGoods(" ".join(words), int(count), _price(price, row))
        case [code, count, price] if _whole(count):
            return NewGoods(code, int(count), _price(price, row))
        case [*words, count] if words and _whole(count):
            return NewGoods(" ".join(words), int(count))
    raise forms.ValidationError(
        f"“{row.strip()[:60]}” is not a SKU, how many and a price. Write it like MUG 2 12.50."
    )


def _whole(text: str) -> bool:
    return text.isdecimal() and len(text) < 7 and int(text) > 0


def _price(text: str, row: str) -> Decimal:
    try:
        price = read_amount(text)
    except ValueError as error:
        raise forms.ValidationError(f"“{row.strip()[:60]}”: {error}") from error
    if not 0 <= price < Decimal(10) ** 9 or price != round(price, 4):
        raise forms.ValidationError(f"“{text[:20]}” in “{row.strip()[:60]}” is no price.")
    return price
