"""Sources of webhooks, their secrets, and where the values of a report stand, as people write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django import forms

from automations.conditions.fields import Field, Kind
from automations.forms.connectors import Lines
from automations.intake.mapping import fields_of, items_of, lists_of, slots_of
from automations.intake.signatures import SCHEMES
from automations.triggers import Feed, feeds

CONSTANT = "="
EQUALS = " = "
# The kinds whose values are codes that can be translated.
CODED = frozenset({Kind.TEXT, Kind.CHOICE, Kind.BOOL, Kind.COUNTRY})
IN_A_LIST = (
    "Where the list stands. The paths under it are read in each of its items; ^ leads out of the "
    "item, such as ^currency."
)
OVERLAPS = (
    ("", "Until someone ends it"),
    ("0", "Not any more"),
    ("1", "For an hour"),
    ("24", "For a day"),
    ("168", "For a week"),
)


def scheme_choices() -> list[tuple[str, str]]:
    return [(scheme.key, scheme.label) for scheme in SCHEMES.values()]


def feed_choices() -> list[tuple[str, str]]:
    return [(feed.key, feed.label) for feed in feeds()]


def _header(label: str, text: str) -> forms.RegexField:
    return forms.RegexField(
        r"^[A-Za-z0-9\-]*\Z",
        label=label,
        required=False,
        max_length=60,
        help_text=text,
        error_messages={"invalid": "A header is letters, digits and hyphens."},
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )


def _where(label: str, text: str) -> forms.RegexField:
    return forms.RegexField(
        r"^((header:[A-Za-z0-9\-]{1,60})|(body:[A-Za-z0-9_\-.]{1,150}))?\Z",
        label=label,
        required=False,
        max_length=200,
        help_text=text,
        error_messages={"invalid": "Write header:X-Name, or body:path.to.it."},
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )


class SourceForm(forms.Form):
    """Who sends, and how it signs."""

    name = forms.CharField(max_length=120, help_text="What people call it: Web shop.")
    scheme = forms.ChoiceField(
        label="Signs like",
        choices=scheme_choices,
        help_text="Known senders bring their own headers: leave the rest empty for them.",
    )
    about = forms.CharField(
        label="What it is for", required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    header = _header("Header of the signature", "Empty: the one that the sender uses.")
    lead = forms.CharField(
        label="Before the signature",
        required=False,
        max_length=40,
        help_text="Such as sha256= where the header begins like that.",
    )
    id_at = _where("Where its own id stands", "header:X-Delivery-Id or body:id.")
    topic_at = _where("Where the topic stands", "header:X-Topic or body:type.")
    tolerance_seconds = forms.IntegerField(
        label="Signed times may be off by, in seconds",
        min_value=30,
        max_value=3600,
        initial=300,
        help_text="Counts where the sender signs the time.",
    )


class ChangeSourceForm(SourceForm):
    """The same of a source that exists, whose way of signing stays."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        del self.fields["scheme"]


class SigningSecretForm(forms.Form):
    """A signing secret, written once and never shown again."""

    value = forms.CharField(
        label="Secret",
        min_length=16,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The one that the sender shows. It is sealed at once, and no screen shows it "
        "again.",
    )
    overlap = forms.ChoiceField(
        label="The ones before are accepted",
        choices=OVERLAPS,
        required=False,
        help_text="A sender may go on using the old one for a while.",
    )

    def clean_overlap(self) -> timedelta | None:
        hours = self.cleaned_data["overlap"]
        return timedelta(hours=int(hours)) if hours else None


class TopicForm(forms.Form):
    """What a topic feeds; where its values stand comes next."""

    topic = forms.CharField(
        required=False,
        max_length=120,
        help_text="As the sender writes it, such as orders/create. Empty: every topic that has no "
        "line of its own.",
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    feed = forms.ChoiceField(label="Feeds", choices=feed_choices)


def _name(kind: str, slot: str) -> str:
    return f"{kind}_{slot.replace('.', '__')}"


def slots(feed: Feed) -> Iterator[tuple[Field, str]]:
    """Each field of a feed's report with each of its places; a list, then those of its items."""
    for field in fields_of(feed):
        for slot in slots_of(field):
            yield field, slot
    for known in lists_of(feed):
        about = f"{IN_A_LIST} {known.about}".strip()
        # Its kind matters only so far: it has no codes, and is no amount.
        head = Field(known.path, Kind.TAGS, known.labels, about=about, optional=known.optional)
        yield head, known.path
        for field in items_of(known):
            for slot in slots_of(field):
                yield replace(field, optional=field.optional or known.optional), slot


def _label(field: Field, slot: str) -> str:
    if field.kind is not Kind.MONEY:
        return field.label
    return f"{field.label}: {slot.rpartition('.')[2]}"


class MappingForm(forms.Form):
    """Where each field of a report stands in a message, and what its codes mean."""

    def __init__(self, feed: Feed, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.feed = feed
        for field, slot in slots(feed):
            self._add(field, slot)

    def _add(self, field: Field, slot: str) -> None:
        label = _label(field, slot)
        self.fields[_name("at", slot)] = forms.CharField(
            label=label,
            required=not field.optional,
            max_length=200,
            help_text=field.about,
            widget=forms.TextInput(attrs={"spellcheck": "false"}),
        )
        if field.kind in CODED:
            known = ", ".join(stored for stored, _ in field.choices)
            self.fields[_name("values", slot)] = Lines(
                label=f"{label}: what their values mean",
                required=False,
                help_text=f"One a line, theirs = ours. Ours: {known}."
                if known
                else "One a line, theirs = ours. Empty: taken as it is.",
            )
        if slot.endswith(".amount"):
            self.fields[_name("minor", slot)] = forms.BooleanField(
                label=f"{label} in the smallest unit (1050 is 10.50)", required=False
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for _, slot in slots(self.feed):
            name = _name("values", slot)
            for line in values.get(name) or []:
                if EQUALS.strip() not in line:
                    self.add_error(name, f"“{line[:60]}” lacks its “=”.")
        return values

    def mapping(self) -> dict[str, Any]:
        """What was written, as a mapping."""
        found: dict[str, Any] = {}
        for _, slot in slots(self.feed):
            at = str(self.cleaned_data.get(_name("at", slot), "")).strip()
            if not at:
                continue
            line: dict[str, Any] = {"is": at[1:].strip()} if at.startswith(CONSTANT) else {"at": at}
            told = self.cleaned_data.get(_name("values", slot)) or []
            if told:
                pairs = (each.rpartition("=") for each in told)
                line["values"] = {theirs.strip(): ours.strip() for theirs, _, ours in pairs}
            if self.cleaned_data.get(_name("minor", slot)):
                line["minor"] = True
            found[slot] = line
        return found

    def show(self, errors: Mapping[str, str]) -> None:
        """Say what is wrong at the fields it is about."""
        for slot, said in errors.items():
            name = _name("at", slot)
            self.add_error(name if name in self.fields else None, said)


def initial_of(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as the form begins with it."""
    found: dict[str, Any] = {}
    for slot, line in mapping.items():
        constant = line.get("is")
        found[_name("at", slot)] = f"{CONSTANT}{constant}" if constant else line.get("at", "")
        told = line.get("values") or {}
        found[_name("values", slot)] = [f"{a}{EQUALS}{b}" for a, b in told.items()]
        found[_name("minor", slot)] = bool(line.get("minor"))
    return found
