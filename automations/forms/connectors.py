"""Accounts, scopes and secrets as people write them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from automations.connectors.kinds import Connector, kinds
from automations.connectors.scope import ABSENT, AUTHS, FEWER, LOWER, METHODS, Scope
from automations.models.connectors import ConnectorAccount
from backoffice.models import User


def staff() -> QuerySet[User]:
    return User.objects.filter(is_active=True).order_by("first_name", "last_name", "pk")


def kind_choices() -> list[tuple[str, str]]:
    return [(known.key, known.label) for known in kinds]


class AccountForm(forms.Form):
    """What people call an account, and who is told when it is down."""

    name = forms.CharField(max_length=120, help_text="What people call it: Royal Mail labels.")
    kind = forms.ChoiceField(choices=kind_choices)
    about = forms.CharField(
        label="What it is for", required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    owner = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        empty_label="Nobody",
        help_text="Is told when it is down.",
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        field = self.fields["owner"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = staff()


class DescribeForm(AccountForm):
    """The same of an account that exists, whose kind stays."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        del self.fields["kind"]


class ByHandForm(forms.Form):
    """What proves that a person did what waits for a connector."""

    reference = forms.CharField(
        max_length=200, help_text="A number or a link that proves it, such as a tracking number."
    )


class HappenedForm(ByHandForm):
    """What proves that something in doubt did happen."""

    text = forms.CharField(
        label="How you know",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class SecretForm(forms.Form):
    """A secret, written once and never shown again."""

    name = forms.ChoiceField(label="Secret")
    value = forms.CharField(
        label="Value",
        max_length=4_000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="It is sealed at once, and no screen shows it again.",
    )

    def __init__(self, connector: Connector, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        field = self.fields["name"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(known.name, known.label) for known in connector.secrets]


class Lines(forms.CharField):
    """One value a line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return [line.strip() for line in str(text or "").splitlines() if line.strip()]


def _whole(label: str, text: str = "", least: int = 1, most: int = 600_000) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=text, min_value=least, max_value=most)


_AUTHS = [(name, words[:1].upper() + words[1:]) for name, words in AUTHS.items()]
_ABSENT = [(name, words[:1].upper() + words[1:]) for name, words in ABSENT.items()]


class ScopeForm(forms.Form):
    """What an account may do; a kind of connector uses some of the fields."""

    base = forms.CharField(
        label="Address",
        max_length=500,
        help_text="Calls go there and below it: https://api.example.com/v2",
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    hosts = Lines(
        label="Hosts",
        help_text="One a line. The webhook address, which is a secret, may only lead to these.",
    )
    methods = forms.MultipleChoiceField(
        label="Methods",
        choices=[(name, name) for name in METHODS],
        widget=forms.CheckboxSelectMultiple,
    )
    auth = forms.ChoiceField(label="Signs in with", choices=_AUTHS)
    auth_header = forms.CharField(
        label="Header of the key", max_length=60, required=False, help_text="Such as X-Api-Key."
    )
    sender = forms.CharField(
        label="Sender", max_length=200, required=False, help_text="Empty: the company’s address."
    )
    per_minute = _whole("Calls a minute", "Stay below what the other side allows: 80 % of it.")
    burst = _whole("Calls at a moment", "How many may go at once after a pause.", most=10_000)
    cap = _whole("Under way at once", "", most=64)
    connect_seconds = _whole("Seconds to wait for a connection", most=10)
    total_seconds = _whole("Seconds to wait for an answer", "In all, however it drips.", most=30)
    request_kb = _whole("Sends at most, in kB", most=1_024)
    response_kb = _whole("Reads at most, in kB", most=5_120)
    look_up_path = forms.CharField(
        label="Look-up by our reference",
        max_length=200,
        required=False,
        help_text="A path to ask whether something happened: /orders?reference={key}",
    )
    look_up_found = forms.CharField(
        label="It is there when this is",
        max_length=200,
        required=False,
        help_text="A path in the answer: data.0.id. Empty: when the answer is not 404.",
    )
    look_up_absent = forms.ChoiceField(label="Not there after 15 minutes", choices=_ABSENT)
    health_path = forms.CharField(
        label="Is it up?",
        max_length=200,
        required=False,
        help_text="A path that only answers. Without one, one call tries whether it is up again.",
    )
    keep = Lines(
        label="Kept in the call log",
        required=False,
        help_text="One path of an answer a line. Everything else is left out: no names, no "
        "addresses here.",
    )
    why = forms.CharField(label="Why", max_length=1_000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, connector: Connector, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for name in [name for name in self.fields if name not in (*connector.fields, "why")]:
            del self.fields[name]

    def scope_values(self) -> dict[str, Any]:
        """What was written, as a scope's fields."""
        return {name: value for name, value in self.cleaned_data.items() if name != "why"}


class TightenForm(ScopeForm):
    """Only what one person may lower."""

    live = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, connector: Connector, *args: Any, **given: Any) -> None:
        super().__init__(connector, *args, **given)
        kept = (*LOWER, "hosts", "methods", "why", "live")
        for name in [name for name in self.fields if name not in kept]:
            del self.fields[name]
        self.fields["live"] = forms.IntegerField(widget=forms.HiddenInput)

    def changed(self, before: Scope) -> dict[str, Any]:
        """The scope in force with what was lowered."""
        given = {n: v for n, v in self.cleaned_data.items() if n in (*LOWER, *FEWER)}
        return {**before.model_dump(), **given}


def initial_of(account: ConnectorAccount, connector: Connector, scope: Scope | None) -> Any:
    """What a form begins with: the scope as it stands, else what such a scope begins with."""
    values = scope.model_dump() if scope is not None else connector.fields
    return {name: values[name] for name in connector.fields}
