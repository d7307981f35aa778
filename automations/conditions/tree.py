"""The tree of a condition as the rule document writes it, its shape checked by pydantic.

Types of fields and values are checked against a catalogue in `checking`. Every node may carry a
`uid` that stays with it across versions; without one the difference matches by content.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Tag
from pydantic import Field as Key

from automations.conditions.operators import TAKES

Uid = Annotated[str, Key(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Path = Annotated[str, Key(min_length=1, max_length=200)]


def field_of(value: object) -> str | None:
    """The path of a `{"field": path}` operand, None for any other value."""
    return value["field"] if isinstance(value, dict) and set(value) == {"field"} else None


def param_of(value: object) -> str | None:
    """The name of a `{"param": name}` operand, None for any other value."""
    return value["param"] if isinstance(value, dict) and set(value) == {"param"} else None


def check_operand(value: Any) -> Any:
    """A literal, a field or a param; raises ValueError with a sentence for people."""
    if type(value) is float:
        raise ValueError('A number with decimals is written as text, like "12.5".')
    if type(value) in (str, int, bool):
        return value
    if isinstance(value, dict):
        shape = set(value)
        if shape in ({"field"}, {"param"}, {"amount", "currency"}) and all(
            type(part) is str for part in value.values()
        ):
            return value
    raise ValueError("A value, a field or a param is needed.")


def _check_value(value: Any) -> Any:
    if isinstance(value, list):
        return [check_operand(part) for part in value]
    return check_operand(value)


def _known_operator(op: str) -> str:
    if op not in TAKES:
        raise ValueError(f"There is no operator {op!r}.")
    return op


Value = Annotated[Any, AfterValidator(_check_value)]
Operator = Annotated[str, AfterValidator(_known_operator)]


class Node(BaseModel):
    """A node of the tree; `shape` is the key that tells it from the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    shape: ClassVar[str]

    uid: Uid | None = None


class Clause(Node):
    """One comparison of a field; `start_only` is judged when the run starts and never again."""

    shape = "field"
    field: Path
    op: Operator
    value: Value = None
    start_only: bool = False


class AllOf(Node):
    """True when every part is; an empty one is true."""

    shape = "all"
    parts: list[Condition] = Key(alias="all")


class AnyOf(Node):
    """True when one part is; an empty one is false."""

    shape = "any"
    parts: list[Condition] = Key(alias="any")


class Not(Node):
    shape = "not"
    part: Condition = Key(alias="not")


class Quantifier(Node):
    """How many items of a list meet `where`."""

    path: Path
    where: Condition
    start_only: bool = False


class Some(Quantifier):
    shape = "some"
    path: Path = Key(alias="some")


class Every(Quantifier):
    """True of an empty list."""

    shape = "every"
    path: Path = Key(alias="every")


class NoneOf(Quantifier):
    shape = "none"
    path: Path = Key(alias="none")


class Count(Node):
    """The number of items that meet `where`, compared."""

    shape = "count"
    path: Path = Key(alias="count")
    where: Condition | None = None
    op: Operator
    value: Value
    start_only: bool = False


class Sum(Node):
    """The sum of a field over the items that meet `where`, compared."""

    shape = "sum"
    path: Path = Key(alias="sum")
    of: Path
    where: Condition | None = None
    op: Operator
    value: Value
    start_only: bool = False


SHAPES = ("field", "all", "any", "not", "some", "every", "none", "count", "sum")


def _tag(raw: object) -> str | None:
    if isinstance(raw, Node):
        return f"<{raw.shape}>"
    found = [shape for shape in SHAPES if shape in raw] if isinstance(raw, dict) else []
    return f"<{found[0]}>" if len(found) == 1 else None


Condition = Annotated[
    Annotated[Clause, Tag("<field>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Some, Tag("<some>")]
    | Annotated[Every, Tag("<every>")]
    | Annotated[NoneOf, Tag("<none>")]
    | Annotated[Count, Tag("<count>")]
    | Annotated[Sum, Tag("<sum>")],
    Discriminator(
        _tag,
        custom_error_type="condition",
        custom_error_message="A condition has exactly one of "
        "field, all, any, not, some, every, none, count and sum.",
    ),
]

Group = AllOf | AnyOf
Listed = Some | Every | NoneOf | Count | Sum
Leaf = Clause | Listed

for _model in (AllOf, AnyOf, Not, Quantifier, Some, Every, NoneOf, Count, Sum):
    _model.model_rebuild()


def children(node: Node) -> list[tuple[str, Condition]]:
    """The parts of a node, each with its path from the node."""
    if isinstance(node, AllOf | AnyOf):
        return [(f"{node.shape}.{index}", part) for index, part in enumerate(node.parts)]
    if isinstance(node, Not):
        return [("not", node.part)]
    if isinstance(node, Quantifier | Count | Sum) and node.where is not None:
        return [("where", node.where)]
    return []
