"""What is asked before rules come in from a file."""

from __future__ import annotations

from typing import Any

from django import forms

from automations.queries.rules import owners
from automations.rules.files import LARGEST
from backoffice.models import User


class FileForm(forms.Form):
    """A file with rules, or its text."""

    file = forms.FileField(
        label="YAML file",
        required=False,
        help_text="One rule or many, as they are exported. You see what it does first.",
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,text/yaml"}),
    )
    text = forms.CharField(
        label="Or its text",
        required=False,
        strip=False,
        widget=forms.Textarea({"rows": 6, "spellcheck": "false", "class": "mono"}),
    )

    def clean_file(self) -> str:
        """The text of the file; empty where none was chosen."""
        sent: Any = self.cleaned_data["file"]
        if sent is None:
            return ""
        if (sent.size or 0) > LARGEST:
            raise forms.ValidationError(f"A file has at most {LARGEST // 1024} kB. Split it.")
        try:
            return str(sent.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError("This file is no text in UTF-8.") from error

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and not given.get("file") and not given.get("text", "").strip():
            self.add_error("file", "Choose a file, or put its text below.")
        return given

    @property
    def given(self) -> str:
        """The text to look at."""
        return str(self.cleaned_data["file"] or self.cleaned_data["text"])


class ImportForm(forms.Form):
    """What the importer has to say: who owns what nobody here owns, and that others may be met."""

    owner = forms.ModelChoiceField(
        User.objects.none(),
        label="Owner of these rules",
        required=False,
        empty_label="Choose…",
        error_messages={"required": "Choose who owns them."},
    )
    others = forms.BooleanField(label="Change rules of others", required=False)

    def __init__(self, *args: Any, strangers: list[str], others: list[str], **options: Any) -> None:
        super().__init__(*args, **options)
        if strangers:
            chosen = self.fields["owner"]
            assert isinstance(chosen, forms.ModelChoiceField)  # noqa: S101 (declared above)
            chosen.queryset = owners()
            chosen.required = True
            names = ", ".join(f"“{name}”" for name in strangers)
            chosen.help_text = f"The file names {names}, whom nobody here goes by."
        else:
            del self.fields["owner"]
        if others:
            self.fields["others"].required = True
            self.fields["others"].error_messages["required"] = "Say that they may be changed."
            self.fields["others"].help_text = f"They belong to {', '.join(others)}."
        else:
            del self.fields["others"]


class ManyForm(ImportForm):
    """The same of many rules, of which nobody has seen yet what would change."""

    def __init__(self, *args: Any, strangers: list[str], others: list[str], **options: Any) -> None:
        super().__init__(*args, strangers=strangers, others=others, **options)
        if others:
            self.fields["others"].required = False
            names = ", ".join(others[:5]) + (" and others" if len(others) > 5 else "")
            said = f"Some belong to {names}. Without a tick, theirs stay as they are."
            self.fields["others"].help_text = said
