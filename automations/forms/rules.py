"""What people fill in about a rule, and their verdicts on one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from automations.forms.starts import is_known, start_choices
from automations.models.rules import Rule
from automations.rules.starters import STARTERS
from automations.triggers import triggers
from backoffice.models import User


def owners() -> QuerySet[User]:
    """Who may own a rule: active staff who may change one."""
    may = Permission.objects.filter(codename="change_rule", content_type__app_label="automations")
    return (
        User.objects.filter(is_active=True)
        .filter(Q(groups__permissions__in=may) | Q(user_permissions__in=may))
        .distinct()
        .order_by("first_name", "last_name", "username")
    )


def trigger_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Triggers by the domain that announces them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for trigger in triggers:
        domain = trigger.key.partition(".")[0].capitalize()
        found.setdefault(domain, []).append((trigger.key, trigger.label))
    return list(found.items())


def starter_choices() -> list[tuple[str, str]]:
    usable = [each for each in STARTERS if is_known(each.trigger)]
    return [("", "An empty rule"), *((each.key, each.name) for each in usable)]


class NewRuleForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="What it does, in a few words.")
    start_from = forms.ChoiceField(label="Start from", choices=starter_choices, required=False)
    domain = forms.ChoiceField(choices=Rule.Domain.choices)
    trigger = forms.ChoiceField(
        label="What starts it",
        choices=start_choices,
        required=False,
        help_text="For an empty rule; a starter brings its own.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not given.get("start_from") and not given.get("trigger"):
            self.add_error("trigger", "Choose what starts the rule.")
        return given


class CareForm(forms.Form):
    """What people read about a rule: it takes effect without approval."""

    name = forms.CharField(max_length=120)
    domain = forms.ChoiceField(choices=Rule.Domain.choices)
    purpose = forms.CharField(
        required=False, widget=forms.Textarea({"rows": 2}), label="What it is for"
    )
    fallback = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        label="If it can’t run, people do this",
    )
    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Nobody")
    review_on = forms.DateField(
        required=False, label="Review by", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        chosen = self.fields["owner"]
        assert isinstance(chosen, forms.ModelChoiceField)  # noqa: S101 (declared above)
        chosen.queryset = owners()


class WhyForm(forms.Form):
    """A reason that others will read."""

    why = forms.CharField(label="Why", widget=forms.Textarea({"rows": 3}), max_length=2000)


class ReviewForm(forms.Form):
    review_on = forms.DateField(
        label="Review by", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )


class VerdictForm(forms.Form):
    """A verdict on a version. `reason` True: no verdict without saying why."""

    comment = forms.CharField(
        label="Comment", required=False, widget=forms.Textarea({"rows": 3}), max_length=2000
    )
    sha256 = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, reason: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        comment = self.fields["comment"]
        comment.required = reason
        comment.error_messages["required"] = "Say why, so that the author knows what to change."


class StartForm(forms.Form):
    """What becomes of the runs that a stop parked."""

    queued = forms.ChoiceField(
        label="Runs that were parked meanwhile",
        choices=[
            ("release", "Go on, where their conditions are still true"),
            ("cancel", "Are cancelled"),
        ],
        widget=forms.RadioSelect,
        initial="release",
    )
