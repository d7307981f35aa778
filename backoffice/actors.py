"""Who or what is acting: a person, a rule's run, an outside system, an import or the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ActorKind(StrEnum):
    PERSON = "person"
    RULE = "rule"
    OUTSIDE = "outside"
    IMPORT = "import"
    SYSTEM = "system"


class Acting(Protocol):
    """What a service takes as `actor`: one actor, or one for each subject of a set."""

    def of(self, subject_id: int) -> Actor: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """One actor. `label` is what timelines show; a run also names rule, version and depth."""

    kind: ActorKind
    label: str
    user_id: int | None = None
    rule_id: int | None = None
    rule_version: int | None = None
    run_id: int | None = None
    depth: int = 0

    def of(self, subject_id: int) -> Actor:
        return self


@dataclass(frozen=True, slots=True)
class Actors:
    """An actor for each subject of a set, by the subject's id; raises KeyError for others."""

    by_subject: Mapping[int, Actor]

    def of(self, subject_id: int) -> Actor:
        return self.by_subject[subject_id]


class Named(Protocol):
    pk: int

    def get_full_name(self) -> str: ...


def person(user: Named) -> Actor:
    """The signed-in person."""
    return Actor(ActorKind.PERSON, user.get_full_name(), user_id=user.pk)


def outside(system: str) -> Actor:
    """An outside system, such as a shop or a carrier."""
    return Actor(ActorKind.OUTSIDE, system)


def importer(source: str) -> Actor:
    """An import of history from the named source."""
    return Actor(ActorKind.IMPORT, source)


HOUSE = Actor(ActorKind.SYSTEM, "Countersign")
