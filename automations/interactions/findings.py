"""What the check finds, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from automations.conditions.display import seen
from automations.conditions.fields import Catalogue
from automations.conditions.rechecking import paths_read
from automations.interactions.examples import Made
from automations.interactions.parties import Doing, Party


class Kind(StrEnum):
    """What is the matter, the graver first."""

    NEVER = "never"
    CYCLE = "cycle"
    UNDOES = "undoes"
    OPPOSITE = "opposite"
    SHADOWED = "shadowed"
    TWICE = "twice"
    DUPLICATE = "duplicate"
    SAME_FIELD = "same_field"
    ENDS_WAIT = "ends_wait"
    ORDER = "order"
    OVER_TIME = "over_time"
    NEAR = "near"
    DEAD = "dead"
    IDLE = "idle"
    SAME = "same"


TITLES: Mapping[Kind, str] = {
    Kind.NEVER: "It can never start",
    Kind.CYCLE: "They set each other off",
    Kind.UNDOES: "One undoes the other",
    Kind.OPPOSITE: "Opposite actions",
    Kind.SHADOWED: "It never acts",
    Kind.TWICE: "Done twice",
    Kind.DUPLICATE: "The same rule twice",
    Kind.SAME_FIELD: "Two values for one field",
    Kind.ENDS_WAIT: "One ends the other’s wait",
    Kind.ORDER: "The order decides",
    Kind.OVER_TIME: "At different times",
    Kind.NEAR: "Nearly the same rule",
    Kind.DEAD: "A part that is never reached",
    Kind.IDLE: "A condition that adds nothing",
    Kind.SAME: "Both do the same",
}
GRAVE = frozenset({Kind.NEVER, Kind.CYCLE, Kind.UNDOES, Kind.OPPOSITE, Kind.SHADOWED, Kind.TWICE})

_GRAVER = list(Kind)

# A rule and the step it comes to; None: that it starts.
Acting = tuple[Party, Doing | None]


@dataclass(frozen=True)
class Finding:
    """One thing that rules make of each other, or of themselves.

    `says` is it in a sentence or two; `rules` are the others it is about; `uids` the clauses and
    steps of the rule that is looked at. `both` is who acts on one event then, by which history is
    counted; `example` is an event made up on which they do, held against their conditions. Without
    one it is only possible, and told only when history has such an event; `proven`: it needs none.

    `apart`: not on one event but at different times on one record; `both` are pairs then, this rule
    and another each. `rank` orders findings of one kind, the graver lower.
    """

    kind: Kind
    says: str
    rules: tuple[Party, ...] = ()
    uids: tuple[str, ...] = ()
    both: tuple[Acting, ...] = ()
    example: Made | None = None
    proven: bool = False
    title: str = field(default="")
    apart: bool = False
    rank: int = 0

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", TITLES[self.kind])

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among findings, the graver before."""
        return _GRAVER.index(self.kind), self.rank

    @property
    def is_certain(self) -> bool:
        """Whether the documents alone show it."""
        return self.proven or self.example is not None

    def shown(self) -> list[tuple[str, str]]:
        """The made-up event: each field that is asked about, and what it holds there."""
        if self.example is None or not self.both:
            return []
        catalogue = self.both[0][0].catalogue
        paths: set[str] = set()
        for party, doing in self.both:
            paths |= party.reads
            for node, _ in doing.guards if doing is not None else ():
                paths |= paths_read(node)
        return told(self.example, catalogue, sorted(paths))


def told(made: Made, catalogue: Catalogue, paths: Sequence[str]) -> list[tuple[str, str]]:
    """Fields and lists of a made-up event by their labels."""
    found: list[tuple[str, str]] = []
    for path in paths:
        known = catalogue.fields.get(path)
        if known is not None and known.keys[0] in made.facts:
            found.append((known.label, seen(known, made.facts)))
    for path in paths:
        listed = catalogue.lists.get(path)
        if listed is None or path not in made.lists:
            continue
        items = [_item(each, listed.items) for each in made.lists[path]]
        found.append((listed.label, "; ".join(items) or "none"))
    return found


def _item(item: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    held = [
        f"{known.label.lower()} {seen(known, item)}"
        for known in fields.values()
        if known.keys[0] in item
    ]
    return ", ".join(held) or "any"
