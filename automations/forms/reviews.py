"""What is asked at the review of a rule."""

from __future__ import annotations

from typing import Any

from django import forms

from automations.services.reviews import in_a_year


class KeepForm(forms.Form):
    """It stays: until when, and what the reviewer noted."""

    next_on = forms.DateField(
        label="Look at it again by",
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
        help_text="Within a year.",
    )
    note = forms.CharField(
        label="Note", required=False, max_length=2000, widget=forms.Textarea({"rows": 2})
    )
    sha256 = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["next_on"].initial = in_a_year


class ReasonForm(forms.Form):
    """A change or the end: why."""

    note = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea({"rows": 3}))
    sha256 = forms.CharField(widget=forms.HiddenInput)
