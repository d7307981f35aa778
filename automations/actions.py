"""What a domain offers as an action, and the outcomes typed by what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from django import forms

from automations.registry import Registry
from backoffice.actors import Actor
from backoffice.money import Money


class Risk(StrEnum):
    """Who must approve a rule that uses the action: finance, operations or support, anyone else."""

    NONE = "none"
    CUSTOMER = "customer"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class Call:
    """One effect to take. `params` is the form's cleaned data; `key` is unique to the effect."""

    key: str
    subject_id: int
    params: Mapping[str, Any]
    actor: Actor


@dataclass(frozen=True, slots=True)
class Done:
    """The effect happened.

    `says` is the sentence timelines and runs show; `link` names what it made.

    `already` marks an effect that had nothing to do (the tag was there), so nothing was written.
    `undo` is what `Action.undo` needs to take the effect back, as JSON; None: it can't be. Its
    `version`, where it has one, is the subject's version after the effect: a later one means that
    somebody changed the subject since.
    """

    says: str
    link: tuple[str, int] | None = None
    already: bool = False
    undo: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What one effect counts for against a rule's limits."""

    money: Money | None = None
    units: int = 0
    messages: int = 0


NOTHING = Counts()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What one effect would bring about, as evidence adds it up.

    `books` are accounts by name, each with its amount, a debit positive.
    """

    money: Money | None = None
    books: tuple[tuple[str, Money], ...] = ()


class How(StrEnum):
    """What an effect makes of a thing: a new value, one more, one fewer, or another each time."""

    SETS = "sets"
    ADDS = "adds"
    TAKES = "takes"
    MAKES = "makes"


@dataclass(frozen=True, slots=True)
class Change:
    """What one effect makes of one thing of its subject, for the check of rules that meet.

    `what` is a payload path, or a name where no payload tells of it; `value` is as documents write
    it, None where an event fills it in. `every`: it takes all there is. `words` name the thing
    (`the priority`), together with its value where it is added or taken (`the tag “vip”`).
    `follows`: it only comes of another change of the same effect, which tells of conflicts.
    """

    what: str
    how: How
    words: str
    value: Any = None
    every: bool = False
    follows: bool = False


class Answered(Protocol):
    """What an outside system answered. `reference` is what it calls what it made."""

    @property
    def says(self) -> str: ...

    @property
    def reference(self) -> str: ...

    @property
    def kept(self) -> Mapping[str, Any]: ...


class Outcome(Exception):
    """Not done. The message is a sentence an operator can act on."""


class RetryLater(Outcome):
    """A passing fault: try again, after `after` if the other side named a time."""

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class TooMany(RetryLater):
    """The other side asks for fewer calls, and did nothing: wait, and burn no attempt."""


class Rejected(Outcome):
    """It can't be done like this, and the same call would fail again: a person decides."""


class ConnectorDown(Outcome):
    """The outside system does not answer: park, and burn no attempt."""


class InDoubt(Outcome):
    """It may have happened: look it up or ask a person, never repeat it blindly."""


class Unsure(Outcome):
    """What would be done is not certain enough: a person confirms or corrects the draft.

    `draft` are the parameters the action would take, `confidence` is from 0 to 1.
    """

    def __init__(self, message: str, draft: Mapping[str, Any], confidence: Decimal) -> None:
        super().__init__(message)
        self.draft = draft
        self.confidence = confidence


class Action:
    """A thing rules can do to a subject.

    `form` validates the parameters; `permission` is what the rule's owner must hold; `writes`
    names the payload paths it changes, so that a rule's own work does not look like a changed
    world; `external` marks an effect outside PostgreSQL. `subject` empty: it suits every kind of
    record. `decided_by` names the role of which a person must agree before it is done, each time:
    it never runs by a rule alone. `makes` is what record one effect makes, as a noun, and
    `minutes_by_hand` how long people are likely to be busy with it. `announces` are the triggers
    whose facts its effect leads to, so that rules which set each other off are seen beforehand.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    subject: ClassVar[str]
    form: ClassVar[type[forms.Form]]
    permission: ClassVar[str]
    writes: ClassVar[tuple[str, ...]] = ()
    risk: ClassVar[Risk] = Risk.NONE
    external: ClassVar[bool] = False
    decided_by: ClassVar[str] = ""
    makes: ClassVar[str] = ""
    minutes_by_hand: ClassVar[int] = 0
    announces: ClassVar[tuple[str, ...]] = ()
    # Why its effects can never be taken back, in a sentence; empty where `undo` can.
    never_undone: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def execute(self, call: Call) -> Done:
        """Take one effect in the caller's transaction; raises an Outcome when it is not done."""
        raise NotImplementedError

    def lane(self, params: Mapping[str, Any]) -> str:
        """The connector an external action calls, from its parameters as the document has them."""
        raise NotImplementedError

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        """What one effect counts for against limits, from cleaned parameters.

        `stake` is the money the event is about, None when it tells of none. Known before the
        effect is taken, so rather too much than too little.
        """
        return NOTHING

    def foresee(self, params: Mapping[str, Any], stake: Money | None) -> Foreseen:
        """What one effect would bring about, from cleaned parameters.

        `stake` is the money the event is about, None when it tells of none.
        """
        return Foreseen(self.counts(params, stake).money)

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        """What one effect makes of its subject, from its literal parameters.

        What it is for stands first. A parameter that an event fills in is None. What it `writes`
        and does not tell here is set to a value that nobody knows beforehand.
        """
        return ()

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the facts it `announces` are sure to say, by payload path, as documents write it.

        From its literal parameters; a path or value that is not sure is left out.
        """
        return {}

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        """Take an effect back by a counter-action, given what `Done.undo` kept.

        Runs in the caller's transaction; raises Rejected with the reason when it can't be.
        """
        raise Rejected("This can't be undone.")

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        """Why an effect can't be taken back as things stand now; empty where it can.

        `done` is what `Done.undo` kept, empty when it kept nothing. Only looks: `undo` has the
        last word.
        """
        if not done or type(self).undo is Action.undo:
            return self.never_undone or "This can't be undone."
        return ""

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        """What undoing would do, in words."""
        return f"Undo “{self.label}”"

    def in_words(self, params: Mapping[str, Any]) -> str:
        """The step in words, from its parameters as the document stores them."""
        raise NotImplementedError


class SetAction(Action):
    """An action that takes many effects in one go, each with its own outcome."""

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        """Take the effects, answering in the order of `calls`; raises only for a bug."""
        raise NotImplementedError

    def execute(self, call: Call) -> Done:
        (answer,) = self.execute_many([call])
        if isinstance(answer, Outcome):
            raise answer
        return answer


class ExternalAction(Action):
    """An action outside PostgreSQL, done once or known to be in doubt.

    The engine commits the intent, has the connector of the lane called with no transaction open,
    and commits what came of it. `keeps` is how long it is worth doing while the connector is down:
    after that a person decides.
    """

    external = True
    keeps: ClassVar[timedelta] = timedelta(hours=24)

    def request(self, call: Call) -> dict[str, Any]:
        """What the connector is asked, as JSON without secrets: all it needs is read here.

        Runs in the transaction of the intent; raises Rejected.
        """
        raise NotImplementedError

    def confirmed(self, call: Call, answer: Answered) -> Done:
        """What came of it, and what has to be written down here because of it.

        Runs in the transaction that confirms the effect, once, on what the other side answered, on
        what a look-up found, or on what a person gave as proof.
        """
        return Done(answer.says)


actions: Registry[Action] = Registry(Action)
