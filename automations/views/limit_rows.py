"""A draft's limits and policies as the builder prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from automations.conditions.fields import Kind
from automations.conditions.problems import Problem
from automations.forms.limits import COUNTED, ONES, POLICIES, limits_of
from automations.rules.editing import Json
from automations.rules.limits import PERIODS, WORDS
from automations.rules.words import noun_of
from automations.views.inputs import Input, Option, duration_input, in_doubt, money_input

LABELS = {
    "runs": ("Runs", "events it acts on"),
    "money": ("Money", "what it pays and credits"),
    "units": ("Units", "stock it moves"),
    "messages": ("Messages", "what customers get"),
}
NONE = "no limit"
_FRIENDLY = {
    "runs": "Write a whole number, 1 or more.",
    "money": "Write an amount above 0, such as 500.00.",
    "within": "Write how long, as a whole number.",
}
_POLICY_WORDS: dict[str, tuple[str, tuple[str, str]]] = {
    "missing_data": ("A value is missing", ("make a case for a person", "skip the event")),
    "connector_down": ("A connector is down", ("its runs wait", "make cases for a person")),
    "latency": ("How soon it acts", ("at once", "later will do, in batches")),
}


@dataclass(slots=True)
class Cell:
    """One input with what stands before it and what is wrong with it."""

    input: Input
    before: str = ""
    problem: str = ""


@dataclass(slots=True)
class LimitRow:
    """What is limited, and its inputs: in an hour and a day, or so many within a time."""

    key: str
    label: str
    about: str
    cells: list[Cell] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """What a rule does in one kind of trouble."""

    key: str
    label: str
    chosen: str
    options: Sequence[Option]


def _part(raw: Any, key: str) -> Any:
    return raw.get(key) if isinstance(raw, dict) else None


def _written(raw: Any) -> str:
    return "" if raw is None else str(raw)


def _at(problems: Sequence[Problem], path: str, friendly: str) -> str:
    """What is wrong at a path, in the friendly words where the value itself can't be read."""
    inside = [each for each in problems if f"{each.path}.".startswith(f"{path}.")]
    return friendly if inside else ""


def _counted(what: str, limits: Json, problems: Sequence[Problem]) -> LimitRow:
    row = LimitRow(what, *LABELS[what])
    for period in PERIODS:
        raw = _part(limits.get(what), period)
        name, label = f"limits-{what}-{period}", f"{row.label}, at most in {WORDS[period]}"
        shown = Input("number", name, label, _written(raw), hint=NONE)
        if what == "money":
            shown = money_input(raw, name, label, hint=NONE)
        doubt = in_doubt(Kind.MONEY, raw) if what == "money" else ""
        said = doubt or _FRIENDLY.get(what, _FRIENDLY["runs"])
        row.cells.append(Cell(shown, problem=_at(problems, f"limits.{what}.{period}", said)))
    return row


def _one(which: str, noun: str, limits: Json, problems: Sequence[Problem]) -> LimitRow:
    raw, name, path = limits.get(which), f"limits-{which}", f"limits.{which}"
    row = LimitRow(which, f"One {noun}", "runs for the same one")
    count = _written(_part(raw, "runs"))
    runs = Input("number", f"{name}-runs", f"Runs for one {noun}", count, hint=NONE)
    within = duration_input(_part(raw, "within") or "P1D", f"{name}-within", "Within")
    row.cells = [
        Cell(runs, problem=_at(problems, f"{path}.runs", _FRIENDLY["runs"])),
        Cell(within, "runs within", _at(problems, f"{path}.within", _FRIENDLY["within"])),
    ]
    row.problem = next((each.message for each in problems if each.path == path), "")
    return row


def limit_rows(body: Json, problems: Sequence[Problem], subject: str) -> list[LimitRow]:
    """Every limit there is, set or not; `subject` is the records the rule is about."""
    limits = limits_of(body)
    nouns = {"per_subject": noun_of(subject) if subject else "record", "per_customer": "customer"}
    return [
        *(_counted(what, limits, problems) for what in COUNTED),
        *(_one(which, nouns[which], limits, problems) for which in ONES),
    ]


def policy_rows(body: Json) -> list[PolicyRow]:
    """What a draft does in trouble, as choices."""
    found = []
    for key, values in POLICIES.items():
        label, words = _POLICY_WORDS[key]
        chosen = str(body.get(key, values[0]))
        found.append(PolicyRow(key, label, chosen, list(zip(values, words, strict=True))))
    return found
