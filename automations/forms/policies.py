"""How many have to agree, and emergencies."""

from __future__ import annotations

from django import forms


class QuorumForm(forms.Form):
    approvers = forms.TypedChoiceField(
        label="People who have to agree",
        coerce=int,
        choices=[(1, "One person"), (2, "Two people")],
        widget=forms.RadioSelect,
    )


class EmergencyForm(forms.Form):
    why = forms.CharField(
        label="Why it can’t wait", widget=forms.Textarea(attrs={"rows": 3}), max_length=1_000
    )
    sha256 = forms.CharField(widget=forms.HiddenInput)


class ReviewForm(forms.Form):
    was_right = forms.ChoiceField(
        label="What it did was",
        choices=[("yes", "Right"), ("no", "Wrong, or more than was needed")],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(
        label="What you found", widget=forms.Textarea(attrs={"rows": 3}), max_length=2_000
    )


class AgreeForm(forms.Form):
    sha256 = forms.CharField(widget=forms.HiddenInput)
