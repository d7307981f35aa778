"""Input of the places a channel ships from."""

from __future__ import annotations

from typing import Any

from django import forms

from inventory.models import Location
from orders.models.channels import Channel


class PlaceTurnForm(forms.Form):
    priority = forms.IntegerField(
        label="Turn",
        min_value=1,
        max_value=999,
        initial=1,
        help_text="The channel's own place comes first, then 1, 2 and so on.",
    )
    hands_over = forms.BooleanField(label="Customers may collect there", required=False)


class NewPlaceForm(PlaceTurnForm):
    location = forms.ModelChoiceField(
        label="Place", queryset=Location.objects.none(), empty_label=None
    )
    field_order = ("location", "priority", "hands_over")

    def __init__(self, *args: Any, channel: Channel, **options: Any) -> None:
        super().__init__(*args, **options)
        free = Location.objects.filter(
            kind=Location.Kind.INTERNAL, is_active=True, legal_entity=channel.legal_entity_id
        )
        taken = channel.places.values("location")
        field = self.fields["location"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = (
                free.exclude(pk=channel.location_id).exclude(pk__in=taken).order_by("name")
            )
