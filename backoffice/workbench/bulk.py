"""Bulk operations: what may be done to many rows at once, registered by the app that owns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.forms import Form

from backoffice.actors import Actor
from backoffice.models import User


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row; `message` says why it was refused."""

    target_id: int
    ok: bool
    message: str = ""


Run = Callable[[Sequence[int], Mapping[str, Any], Actor], Iterable[Outcome]]


@dataclass(frozen=True, slots=True)
class BulkAction:
    """An action on a set of rows.

    `run` takes at most 100 ids, the form's values as JSON and the actor, inside a transaction; it
    returns an outcome for each id (one that it leaves out counts as done). A refusal of one row is
    an outcome, not an exception. `label` is the button (`Hold`), `done` the toast (`Held`).
    `form` asks for values first; `asks` is a sentence that says what can't be undone and makes
    even one row ask. `undo` is the key of the inverse action, offered for ten seconds.
    `shortcut` is its key on the list; `subject` names the rows by their number.
    """

    key: str
    label: str
    done: str
    permission: str
    run: Run
    form: type[Form] | None = None
    asks: str = ""
    undo: str = ""
    shortcut: str = ""
    icon: str = "check"
    danger: bool = False
    subject: str = ""


_actions: dict[str, BulkAction] = {}


def register(action: BulkAction) -> None:
    """Add an action; raises ImproperlyConfigured when its key is taken."""
    if action.key in _actions:
        raise ImproperlyConfigured(f"Bulk action {action.key} is registered twice.")
    _actions[action.key] = action


def get(key: str) -> BulkAction:
    """The action of this key; raises KeyError."""
    return _actions[key]


def permitted(keys: Iterable[str], user: User) -> list[BulkAction]:
    """Those of the named actions that this person may use, in the given order."""
    actions = [_actions[key] for key in keys]
    return [action for action in actions if user.has_perm(action.permission)]
