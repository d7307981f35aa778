"""The texts that a step sends, whole: what its words cut short or leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms

from automations.actions import Action
from automations.conditions.display import quoted
from automations.conditions.operands import Scope
from automations.conditions.tree import field_of, param_of
from automations.conditions.words import field_words
from automations.rules.document import Do, text_of


@dataclass(frozen=True, slots=True)
class StepText:
    """One text of a step by the name of its parameter; `step` says whose it is, where that is
    not clear from where it stands."""

    label: str
    text: str
    step: str = ""

    def __str__(self) -> str:
        label = f"{self.step}: {self.label.lower()}" if self.step else self.label
        return f"{label}: {self.text}"


def texts_of(step: Do, action: Action | None, words: str, scope: Scope) -> Iterator[StepText]:
    """What an author wrote to be sent that does not stand whole in the step's words."""
    fields = action.form.base_fields if action is not None else {}
    for name, field in fields.items():
        text = _written(step.params.get(name), scope)
        if isinstance(field, forms.CharField) and text.strip() and not _told(field, text, words):
            yield StepText(str(field.label or name.replace("_", " ").capitalize()), text)


def _told(field: forms.Field, text: str, words: str) -> bool:
    """Whether words say a text already. A long one counts only where it is quoted whole."""
    flat, said = " ".join(text.split()), " ".join(words.split())
    return (quoted(flat) if isinstance(field.widget, forms.Textarea) else flat) in said


def _written(value: Any, scope: Scope) -> str:
    if (text := text_of(value)) is not None:
        return text
    if (path := field_of(value)) is not None:
        known = scope.catalogue.fields.get(path)
        return field_words(known.labels) if known is not None else path
    if (name := param_of(value)) is not None:
        return str(scope.params.get(name, name))
    return value if isinstance(value, str) else ""
