"""Text parameters in Liquid: a small part of the language, strict, and bounded in what it makes.

Left out is what reaches outside (include, render) and what multiplies text (capture, replace,
split), so that no draft can fill a worker's memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError

from automations.conditions.fields import Catalogue, Facts, Kind, Lists
from automations.conditions.values import read

_TAGS = frozenset(
    {
        "#",
        "assign",
        "break",
        "case",
        "comment",
        "content",
        "continue",
        "for",
        "if",
        "illegal",
        "output",
        "unless",
    }
)
_FILTERS = frozenset(
    {
        "abs",
        "append",
        "at_least",
        "at_most",
        "capitalize",
        "ceil",
        "date",
        "default",
        "divided_by",
        "downcase",
        "first",
        "floor",
        "last",
        "minus",
        "modulo",
        "plus",
        "prepend",
        "round",
        "size",
        "strip",
        "sum",
        "times",
        "truncate",
        "truncatewords",
        "upcase",
    }
)


class _Bounded(Environment):
    context_depth_limit = 10
    loop_iteration_limit = 1_000
    local_namespace_limit = 20_000
    output_stream_limit = 20_000


class TextInvalid(ValueError):
    """A text that can't be read or rendered, in words."""


def _environment() -> Environment:
    made = _Bounded(undefined=StrictUndefined)
    made.tags = {name: tag for name, tag in made.tags.items() if name in _TAGS}
    made.filters = {name: known for name, known in made.filters.items() if name in _FILTERS}
    made.filters["money"] = str
    return made


_ENVIRONMENT = _environment()
# What python-liquid and the filters raise for what an author wrote.
_FAULTS = (
    LiquidError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def _said(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@lru_cache(maxsize=512)
def compile_text(source: str) -> BoundTemplate:
    """The template of a text; raises TextInvalid with the reason."""
    try:
        template = _ENVIRONMENT.from_string(source)
        unknown = set(template.analyze().filters) - set(_ENVIRONMENT.filters)
    except _FAULTS as error:
        raise TextInvalid(f"This text can't be read: {_said(error)}.") from error
    if unknown:
        raise TextInvalid(f"There is no filter {sorted(unknown)[0]} here.")
    return template


def paths_in(source: str) -> list[str]:
    """The payload paths a text names, up to the first computed part; raises TextInvalid."""
    found: set[str] = set()
    for variables in compile_text(source).analyze().globals.values():
        for variable in variables:
            parts: list[str] = []
            for segment in variable.segments:
                if not isinstance(segment, str):
                    break
                parts.append(segment)
            found.add(".".join(parts))
    return sorted(found)


def unknown_paths(source: str, catalogue: Catalogue) -> list[str]:
    """The paths of a text that lead to no field or list; raises TextInvalid."""
    known = [*catalogue.fields, *catalogue.lists]
    return [path for path in paths_in(source) if not _leads(path, known)]


def _leads(path: str, known: Iterable[str]) -> bool:
    # `order.lines.first.sku` goes on inside a list, `order.lines.size` asks about it.
    return any(path == name or path.startswith(f"{name}.") for name in known)


def _put(into: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        into = into.setdefault(parent, {})
    into[last] = value


def namespace(catalogue: Catalogue, facts: Facts, lists: Lists) -> dict[str, Any]:
    """Facts as the nested names a text uses; what was not stored stays undefined."""
    found: dict[str, Any] = {}
    for path, field in catalogue.fields.items():
        if field.keys[0] in facts:
            value = read(field, facts)
            _put(found, path, ("yes" if value else "no") if field.kind is Kind.BOOL else value)
    for path, known in catalogue.lists.items():
        items = lists.get(path)
        if items is not None:
            inner = Catalogue(known.items)
            _put(found, path, [namespace(inner, item, {}) for item in items])
    return found


def render(source: str, names: Mapping[str, Any]) -> str:
    """The text with its names filled in; raises TextInvalid, for a name without a value too."""
    template = compile_text(source)
    try:
        return template.render(**names)
    except _FAULTS as error:
        raise TextInvalid(f"This text can't be filled in: {_said(error)}.") from error
