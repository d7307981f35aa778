"""The builder's inputs of waits, loops and questions, read into a draft's steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.http import QueryDict

from automations.forms.conditions import duration_json
from automations.rules.editing import Json
from automations.rules.step_editing import StepPlace, kind_of
from automations.triggers import triggers
from backoffice.roles import ROLES

TIMEOUTS = {
    "fail": "it becomes a case",
    "end": "the run ends",
    "go_on": "the run goes on",
}


def ending_events(subject: str, taken: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The events about a kind of record that can end a wait, by key and label."""
    return [
        (known.key, known.label)
        for known in triggers
        if known.subject == subject and known.key not in taken
    ]


def role_choices() -> list[tuple[str, str]]:
    """Who can be asked."""
    return [(role, role.capitalize()) for role in ROLES]


def _duration(data: QueryDict, name: str, was: object) -> object:
    if name not in data:
        return was
    return duration_json(str(data[name]), data.get(f"{name}-unit", "H"))


def _read_wait(place: StepPlace, name: str, data: QueryDict) -> None:
    step = place.step
    step["wait"] = _duration(data, f"{name}-wait", step["wait"])
    events = step.get("end_run_on")
    kept = list(events) if isinstance(events, list) else []
    added = data.get(f"{name}-end-add", "")
    if added in triggers and added not in kept:
        kept.append(added)
    if kept or events:
        step["end_run_on"] = kept


def _read_loop(place: StepPlace, name: str, data: QueryDict) -> None:
    wanted = data.get(f"{name}-list", "")
    if wanted in place.catalogue.lists:
        place.step["for_each"] = wanted


def _read_ask(place: StepPlace, name: str, data: QueryDict) -> None:
    was: Json = place.step["ask"]
    made = {
        **was,
        "role": data.get(f"{name}-role", was.get("role", "")),
        "question": data.get(f"{name}-question", str(was.get("question", "")))
        .replace("\r\n", "\n")
        .strip(),
        "due": _duration(data, f"{name}-due", was.get("due", "")),
    }
    timeout = data.get(f"{name}-timeout", "")
    if timeout in TIMEOUTS:
        made["on_timeout"] = timeout
    place.step["ask"] = made


_READ: dict[str, Callable[[StepPlace, str, QueryDict], None]] = {
    "wait": _read_wait,
    "for_each": _read_loop,
    "ask": _read_ask,
}


def read_flow(place: StepPlace, name: str, data: QueryDict) -> None:
    """Take what a step's inputs hold into it, in place; `name` is what theirs begin with."""
    read = _READ.get(kind_of(place.step))
    if read is not None:
        read(place, name, data)
