"""From JSON to a rule document, or to sentences about what is wrong and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from automations.conditions.problems import Problem, joined
from automations.conditions.tree import Condition
from automations.rules.document import RuleDocument

# Raw JSON, before its meaning is known: far above any rule, far below what could hurt.
_DEEPEST = 60
_MOST_VALUES = 5_000
_LONGEST_TEXT = 10_000

_SENTENCES = {
    "missing": "This is missing.",
    "list_type": "A list is needed.",
    "string_type": "A text is needed.",
    "int_type": "A whole number is needed.",
    "bool_type": "Yes or no is needed (true or false).",
    "dict_type": "An object is needed.",
    "model_type": "An object is needed.",
    "model_attributes_type": "An object is needed.",
    "string_pattern_mismatch": "Only letters, digits, - and _ fit here, and not many of them.",
}


class DocumentInvalid(ValueError):
    """A document that can't be read as a rule; `problems` say why, each at its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{known.path}: {known.message}" for known in problems))
        self.problems = problems


def _text_problem(text: str) -> str | None:
    if len(text) > _LONGEST_TEXT:
        return f"A text has at most {_LONGEST_TEXT} characters."
    for letter in text:
        if (letter < " " and letter not in "\n\t") or "\ud800" <= letter <= "\udfff":
            return "This text holds a character that can't be stored."
    return None


def _inner(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield key, joined(path, key)
            yield part, joined(path, key)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield part, joined(path, index)


def measure(raw: Any) -> list[Problem]:
    """What makes raw JSON too deep, too large or impossible to store; never recurses."""
    waiting: list[tuple[Any, str, int]] = [(raw, "", 0)]
    seen = 0
    while waiting:
        value, path, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST or seen > _MOST_VALUES:
            return [Problem("", "This document is far too large for a rule.")]
        if isinstance(value, str) and (message := _text_problem(value)) is not None:
            return [Problem(path if path.isprintable() else "", message)]
        if isinstance(value, int) and abs(value) >= 10**18:
            return [Problem(path, "This number is too large.")]
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            return [Problem(path, "Keys are texts.")]
        waiting.extend((part, at, depth + 1) for part, at in _inner(value, path))
    return []


def _sentence(error: Any, name: str) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return f"There is no “{name}” here."
    if kind == "literal_error":
        return f"This is {context['expected']}."
    return _SENTENCES.get(kind, f"{error['msg']}.".replace("..", "."))


def problems_in(error: ValidationError, path: str) -> list[Problem]:
    """What pydantic found, in our words, each at its place below `path`."""
    found = []
    for known in error.errors(include_url=False, include_input=False):
        # Pydantic names the branch of a union as <branch>; documents have no such key.
        steps = [part for part in known["loc"] if not str(part).startswith("<")]
        name = str(steps[-1]) if steps else ""
        found.append(Problem(joined(path, *steps), _sentence(known, name)))
    return found


_CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)


def parse_condition(raw: Any, path: str = "when") -> Any:
    """The condition tree of raw JSON; raises DocumentInvalid."""
    if problems := measure(raw):
        raise DocumentInvalid(problems)
    try:
        return _CONDITION.validate_python(raw)
    except ValidationError as error:
        raise DocumentInvalid(problems_in(error, path)) from error


def parse_document(raw: Any) -> RuleDocument:
    """The rule document of raw JSON (as `json.loads` gives it); raises DocumentInvalid."""
    if problems := measure(raw):
        raise DocumentInvalid(problems)
    try:
        return RuleDocument.model_validate(raw)
    except ValidationError as error:
        raise DocumentInvalid(problems_in(error, "")) from error


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A key stands twice in one object.")
    return found


def read_document(text: str) -> RuleDocument:
    """The rule document of a stored or pasted JSON text; raises DocumentInvalid."""
    try:
        raw = json.loads(text, object_pairs_hook=_unrepeated)
    except RecursionError as error:
        raise DocumentInvalid(
            [Problem("", "This document is far too large for a rule.")]
        ) from error
    except ValueError as error:
        raise DocumentInvalid([Problem("", f"This is no JSON: {error}")]) from error
    return parse_document(raw)
