"""Carts from a file, and when a cart counts as abandoned."""

from __future__ import annotations

from django import forms


class CartFileForm(forms.Form):
    """Carts, as a file."""

    file = forms.FileField(
        label="CSV file",
        help_text="Nothing is done before you have seen every cart.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
    )


class CartMinutesForm(forms.Form):
    """When carts of a channel count as abandoned."""

    minutes = forms.IntegerField(
        label="Minutes without anybody touching it",
        min_value=0,
        max_value=20_160,
        help_text="0: none ever does.",
    )
