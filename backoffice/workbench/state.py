"""The state of a list is its address: view, filters, search, order, columns, page, picked row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

Params = Mapping[str, tuple[str, ...]]

# What an address may hold besides the filters, in the order in which it is written.
OWN = ("view", "q", "sort", "cols", "page", "sel")


@dataclass(frozen=True, slots=True)
class ListState:
    """One address of a list. `explicit` is what it says, `view_params` what its view adds."""

    path: str
    explicit: Params
    view_params: Params

    @property
    def effective(self) -> Params:
        return {**self.view_params, **self.explicit}

    def values(self, key: str) -> tuple[str, ...]:
        return tuple(value for value in self.effective.get(key, ()) if value)

    def one(self, key: str) -> str:
        return next(iter(self.values(key)), "")

    @property
    def page(self) -> int:
        text = self.one("page")
        return max(1, int(text)) if text.isdecimal() and len(text) < 8 else 1

    @property
    def cols(self) -> tuple[str, ...]:
        return tuple(name for name in self.one("cols").split(",") if name)

    def url(self, **changes: str | Sequence[str] | None) -> str:
        """This address with some parameters changed; None removes one.

        A change of anything but the page or the picked row starts again at the first page.
        """
        params = dict(self.explicit)
        if set(changes) - {"page", "sel"}:
            params.pop("page", None)
            params.pop("sel", None)
        for key, value in changes.items():
            if value is None:
                params.pop(key, None)
            else:
                params[key] = (value,) if isinstance(value, str) else tuple(value)
        return self.path + written(params)

    def without(self, key: str, rest: Sequence[str] = ()) -> str:
        """This address with only `rest` left of a filter, even where the view asks for more."""
        if rest:
            return self.url(**{key: rest})
        return self.url(**{key: "" if key in self.view_params else None})

    def view_query(self, filters: Iterable[str]) -> str:
        """What a saved view keeps: filters, search, order and columns; no page, no picked row."""
        kept = [*filters, "q", "sort", "cols"]
        return written({key: self.values(key) for key in kept if self.values(key)}).removeprefix(
            "?"
        )


def written(params: Params) -> str:
    """The query string in a fixed order, readable: `?view=mine&status=open&total=gte:500`."""
    order = {"view": 0, "q": 1, "sort": 3, "cols": 4, "page": 5, "sel": 6, "mark": 7}
    keys = sorted(params, key=lambda key: (order.get(key, 2), key))
    pairs = [(key, value) for key in keys for value in params[key]]
    return "?" + urlencode(pairs, safe=":,") if pairs else ""


def read(query: str | QueryDict) -> dict[str, tuple[str, ...]]:
    """The parameters of a query, each with its values."""
    found = QueryDict(query) if isinstance(query, str) else query
    return {key: tuple(found.getlist(key)) for key in found}


def from_form(query: QueryDict, view_params: Params) -> dict[str, tuple[str, ...]]:
    """What a filter form sent, as the readable parameters of the address.

    `total.gte=500` becomes `total=gte:500`. An emptied field stays as `status=` only where the
    view would set it again.
    """
    result: dict[str, list[str]] = {}
    for key in query:
        name, dot, sign = key.partition(".")
        if name == "_form":
            continue
        values = [value.strip() for value in query.getlist(key) if value.strip()]
        result.setdefault(name, [])
        result[name] += [f"{sign}:{value}" for value in values] if dot else values
    if "cols" in result:
        result["cols"] = [",".join(result["cols"])] if result["cols"] else []
    return {
        key: tuple(values) or ("",)
        for key, values in result.items()
        if values or key in view_params
    }
