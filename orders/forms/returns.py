"""Input of returns: for screens, and for the parameters of their actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from orders.models.channels import Channel
from orders.models.orders import OrderLine
from orders.models.returns import ReturnLine, ReturnOrder


class RequestForm(forms.Form):
    """How many units of each line come back, and why."""

    reason = forms.ChoiceField(choices=ReturnOrder.Reason.choices)

    def __init__(self, *args: Any, lines: Sequence[tuple[OrderLine, int]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for line, left in lines:
            self.fields[f"line_{line.pk}"] = forms.IntegerField(
                label=line.description or str(line.sku),
                min_value=0,
                max_value=left,
                initial=0,
                help_text=f"of {left} that can come back",
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not any(values.get(name) for name in self.fields if name.startswith("line_")):
            raise forms.ValidationError("Say how many units of at least one line come back.")
        return values


class TakeDownForm(forms.Form):
    """A request by mail or telephone, or a parcel that nobody announced."""

    channel = forms.ModelChoiceField(
        label="Sold through", queryset=Channel.objects.filter(is_active=True)
    )
    reference = forms.CharField(
        label="Order number",
        max_length=80,
        required=False,
        help_text="Ours or the shop’s. Empty or unknown: it waits in the queue without an order.",
    )
    goods = forms.CharField(
        label="Goods",
        max_length=4000,
        widget=forms.Textarea({"rows": 4}),
        help_text="One product a line: its SKU, a space and how many, such as MUG 2.",
    )
    reason = forms.ChoiceField(choices=ReturnOrder.Reason.choices)

    def clean_goods(self) -> dict[str, int]:
        goods: dict[str, int] = {}
        for row in self.cleaned_data["goods"].splitlines():
            if not row.strip():
                continue
            code, _, count = row.strip().rpartition(" ")
            if not code or not count.isdecimal() or not 0 < len(count) < 7 or int(count) == 0:
                raise forms.ValidationError(
                    f"“{row.strip()[:60]}” is not a SKU and how many. Write it like MUG 2."
                )
            goods[code.strip()] = goods.get(code.strip(), 0) + int(count)
        return goods


class AuthoriseForm(forms.Form):
    why = forms.CharField(
        label="Why",
        max_length=300,
        required=False,
        help_text="Needed for a return that was asked for too late.",
    )


class RefusalForm(forms.Form):
    refusal = forms.ChoiceField(label="Why not", choices=ReturnOrder.Refusal.choices)


class WayBackForm(forms.Form):
    """How goods come back: a label, a place where they are handed in, or both."""

    carrier = forms.CharField(label="Carrier", max_length=60, required=False)
    tracking = forms.CharField(label="Number of the label", max_length=80, required=False)
    pickup_point = forms.CharField(
        label="Handed in or collected at",
        max_length=200,
        required=False,
        help_text="Such as a parcel shop and its number.",
    )


class MatchForm(forms.Form):
    reference = forms.CharField(
        label="Order number", max_length=80, help_text="Ours, or the shop’s."
    )


class InspectForm(forms.Form):
    """How many units of each line are scrapped; the rest goes back in stock."""

    def __init__(self, *args: Any, lines: Sequence[ReturnLine], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for line in lines:
            self.fields[f"scrap_{line.pk}"] = forms.IntegerField(
                label=f"Scrap of {line.description or line.sku}",
                required=False,
                min_value=0,
                max_value=line.quantity,
                help_text=f"{line.quantity} came back. Empty: none of it.",
            )

    def units(self) -> dict[int, int]:
        """Units to scrap by return line's id."""
        return {
            int(name.removeprefix("scrap_")): count or 0
            for name, count in self.cleaned_data.items()
        }


class WindowForm(forms.Form):
    return_days = forms.IntegerField(
        label="Goods may be sent back within, in days",
        min_value=0,
        max_value=3650,
        help_text="Counted from delivery, or from dispatch where no carrier told of it.",
    )
