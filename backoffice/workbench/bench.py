"""One declaration makes a list screen: see README.md beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, Generic

from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest
from django.urls import reverse

from backoffice import counting
from backoffice.models import User
from backoffice.workbench.columns import Column, M
from backoffice.workbench.filters import Filter
from backoffice.workbench.state import Params, read


@dataclass(frozen=True, slots=True)
class View:
    """A view that the house ships, as a tab: its query is `status=held&sort=placed`.

    `default_for` names the roles that start with it. `empty` is what the tab says when nothing is
    left in it, `sign` the icon beside that.
    """

    slug: str
    label: str
    query: str = ""
    default_for: Sequence[str] = ()
    empty: str = ""
    permission: str = ""

    @property
    def params(self) -> Params:
        return read(self.query)


@dataclass(frozen=True, slots=True)
class Empty:
    """The words for an empty list: nothing there yet (and how to start), nothing left."""

    nothing_yet: str = "Nothing here yet."
    how_to_start: str = ""
    start_url_name: str = ""
    start_word: str = ""
    nothing_left: str = "Nothing left here. Good."


@dataclass(frozen=True, kw_only=True)
class Workbench(Generic[M]):
    """A list screen.

    `nouns` is the plural where it is not the noun with an s. `queryset` gives the rows this person
    may see, bare: no select_related, and no annotations but those that filters or sorting need.
    `decorate` adds what the cells need, for the 50 rows of the page only. `search` lists lookups
    (`number__istartswith`) or is a function from the words to a condition. `sort` is the default
    order; the primary key always decides between equals. `row_url` opens a record; `peek` makes
    the screen an inbox of two panes and gives the address of the fragment that the right pane
    shows. `bulk` names registered bulk actions. `summary` says a figure of all rows in the view.
    """

    key: str
    title: str
    noun: str
    nouns: str = ""
    url_name: str
    permission: str
    queryset: Callable[[User], QuerySet[M]]
    columns: Sequence[Column[M]]
    row_label: Callable[[M], str] = str
    row_url: Callable[[M], str] | None = None
    peek: Callable[[M], str] | None = None
    decorate: Callable[[QuerySet[M]], QuerySet[M]] | None = None
    filters: Sequence[Filter] = ()
    search: Sequence[str] | Callable[[str], Q] = ()
    search_hint: str = "Filter"
    sort: Sequence[str] = ("-pk",)
    views: Sequence[View] = (View("all", "All"),)
    bulk: Sequence[str] = ()
    bulk_confirm_over: int = 20
    empty: Empty = field(default_factory=Empty)
    summary: Callable[[QuerySet[M]], str] | None = None
    actions_template: str = ""
    template: str = "workbench/list.html"
    context: Callable[[HttpRequest], Mapping[str, Any]] | None = None
    page_size: int = 50
    exportable: bool = True

    def __post_init__(self) -> None:
        names = [filter_.key for filter_ in self.filters]
        reserved = {"view", "q", "sort", "cols", "page", "sel"} & set(names)
        if reserved or len(set(names)) < len(names):
            raise ValueError(f"{self.key}: filter keys must be unique and none of {reserved}.")
        if not self.views:
            raise ValueError(f"{self.key} needs at least one view.")

    def counted(self, number: int) -> str:
        """`1 order`, `2,314 orders`."""
        return counting.counted(number, self.noun, self.nouns)

    @property
    def is_inbox(self) -> bool:
        """Whether it has two panes; templates would call `peek` itself."""
        return self.peek is not None

    @property
    def is_searchable(self) -> bool:
        """Whether it has a search box; templates would call a `search` that is a function."""
        return bool(self.search)

    @property
    def url(self) -> str:
        return reverse(self.url_name)

    def column(self, key: str) -> Column[M] | None:
        return next((column for column in self.columns if column.key == key), None)

    def filter(self, key: str) -> Filter | None:
        return next((filter_ for filter_ in self.filters if filter_.key == key), None)

    def search_condition(self, words: str) -> Q:
        """The condition for the search box; every word must be found in one of the fields."""
        if callable(self.search):
            return self.search(words)
        result = Q()
        for word in words.split()[:8]:
            result &= reduce(or_, (Q(**{lookup: word}) for lookup in self.search), Q())
        return result

    def condition(self, params: Params) -> Q:
        """All filters and the search of these parameters; raises FilterError."""
        result = Q()
        for filter_ in self.filters:
            values = [value for value in params.get(filter_.key, ()) if value]
            if values:
                result &= filter_.condition(values)
        words = " ".join(params.get("q", ()))[:200]
        if words and self.search:
            result &= self.search_condition(words)
        return result

    @property
    def default_sort(self) -> str:
        """The `sort` parameter that means the default order; empty when no column has it."""
        for column in self.columns:
            if column.ordering and tuple(self.sort[:1]) == column.ordering[:1]:
                return column.key
            if column.ordering and self.sort[0] == _turned(column.ordering[0]):
                return f"-{column.key}"
        return ""

    def ordering(self, sort: str) -> list[str]:
        """The ORDER BY of a `sort` parameter such as `-placed`; the default where it is unknown."""
        column = self.column(sort.removeprefix("-"))
        fields = list(self.sort)
        if column is not None and column.ordering:
            fields = [_turned(name) if sort[0] == "-" else name for name in column.ordering]
        if not {"pk", "-pk", "id", "-id"} & set(fields):
            fields.append("-pk" if fields[0].startswith("-") else "pk")
        return fields


def order_by(rows: QuerySet[M], ordering: Sequence[str], *, turned: bool = False) -> QuerySet[M]:
    """Rows in this order, those without a value at the end; `turned` is exactly the reverse."""
    return rows.order_by(*(_sorted_by(rows.model, name, turned=turned) for name in ordering))


def _sorted_by(model: type[Model], name: str, *, turned: bool) -> str | OrderBy:
    plain, down = name.removeprefix("-"), name.startswith("-")
    if not down or not _may_be_missing(model, plain):
        return _turned(name) if turned else name
    # PostgreSQL puts what is missing first when it goes down: nobody looks for that.
    return F(plain).asc(nulls_first=True) if turned else F(plain).desc(nulls_last=True)


def _may_be_missing(model: type[Model], name: str) -> bool:
    try:
        return bool(getattr(model._meta.get_field(name), "null", False))
    except FieldDoesNotExist:
        return False  # an annotation, or a field of another table


def _turned(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


# A bench whose rows are of some model: what functions take that work for every list.
AnyBench = Workbench[Model]

_benches: dict[str, Workbench[Any]] = {}


def register(bench: Workbench[Any]) -> None:
    """Make a list known by its key; its URLs do this."""
    _benches[bench.key] = bench


def get(key: str) -> Workbench[Any]:
    """The list of this key; raises KeyError."""
    return _benches[key]
