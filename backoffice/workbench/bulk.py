"""Bulk operations: what may be done to many rows at once, registered by the app that owns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.forms import Form

from backoffice.actors import Actor
from backoffice.models import User
from backoffice.money import Money

# More rows than this, or more money in one currency, are started by a second person.
ALONE_ROWS = 100
ALONE_MONEY = Decimal(5_000)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row; `message` says why it was refused."""

    target_id: int
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Weight:
    """What the rows of a bulk action come to: money by currency, which asks for a confirm page."""

    rows: int = 0
    sums: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def needs_second(self) -> bool:
        """Whether it is so much that a second person has to start it."""
        return self.rows > ALONE_ROWS or any(
            abs(amount) > ALONE_MONEY for amount in self.sums.values()
        )

    @property
    def amounts(self) -> list[Money]:
        return [Money(amount, code) for code, amount in sorted(self.sums.items())]

    def as_json(self) -> dict[str, Any]:
        return {"sums": {code: str(amount) for code, amount in self.sums.items()}}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], rows: int) -> Weight:
        sums = raw.get("sums", {})
        return cls(rows, {code: Decimal(amount) for code, amount in sums.items()})


@dataclass(frozen=True, slots=True)
class Fate:
    """What has become of a row whose work went on after the job had passed it on.

    `look`: a person has to look at it, and `why` says what stands against it. `level` is its sign:
    ok, bad, warn, info or wait.
    """

    words: str
    why: str = ""
    level: str = "info"
    look: bool = False


Run = Callable[[Sequence[int], Mapping[str, Any], Actor], Iterable[Outcome]]
RunFrozen = Callable[[Mapping[int, int], Mapping[str, Any], Actor], Iterable[Outcome]]


@dataclass(frozen=True, slots=True)
class BulkAction:
    """An action on a set of rows.

    `run` takes at most `chunk` ids, the form's values as JSON and the actor, inside a transaction;
    it returns an outcome for each id (one that it leaves out counts as done). A refusal of one row
    is an outcome, not an exception. `label` is the button (`Hold`), `done` the toast (`Held`).
    `form` asks for values first; `asks` is a sentence that says what can't be undone and makes
    even one row ask. `undo` is the key of the inverse action, offered for ten seconds.
    `shortcut` is its key on the list; `subject` names the rows by their number.

    `run_frozen` takes the place of `run` where a row that changed since must be left alone: it
    gets the version of each row, read by `versions` when the rows were fixed. `weigh` says what
    they come to: with money, or with many, a page asks for confirmation, and so much that one
    person must not do it alone waits for a second one. `in_words` tells the form's values in a
    sentence where their names and values would not do.

    `sent` is what became of a row whose work goes on after the job (`sent to be tried again`), and
    `fates` what has become of such rows as things stand now. `remark` is what a row is called that
    was done and told something beside (`done in part`).
    """

    key: str
    label: str
    done: str
    permission: str
    run: Run | None = None
    form: type[Form] | None = None
    asks: str = ""
    undo: str = ""
    shortcut: str = ""
    icon: str = "check"
    danger: bool = False
    subject: str = ""
    run_frozen: RunFrozen | None = None
    versions: Callable[[Sequence[int]], Mapping[int, int]] | None = None
    weigh: Callable[[Sequence[int]], Weight] | None = None
    in_words: Callable[[Mapping[str, Any]], str] | None = None
    sent: str = ""
    fates: Callable[[Sequence[int]], Mapping[int, Fate]] | None = None
    remark: str = ""
    chunk: int = 100

    def __post_init__(self) -> None:
        if (self.run is None) == (self.run_frozen is None):
            raise ImproperlyConfigured(f"{self.key} needs one of run and run_frozen.")
        if (self.run_frozen is None) != (self.versions is None):
            raise ImproperlyConfigured(f"{self.key} needs versions for run_frozen.")

    def weight(self, ids: Sequence[int]) -> Weight:
        """What these rows come to; without money where the action does not weigh."""
        return self.weigh(ids) if self.weigh is not None else Weight()

    def on(
        self, rows: Mapping[int, int], params: Mapping[str, Any], actor: Actor
    ) -> Iterable[Outcome]:
        """Do it to these rows; `rows` maps ids to the versions they were fixed at."""
        if self.run_frozen is not None:
            return self.run_frozen(rows, params, actor)
        assert self.run is not None  # noqa: S101 (see __post_init__)
        return self.run(list(rows), params, actor)


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


def permitted_keys(user: User) -> list[str]:
    """The keys of all actions that this person may use."""
    return [action.key for action in permitted(_actions, user)]
