"""Parameters that their author writes and an event's values are put into, each in its own place.

A body is parsed as JSON first and filled after, a path is cut at its slashes first: whatever a
customer's name holds, it stays one value. Other fields of a step know only whole texts and values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from django import forms
from django.core.exceptions import ValidationError

from automations.conditions.fields import Catalogue, Facts, Lists, item_facts
from automations.conditions.leaves import presence
from automations.conditions.values import read
from automations.rules.texts import TextInvalid, namespace, paths_in, render, unknown_paths
from backoffice.money import Money

DEEPEST = 20
LONGEST = 20_000
FIELD = frozenset({"field"})
EACH = frozenset({"each", "item"})
_PLACE = re.compile(r"\{([^{}]*)\}")


class LiteralChoice(forms.ChoiceField):
    """A choice that the author makes: no event and no tunable fills it."""


# Makes the text for one event; raises ValueError with the reason.
Fill = Callable[[Facts, Lists], str]


class FilledField(forms.CharField):
    """A text whose places are filled by its own rules."""

    def problems(self, value: str, catalogue: Catalogue | None) -> Iterator[str]:
        """What is wrong with it, as far as it goes without an event; `catalogue` None: unknown."""
        raise NotImplementedError

    def filling(self, value: str, catalogue: Catalogue) -> Fill:
        """The text, ready to be filled; raises ValueError when it can't be read."""
        raise NotImplementedError


def is_literal(field: forms.Field | None) -> bool:
    """Whether a parameter is written by the author alone."""
    return isinstance(field, LiteralChoice | FilledField)


def typed(catalogue: Catalogue, path: str, facts: Facts) -> Any:
    """A field's value as JSON, None where it is known to be empty; raises ValueError."""
    field = catalogue.fields.get(path)
    if field is None:
        raise ValueError(f"There is no field “{path}” in this trigger.")
    value = read(field, facts)
    if value is None and presence(field, facts) is not False:
        raise ValueError(f"{field.label} is not known for this event.")
    return _as_json(value)


def _as_json(value: Any) -> Any:
    match value:
        case Money():
            return value.as_json()
        case Decimal():
            return format(value, "f")
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return int(value.total_seconds())
        case tuple() | set() | frozenset():
            return list(value)
    return value


# --- JSON ---------------------------------------------------------------------------------------


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("A name stands twice in one object.")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON.")


def read_json(text: str) -> Any:
    """JSON, strictly; raises ValueError with what is wrong."""
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"This is no JSON: {error.msg}, line {error.lineno}.") from error
    except RecursionError as error:
        raise ValueError("This is nested too deeply.") from error
    if _depth(found) > DEEPEST:
        raise ValueError("This is nested too deeply.")
    return found


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(part) for part in inner), default=0)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


class JsonField(FilledField):
    """A JSON body: texts in it are Liquid, `{"field": path}` is a value with its type, and
    `{"each": list, "item": …}` makes one for each item of a list."""

    widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})

    def __init__(self, **given: Any) -> None:
        super().__init__(max_length=LONGEST, **given)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        if text:
            try:
                read_json(text)
            except ValueError as error:
                raise ValidationError(str(error)) from error
        return text

    def problems(self, value: str, catalogue: Catalogue | None) -> Iterator[str]:
        try:
            body = read_json(value) if value else None
        except ValueError as error:
            yield str(error)
            return
        yield from _problems(body, catalogue)

    def filling(self, value: str, catalogue: Catalogue) -> Fill:
        if not value:
            return lambda facts, lists: ""
        made = _made(read_json(value), catalogue)
        return lambda facts, lists: json.dumps(made(facts, lists), ensure_ascii=False)


def _names(body: Any, keys: frozenset[str]) -> bool:
    """Whether a part of a body stands for a value: the first of its keys says which."""
    return isinstance(body, dict) and set(body) == keys and isinstance(body[min(keys)], str)


def _problems(body: Any, catalogue: Catalogue | None) -> Iterator[str]:
    if _names(body, EACH):
        yield from _each_problems(body["each"], body["item"], catalogue)
    elif _names(body, FIELD):
        if catalogue is not None and body["field"] not in catalogue.fields:
            yield f"There is no field “{body['field']}” in this trigger."
    elif isinstance(body, dict | list):
        for part in body.values() if isinstance(body, dict) else body:
            yield from _problems(part, catalogue)
    elif _is_text(body):
        yield from _text_problems(body, catalogue)


