"""What a domain offers as a trigger: a fact it announces, with a typed payload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NewType

from django.dispatch import Signal

from automations.registry import Registry
from backoffice.actors import Actor

# ISO 3166-1 alpha-2; an empty string is an unknown country, which conditions treat as missing.
Country = NewType("Country", str)
# A set of short codes, kept sorted.
Tags = NewType("Tags", tuple[str, ...])


def labelled(label: str, *, choices: Sequence[tuple[str, str]] = (), about: str = "") -> Any:
    """A payload field with the words the builder shows for it.

    `choices` lists the stored value and the words of each; `about` says in one sentence what the
    figure means where the label can't.
    """
    return field(metadata={"label": label, "choices": tuple(choices), "about": about})


@dataclass(frozen=True, slots=True)
class Fact:
    """One announced fact about one subject.

    `payload` is an instance of the trigger's payload class; `history` marks an imported or
    back-filled fact, which feeds previews and matches no rule; `actor` None means unknown.
    """

    subject_id: int
    subject_version: int
    payload: Any
    occurred_at: datetime
    actor: Actor | None = None
    history: bool = False


class Trigger:
    """A kind of fact that rules can start on.

    `payload_class` is a frozen dataclass; its typed fields are what conditions see: str, int,
    bool, Decimal, Money, date, datetime, time, timedelta, Country, Tags, nested frozen dataclasses
    and tuples of them (lists). A field `previous_state` beside `state` is what it was before.
    Within a `version` fields are only added; `upcasters` bring stored facts and lists from a
    version to the next, as pure functions.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    example: ClassVar[str]
    subject: ClassVar[str]
    signal: ClassVar[Signal]
    payload_class: ClassVar[type]
    version: ClassVar[int] = 1
    upcasters: ClassVar[Mapping[int, Callable[[dict[str, Any], dict[str, Any]], Any]]] = {}

    # Both take the shape the signal and the subject give them, so subclasses declare their own
    # parameters: facts(**sent) -> Sequence[Fact]; current(ids) -> Mapping[int, payload].
    facts: Callable[..., Sequence[Fact]]
    current: Callable[[Iterable[int]], Mapping[int, Any]]


triggers: Registry[Trigger] = Registry(Trigger)
