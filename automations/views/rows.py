"""A draft as the rows that the builder prints: groups, lists, clauses, each with its problems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.operators import FIGURE_OPERATORS, MOMENT, OPERATORS, TAKES, Takes
from automations.conditions.problems import Problem, joined
from automations.conditions.tree import field_of, param_of
from automations.conditions.words import verb
from automations.forms.conditions import figure_of
from automations.rules.editing import (
    Json,
    is_group,
    is_list,
    list_path,
    list_shape,
    mode_of,
    parts_of,
    uid_of,
)
from automations.rules.naming import named_kind
from automations.views.inputs import Groups, Input, Option, field_groups, in_doubt, inputs_of

MODE_WORDS: list[Option] = [
    ("all", "all"),
    ("any", "any"),
    ("not_all", "not all"),
    ("none", "none"),
]
MODE_REST = {
    "all": "of these are true",
    "any": "of these is true",
    "not_all": "of these are true",
    "none": "of these is true",
}
LIST_WORDS: list[Option] = [
    ("some", "some"),
    ("every", "every"),
    ("none", "no"),
    ("count", "the number"),
    ("sum", "the sum"),
]


@dataclass(slots=True)
class Row:
    """One part of the condition. `kind` is group, list or clause; the rest depends on it."""

    kind: str
    uid: str
    path: str
    depth: int
    is_root: bool = False
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mode: str = ""
    rest: str = ""
    parts: list[Row] = field(default_factory=list)
    options: Sequence[Option] = ()
    lists: Sequence[Option] = ()
    list_path: str = ""
    fields: Groups = field(default_factory=list)
    chosen: str = ""
    ops: Sequence[Option] = ()
    op: str = ""
    inputs: list[Input] = field(default_factory=list)
    start_only: bool = False
    on_field: bool = False
    can_beside: bool = False
    can_name: bool = False
    is_named: bool = False
    can_unwrap: bool = False
    movable: bool = True

    @property
    def name(self) -> str:
        return f"c-{self.uid}"


_FRIENDLY = {
    Kind.MONEY: "Write an amount, such as 500.00.",
    Kind.CHOICE: "Choose one.",
    Kind.COUNTRY: "Choose a country.",
    Kind.DURATION: "Write how long, as a whole number.",
    Kind.WHOLE: "Write a whole number.",
    Kind.DECIMAL: "Write a number, such as 12.5.",
    Kind.DATE: "Choose a date.",
    Kind.TIME: "Write a time, such as 16:30.",
    Kind.DATETIME: "Choose a date and a time.",
}


def friendly(problem: Problem, node: Json, known: Field | None) -> str:
    """What is wrong with a clause, as its author would say it."""
    if not node.get("field") and "field" in node:
        return "Choose what to look at."
    if known is None or not re.search(r"\.value(\.\d+)?$", problem.path):
        return problem.message
    value, takes = node.get("value"), TAKES.get(str(node.get("op")), Takes.ONE)
    if takes is Takes.MANY and not value:
        return "Add at least one value."
    if takes is Takes.SPAN:
        return _FRIENDLY[Kind.DURATION]
    if field_of(value):
        return problem.message
    return in_doubt(known.kind, value) or _FRIENDLY.get(known.kind, problem.message)


class Rows:
    """Makes rows of a normal body's condition."""

    def __init__(self, catalogue: Catalogue, problems: Sequence[Problem]) -> None:
        self.catalogue = catalogue
        self.problems = [known for known in problems if known.blocks]
        self.notes = [known for known in problems if not known.blocks]

    def root(self, body: Json) -> Row:
        made = self.tree(body["when"], "when")
        made.is_root = True
        return made

    def tree(self, condition: Json, path: str) -> Row:
        """A whole condition, such as that of a branch, which stays where it is."""
        made = self._group(condition, self.catalogue, path, 0)
        made.movable = False
        return made

    def _at(self, path: str, *, inside: bool) -> list[Problem]:
        return [
            known
            for known in self.problems
            if known.path == path or (inside and known.path.startswith(f"{path}."))
        ]

    def _notes(self, path: str) -> list[str]:
        """What is worth a second look at the value of a clause, though it stops nothing."""
        return [known.message for known in self.notes if known.path == joined(path, "value")]

    def _row(self, node: Json, catalogue: Catalogue, path: str, depth: int) -> Row:
        if is_list(node):
            return self._list(node, catalogue, path, depth)
        if is_group(node):
            return self._group(node, catalogue, path, depth)
        return self._clause(node, catalogue, path, depth)

    def _group(self, node: Json, catalogue: Catalogue, path: str, depth: int) -> Row:
        mode = mode_of(node)
        held = joined(path, "not") if "not" in node else path
        shape = "all" if mode in ("all", "not_all") else "any"
        parts = [
            self._row(part, catalogue, joined(held, shape, index), depth + 1)
            for index, part in enumerate(parts_of(node))
        ]
        problems = [known.message for known in self._at(held, inside=False)]
        return Row(
            "group",
            uid_of(node),
            held,
            depth,
            problems=problems,
            mode=mode,
            rest=MODE_REST[mode],
            parts=parts,
            options=MODE_WORDS,
            lists=_lists(catalogue),
            can_unwrap=True,
        )

    def _list(self, node: Json, catalogue: Catalogue, path: str, depth: int) -> Row:
        shape, chosen = list_shape(node), list_path(node)
        known = chosen in catalogue.lists
        within = catalogue.inside(chosen) if known else Catalogue({})
        where = self._group(node["where"], within, joined(path, "where"), depth + 1)
        mine = [
            each
            for each in self._at(path, inside=True)
            if not each.path.startswith(joined(path, "where"))
        ]
        row = Row(
            "list",
            uid_of(node),
            path,
            depth,
            problems=[each.message for each in mine],
            notes=self._notes(path),
            mode=shape,
            parts=[where],
            options=[pair for pair in LIST_WORDS if pair[0] != "sum" or _sums(catalogue, chosen)],
            lists=_lists(catalogue),
            list_path=chosen,
            start_only=bool(node.get("start_only")),
        )
        if shape in ("count", "sum"):
            self._figure(row, node, catalogue)
        return row

    def _figure(self, row: Row, node: Json, catalogue: Catalogue) -> None:
        if row.mode == "sum":
            row.fields = field_groups(_sums(catalogue, row.list_path))
            row.chosen = str(node.get("of", ""))
        known = figure_of(node, catalogue)
        if known is None:
            return
        row.op = str(node.get("op", "gte"))
        row.ops = [(op, verb(known.kind, op)) for op in FIGURE_OPERATORS]
        row.inputs = inputs_of(known, row.op, node.get("value"), row.name, catalogue)

    def _clause(self, node: Json, catalogue: Catalogue, path: str, depth: int) -> Row:
        known = catalogue.fields.get(str(node.get("field", "")))
        mine = self._at(path, inside=True)
        row = Row(
            "clause",
            uid_of(node),
            path,
            depth,
            problems=list(dict.fromkeys(friendly(each, node, known) for each in mine)),
            notes=self._notes(path),
            fields=field_groups(catalogue),
            # A field that is not there any more is chosen anew, never taken for another one.
            chosen=known.path if known is not None else "",
            start_only=bool(node.get("start_only")),
        )
        if known is not None:
            self._right_side(row, node, known, catalogue)
        return row

    def _right_side(self, row: Row, node: Json, known: Field, catalogue: Catalogue) -> None:
        row.op = str(node.get("op", "is"))
        offered = [op for op in OPERATORS[known.kind] if op not in MOMENT or known.previous]
        row.ops = [(op, verb(known.kind, op)) for op in offered]
        if row.op not in OPERATORS[known.kind]:
            row.op = offered[0]
        row.on_field = field_of(node.get("value")) is not None
        row.can_beside = TAKES[row.op] is Takes.ONE
        row.is_named = param_of(node.get("value")) is not None
        row.can_name = not row.on_field and named_kind(known, row.op) is not None
        row.inputs = inputs_of(known, row.op, node.get("value"), row.name, catalogue)


def _lists(catalogue: Catalogue) -> list[Option]:
    return [(path, known.label) for path, known in catalogue.lists.items()]


def _sums(catalogue: Catalogue, path: str) -> list[Field]:
    from_list = catalogue.lists.get(path)
    kinds = (Kind.MONEY, Kind.WHOLE, Kind.DECIMAL, Kind.DURATION)
    return [each for each in from_list.items.values() if each.kind in kinds] if from_list else []


def paths_by_uid(root: Row) -> dict[str, str]:
    """Each row's uid by its path in the document."""
    found = {root.path: root.uid}
    for part in root.parts:
        found.update(paths_by_uid(part))
    return found


def problem_count(root: Row) -> int:
    return len(root.problems) + sum(problem_count(part) for part in root.parts)
