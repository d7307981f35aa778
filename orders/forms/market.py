"""Input of what a marketplace says of an order."""

from __future__ import annotations

from django import forms

from orders.models.market import MarketOrder


class MarketForm(forms.Form):
    """How far an order is at the marketplace, and by when it must be handed over."""

    status = forms.ChoiceField(label="There it is", choices=MarketOrder.Status.choices)
    ship_latest = forms.DateTimeField(
        label="To be handed over by",
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M"),
        help_text="Empty: as it stands.",
    )