def _each_problems(path: str, body: Any, catalogue: Catalogue | None) -> Iterator[str]:
    if catalogue is None:
        return
    if path not in catalogue.lists:
        yield f"There is no list “{path}” here."
        return
    yield from _problems(body, catalogue.with_item(path))


def _text_problems(text: str, catalogue: Catalogue | None) -> Iterator[str]:
    try:
        wrong = unknown_paths(text, catalogue) if catalogue is not None else paths_in(text)[:0]
    except TextInvalid as error:
        yield str(error)
        return
    for path in wrong:
        yield f"There is no field “{path}” in this trigger."


def question_problems(text: str, catalogue: Catalogue | None) -> Iterator[str]:
    """What is wrong with a question's text, as far as it goes without an event."""
    yield from _problems(text, catalogue)


def question_filling(text: str, catalogue: Catalogue) -> Fill:
    """A question, ready to be filled; raises TextInvalid when it can't be read."""
    return _made(text, catalogue)


def is_filled(text: str) -> bool:
    """Whether a text is Liquid: one without places stands as it is written."""
    return _is_text(text)


_Make = Callable[[Facts, Lists], Any]


def _made(body: Any, catalogue: Catalogue) -> _Make:
    """A part of a body as what makes it for an event: taken apart once, filled often."""
    if _names(body, FIELD):
        path = body["field"]
        return lambda facts, lists: typed(catalogue, path, facts)
    if _names(body, EACH):
        return _each(body["each"], body["item"], catalogue)
    if isinstance(body, dict):
        parts = {name: _made(part, catalogue) for name, part in body.items()}
        return lambda facts, lists: {name: make(facts, lists) for name, make in parts.items()}
    if isinstance(body, list):
        made = [_made(part, catalogue) for part in body]
        return lambda facts, lists: [make(facts, lists) for make in made]
    if _is_text(body):
        named = _named(paths_in(body), catalogue)
        return lambda facts, lists: render(body, namespace(named, facts, lists))
    return lambda facts, lists: body


def _each(path: str, body: Any, catalogue: Catalogue) -> _Make:
    if path not in catalogue.lists:
        raise ValueError(f"There is no list “{path}” here.")
    make = _made(body, catalogue.with_item(path))

    def each(facts: Facts, lists: Lists) -> list[Any]:
        items = lists.get(path)
        if not isinstance(items, list):
            raise ValueError(f"It is not known what {path} holds.")
        return [make(item_facts(facts, item), lists) for item in items]

    return each


def _named(paths: list[str], catalogue: Catalogue) -> Catalogue:
    """The part of a catalogue that a text names."""

    def wanted(known: str) -> bool:
        return any(
            f"{known}.".startswith(f"{p}.") or f"{p}.".startswith(f"{known}.") for p in paths
        )

    return Catalogue(
        {path: field for path, field in catalogue.fields.items() if wanted(path)},
        {path: known for path, known in catalogue.lists.items() if wanted(path)},
    )


# --- paths --------------------------------------------------------------------------------------


class PathField(FilledField):
    """A path of a web service: `{order.number}` in it is that value, as one part of the path."""

    def problems(self, value: str, catalogue: Catalogue | None) -> Iterator[str]:
        for path in _PLACE.findall(value) if catalogue is not None else ():
            if catalogue is not None and path not in catalogue.fields:
                yield f"There is no field “{path}” in this trigger."
        # Digits stand for what is filled in.
        try:
            self.clean(_PLACE.sub("0", value))
        except ValidationError as error:
            yield from error.messages

    def filling(self, value: str, catalogue: Catalogue) -> Fill:
        if _PLACE.search(value) is None:
            return lambda facts, lists: value
        return lambda facts, lists: _PLACE.sub(
            lambda found: _part(found[1], catalogue, facts), value
        )


def _part(path: str, catalogue: Catalogue, facts: Facts) -> str:
    value = typed(catalogue, path, facts)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{path} can't stand in a path: a number or a short text can.")
    text = str(value)
    if text in ("", ".", ".."):
        raise ValueError(f"{path} is empty, so there is no path.")
    return quote(text, safe="")


def fills_any(params: Mapping[str, Any], fields: Mapping[str, forms.Field]) -> bool:
    """Whether any of these parameters is filled from an event by its own rules."""
    return any(isinstance(fields.get(name), FilledField) for name in params)
