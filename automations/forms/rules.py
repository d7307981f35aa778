"""What people fill in about a rule, and their verdicts on one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from automations.forms.starts import start_choices
from automations.models.rules import Rule
from automations.queries.rules import owners
from automations.triggers import triggers
from backoffice.forms import NumberField
from backoffice.models import User

MOST_A_DAY = 1_000_000_000


def trigger_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Triggers by the domain that announces them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for trigger in triggers:
        domain = trigger.key.partition(".")[0].capitalize()
        found.setdefault(domain, []).append((trigger.key, trigger.label))
    return list(found.items())


class NewRuleForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="What it does, in a few words.")
    domain = forms.ChoiceField(choices=Rule.Domain.choices)
    trigger = forms.ChoiceField(
        label="What starts it",
        choices=lambda: [("", "Choose…"), *start_choices()],
        error_messages={"required": "Choose what starts the rule."},
    )


class CareForm(forms.Form):
    """What people read about a rule: it takes effect without approval."""

    name = forms.CharField(max_length=120)
    domain = forms.ChoiceField(choices=Rule.Domain.choices)
    fallback = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        label="If it can’t run, people do this",
    )
    purpose = forms.CharField(
        required=False, widget=forms.Textarea({"rows": 2}), label="What it is for"
    )
    owner = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Nobody")
    review_on = forms.DateField(
        required=False, label="Review by", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    minutes_saved = NumberField(
        required=False,
        label="Minutes a run saves",
        min_value=0,
        max_value=Decimal("9999.99"),
        decimal_places=2,
    )
    expected_per_day_min = forms.IntegerField(
        required=False, label="Runs a day, at least", min_value=0, max_value=MOST_A_DAY
    )
    expected_per_day_max = forms.IntegerField(
        required=False, label="Runs a day, at most", min_value=0, max_value=MOST_A_DAY
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        chosen = self.fields["owner"]
        assert isinstance(chosen, forms.ModelChoiceField)  # noqa: S101 (declared above)
        chosen.queryset = owners()

    def clean_minutes_saved(self) -> Decimal:
        """Nothing said is none saved."""
        return self.cleaned_data["minutes_saved"] or Decimal(0)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        least, most = given.get("expected_per_day_min"), given.get("expected_per_day_max")
        if least is not None and most is not None and least > most:
            self.add_error("expected_per_day_max", "At most is less than at least.")
        return given


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


# What a first look proposes: so many runs, and then someone looks.
FIRST_RUNS = 10


class ApproveForm(VerdictForm):
    """A yes, with what becomes of runs that wait, and who looks at the first ones."""

    waiting = forms.ChoiceField(
        label="Runs that wait under the version before",
        choices=[
            ("finish", "Finish under their own version"),
            ("move", "Go on under this version, where it has the same wait"),
            ("cancel", "Are cancelled"),
        ],
        widget=forms.RadioSelect,
        required=False,
        initial="finish",
    )
    first_look = forms.BooleanField(
        label="Pause for a first look",
        required=False,
        help_text="What comes after waits, and nothing is lost, until the reviewer has looked.",
        widget=forms.CheckboxInput({"data-opens": True}),
    )
    after = forms.IntegerField(
        label="After so many runs", required=False, min_value=1, max_value=100_000
    )
    since = forms.DateTimeField(
        label="or from a time on",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="A time at which the reviewer is there.",
    )
    reviewer = forms.ModelChoiceField(User.objects.none(), required=False, empty_label=None)

    def __init__(self, *args: Any, waiting_runs: int = 0, **options: Any) -> None:
        super().__init__(*args, **options)
        chosen = self.fields["reviewer"]
        assert isinstance(chosen, forms.ModelChoiceField)  # noqa: S101 (declared above)
        chosen.queryset = User.objects.filter(is_active=True, groups__isnull=False).distinct()
        if waiting_runs:
            runs = "run waits" if waiting_runs == 1 else "runs wait"
            self.fields["waiting"].help_text = f"{waiting_runs:,} {runs} now."
        else:
            del self.fields["waiting"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not given.get("first_look"):  # then its fields are out of sight, whatever they hold
            for name in ("after", "since", "reviewer"):
                self.errors.pop(name, None)
        else:
            if not given.get("after") and not given.get("since"):
                self.add_error("after", "Say after how many runs, or from when on.")
            if not given.get("reviewer"):
                self.add_error("reviewer", "Name who looks.")
        return given


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
