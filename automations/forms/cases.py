"""What people say when they act on a case."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone

from automations.models.failures import Failure
from backoffice import roles
from backoffice.models import User

MORNING = time(8, 0)


class WhyForm(forms.Form):
    """A reason, for those who read it later."""

    reason = forms.CharField(label="Why", max_length=1000, widget=forms.Textarea(attrs={"rows": 3}))


class YesForm(forms.Form):
    """A yes to a question, with or without words."""

    text = forms.CharField(
        label="What you want to add",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ByHandForm(forms.Form):
    """What proves that it was done elsewhere."""

    reference = forms.CharField(
        max_length=200, help_text="A number or a link that proves it, such as a tracking number."
    )
    text = forms.CharField(
        label="What was done",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class ByHandFileForm(forms.Form):
    """Many done by hand, as a file."""

    file = forms.FileField(
        label="CSV file",
        help_text="Nothing is done before you have seen every row.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
    )


class SolvedForm(forms.Form):
    """How a reported case was solved."""

    text = forms.CharField(
        label="How it was solved", max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )
    reference = forms.CharField(required=False, max_length=200)


class CommentForm(forms.Form):
    """A note on a case."""

    text = forms.CharField(
        label="Comment", max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )


class PriorityForm(forms.Form):
    """How soon a case has to be looked at."""

    priority = forms.TypedChoiceField(choices=Failure.Priority.choices, coerce=int)


def workers() -> QuerySet[User]:
    """Staff who may work on cases, by name."""
    may = Q(groups__permissions__codename="work_failure") | Q(is_superuser=True)
    found = User.objects.filter(may, is_active=True).distinct()
    return found.order_by("first_name", "last_name", "pk")


def receivers() -> QuerySet[User]:
    """Staff to whom a case may be handed, by name: those who could read it."""
    may = Q(groups__permissions__codename="view_failure") | Q(is_superuser=True)
    found = User.objects.filter(may, is_active=True).distinct()
    return found.order_by("first_name", "last_name", "pk")


class AssignForm(forms.Form):
    """Whose case it is."""

    owner = forms.ModelChoiceField(
        User.objects.none(), required=False, empty_label="Nobody: back to the queue"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["owner"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = workers()


TEAMS = (roles.OPERATIONS, roles.FINANCE, roles.SUPPORT)


class HandOverForm(forms.Form):
    """To whom a case goes, and what they need to know."""

    to = forms.ModelChoiceField(
        User.objects.none(), label="A person", required=False, empty_label="Nobody in particular"
    )
    team = forms.ChoiceField(
        label="or a role",
        required=False,
        choices=[("", "No role"), *((role, role.capitalize()) for role in TEAMS)],
    )
    note = forms.CharField(
        label="What they need to know", max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["to"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = receivers()

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if bool(values.get("to")) == bool(values.get("team")):
            self.add_error("to", "Choose a person or a role, one of them.")
        return values


UNTIL = (
    ("1h", "for an hour"),
    ("4h", "for four hours"),
    ("tomorrow", "until tomorrow, 08:00"),
    ("monday", "until Monday, 08:00"),
    ("at", "until the time below"),
    ("worse", "until it gets worse"),
)


class SnoozeForm(forms.Form):
    """How long a case is put aside."""

    until = forms.ChoiceField(label="Put it aside", choices=UNTIL, initial="tomorrow")
    at = forms.DateTimeField(
        label="Time",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Failing again brings it back at once.",
    )
    worse = forms.BooleanField(
        label="Sooner, if it gets worse",
        required=False,
        help_text="Worse: three more cases of its cause, half as many again, or half as much "
        "money again.",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("until") == "worse":
            values["worse"] = True
        if values.get("until") == "at":
            if not values.get("at"):
                self.add_error("at", "Choose a time.")
            elif values["at"] <= timezone.now():
                self.add_error("at", "Choose a time that is still to come.")
        return values


def moment_of(values: dict[str, Any]) -> datetime | None:
    """The end of a snooze from the form's values, or from their JSON; None: no time ends it."""
    now = timezone.localtime()
    chosen = values["until"]
    if chosen == "worse":
        return None
    if chosen in ("1h", "4h"):
        return now + timedelta(hours=int(chosen[0]))
    if chosen == "at":
        at = values["at"]
        return datetime.fromisoformat(at) if isinstance(at, str) else at
    days = 1 if chosen == "tomorrow" else 7 - now.weekday()
    return timezone.make_aware(datetime.combine(now.date() + timedelta(days=days), MORNING))
