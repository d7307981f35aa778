"""Input of a decision between systems that disagree."""

from __future__ import annotations

from typing import Any

from django import forms

from orders.models.conflicts import Conflict


class DecideForm(forms.Form):
    """Which side holds, and how somebody found out."""

    decision = forms.ChoiceField(label="What holds", widget=forms.RadioSelect)
    note = forms.CharField(
        label="How you know",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Whom you asked, and what they said. No names or addresses of customers.",
    )

    def __init__(self, *args: Any, conflict: Conflict, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["decision"]
        if isinstance(field, forms.ChoiceField):
            kind = Conflict.Kind(conflict.kind)
            field.choices = [(each.value, each.label) for each in Conflict.CHOICES[kind]]
