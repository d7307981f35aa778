"""Generated conditions and events: every kind, every operator, and facts as bad as they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from automations.conditions.fields import Catalogue, Field, Kind, ListField
from automations.conditions.operators import FIGURE_OPERATORS, OPERATORS, TAKES, Takes

BASE = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
CODES = ["GB", "FR", "DE"]
WORDS: list[Any] = ["", "a", "ab", "b", "B", "é", "1", "true", "GB", "%", "a%", "_"]
NUMBERS = ["0", "1", "2.5", "2.50", "-1", "10", "1000000"]


def _field(path: str, kind: Kind) -> Field:
    return Field(path, kind, (path,), previous=f"previous_{path}" if "other" not in path else None)


def _fields() -> dict[str, Field]:
    found: dict[str, Field] = {}
    for kind in Kind:
        found[str(kind)] = _field(str(kind), kind)
        found[f"other_{kind}"] = Field(f"other_{kind}", kind, (f"other {kind}",))
        found[f"previous_{kind}"] = Field(f"previous_{kind}", kind, (f"{kind} before",))
    return found


FIELDS = _fields()
# The item shares names with the event, which it hides, and lacks some, which it then sees.
ITEM = {name: known for name, known in FIELDS.items() if not name.startswith("other")}
CATALOGUE = Catalogue(FIELDS, {"lines": ListField("lines", ("lines",), ITEM)})

MOMENTS = [
    BASE + timedelta(days=day, microseconds=micros)
    for day in range(-3, 4)
    for micros in (0, 1, 500_000)
]
DAYS = sorted({moment.date().isoformat() for moment in MOMENTS})
TAGS = ["a", "b", "c"]

# What documents may say of each kind, and what events may hold of it.
LITERALS: dict[Kind, list[Any]] = {
    Kind.TEXT: WORDS,
    Kind.CHOICE: WORDS[1:],
    Kind.BOOL: [True, False],
    Kind.WHOLE: [-2, -1, 0, 1, 2, 3],
    Kind.DECIMAL: NUMBERS,
    Kind.MONEY: [
        {"amount": amount, "currency": currency}
        for amount in NUMBERS
        for currency in ("GBP", "GBP", "EUR")
    ],
    Kind.DATE: DAYS,
    Kind.TIME: ["00:00", "09:00", "09:00:01", "23:59:59"],
    Kind.DATETIME: [moment.isoformat() for moment in MOMENTS],
    Kind.DURATION: ["PT0S", "PT1S", "PT12H", "P1D", "P2D", "P36500D"],
    Kind.COUNTRY: CODES,
    Kind.TAGS: TAGS,
}
STORED: dict[Kind, list[Any]] = {
    Kind.TEXT: WORDS,
    Kind.CHOICE: WORDS,
    Kind.BOOL: [True, False],
    Kind.WHOLE: [-2, -1, 0, 1, 2, 3],
    Kind.DECIMAL: NUMBERS,
    Kind.DATE: DAYS,
    Kind.TIME: ["00:00:00", "09:00:00", "09:00:01", "23:59:59"],
    Kind.DATETIME: [moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for moment in MOMENTS],
    Kind.DURATION: [0, 1, 43_200, 86_400, 172_800],
    Kind.COUNTRY: ["", *CODES],
    Kind.TAGS: [[], ["a"], ["b"], ["a", "b"], ["b", "c"], ["a", "b", "c"]],
}
CURRENCIES = ["GBP", "GBP", "GBP", "EUR", None, "", 5]
BAD: list[Any] = [
    None, "", "x", 1, 2.5, True, [], ["a", 1], {}, "1e5", "NaN", "１２", "1_0", " 1 ", "Infinity",
    "1E999999", "2026-W47-3", "2026-11-18T09:00:00+01:00", "9" * 25,
]  # fmt: skip

moments = st.sampled_from(MOMENTS)


def _stored(kind: Kind) -> st.SearchStrategy[Any]:
    return st.sampled_from([*STORED[kind] * (1 + 60 // len(STORED[kind])), *BAD])


@st.composite
def facts(draw: st.DrawFn, fields: dict[str, Field] = FIELDS) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields.values():
        if not draw(st.integers(0, 4)):
            continue
        if field.kind is Kind.MONEY:
            amount_key, currency_key = field.keys
            found[amount_key] = draw(_stored(Kind.DECIMAL))
            found[currency_key] = draw(st.sampled_from(CURRENCIES))
        else:
            found[field.key] = draw(_stored(field.kind))
    return found


items = st.one_of(facts(ITEM), facts(ITEM), st.sampled_from([None, 5, "x", []]))
lists = st.one_of(
    st.lists(items, max_size=3).map(lambda found: {"lines": found}),
    st.sampled_from([{}, {"lines": None}, {"lines": "x"}, {"lines": {}}]),
)


@st.composite
def clauses(draw: st.DrawFn, inside: bool = False) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(FIELDS)))
    kind = FIELDS[name].kind
    movable = FIELDS[name].previous is not None
    ops = [op for op in OPERATORS[kind] if movable or not op.startswith("changed")]
    op = draw(st.sampled_from(ops))
    clause: dict[str, Any] = {"field": name, "op": op}
    if not inside and draw(st.booleans()):
        clause["start_only"] = True
    value = value_of(draw, kind, op)
    return clause if value is None else {**clause, "value": value}


def value_of(draw: st.DrawFn, kind: Kind, op: str) -> Any:
    """What a clause of this kind and operator may be compared with."""
    takes = TAKES[op]
    if takes is Takes.NOTHING:
        return None
    of = Kind.DURATION if takes is Takes.SPAN else kind
    literal = st.sampled_from(LITERALS[of])
    one = st.one_of(literal, literal, st.just({"field": f"other_{of}"}))
    if takes is Takes.TWO:
        return [draw(one), draw(one)]
    return draw(st.lists(one, min_size=1, max_size=3)) if takes is Takes.MANY else draw(one)


@st.composite
def figures(draw: st.DrawFn, where: st.SearchStrategy[Any]) -> dict[str, Any]:
    op = draw(st.sampled_from(FIGURE_OPERATORS))
    kind = draw(st.sampled_from([Kind.WHOLE, Kind.MONEY, Kind.DECIMAL, Kind.DURATION]))
    if draw(st.booleans()):
        node: dict[str, Any] = {"count": "lines"}
        kind = Kind.WHOLE
    else:
        node = {"sum": "lines", "of": str(kind)}
    if draw(st.booleans()):
        node["where"] = draw(where)
    return {**node, "op": op, "value": value_of(draw, kind, op)}


def _tree(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda parts: {"all": parts}),
            st.lists(inner, max_size=4).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=8,
    )


where = _tree(clauses(inside=True))
quantifiers = st.builds(
    lambda shape, part: {shape: "lines", "where": part},
    st.sampled_from(["some", "every", "none"]),
    where,
)
trees = _tree(st.one_of(clauses(), clauses(), quantifiers, figures(where)))
events = st.tuples(facts(), lists, moments)
