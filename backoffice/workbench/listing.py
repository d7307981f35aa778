"""What one address of a list shows: its rows, exact totals, tabs, chips, columns and links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

from django.db.models import Count, Max, Q, QuerySet
from django.urls import reverse

from backoffice.models import SavedView, User
from backoffice.versions import whole
from backoffice.workbench.bench import View, Workbench, order_by
from backoffice.workbench.bulk import BulkAction, permitted
from backoffice.workbench.columns import Column, M
from backoffice.workbench.filters import Filter, FilterError
from backoffice.workbench.state import ListState, Params, read, written


@dataclass(frozen=True, slots=True)
class Tab:
    """A view above the list, shipped (`saved` is None) or saved by someone."""

    slug: str
    label: str
    params: Params
    default_for: Sequence[str]
    saved: SavedView | None = None
    empty: str = ""


@dataclass(frozen=True, slots=True)
class ActiveChip:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's head: where its link sorts, and how the list is sorted now."""

    label: str
    css: str
    url: str
    direction: str
    hint: str


@dataclass(frozen=True, slots=True)
class Row(Generic[M]):
    """A row on the page, its cells ready to print."""

    record: M
    label: str
    url: str
    peek: str
    cells: list[tuple[Column[M], object]]
    picked: bool


class Listing(Generic[M]):
    """A list screen for one person at one address. Nothing is read before it is asked for."""

    def __init__(self, bench: Workbench[M], user: User, params: Params, roles: Sequence[str]):
        self.bench = bench
        self.user = user
        self.roles = roles
        self.notice = ""
        tab = self._active_tab(next(iter(params.get("view", ())), ""))
        self.tab = tab
        self.state = ListState(bench.url, params, tab.params)
        try:
            self.condition = bench.condition(self.state.effective)
        except FilterError as error:
            # Not all rows: whoever picks “all in view” would have asked for a few.
            self.notice = f"{error} Nothing is shown until that filter is mended or cleared."
            self.condition = Q(pk__in=())

    # Views

    @cached_property
    def tabs(self) -> list[Tab]:
        shipped = [
            Tab(view.slug, view.label, view.params, view.default_for, None, view.empty)
            for view in self.bench.views
            if self._may_see(view)
        ]
        saved = [
            Tab(
                view.slug,
                view.name,
                read(view.query),
                (view.default_for,) if view.default_for else (),
                view,
            )
            for view in SavedView.objects.visible_to(self.user).filter(screen=self.bench.key)
        ]
        return shipped + saved

    def _may_see(self, view: View) -> bool:
        return not view.permission or self.user.has_perm(view.permission)

    def _active_tab(self, slug: str) -> Tab:
        if slug:
            for tab in self.tabs:
                if tab.slug == slug:
                    return tab
            self.notice = "That view is private or gone; this is the first one."
            return self.tabs[0]
        for tab in reversed(self.tabs):
            if set(tab.default_for) & set(self.roles):
                return tab
        return self.tabs[0]

    @property
    def changed(self) -> bool:
        """Whether the address says more than its view, so that it is worth saving."""
        return bool(set(self.state.explicit) - {"view", "page", "sel", "mark"})

    # Rows

    @cached_property
    def base(self) -> QuerySet[M]:
        return self.bench.queryset(self.user)

    @cached_property
    def matching(self) -> QuerySet[M]:
        return self.base.filter(self.condition)

    @cached_property
    def total(self) -> int:
        return self.matching.count()

    @property
    def counted(self) -> str:
        return self.bench.counted(self.total)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.bench.page_size))

    @property
    def page(self) -> int:
        return min(self.state.page, self.pages)

    @property
    def first(self) -> int:
        return (self.page - 1) * self.bench.page_size + 1 if self.total else 0

    @property
    def last(self) -> int:
        return min(self.page * self.bench.page_size, self.total)

    @property
    def ordering(self) -> list[str]:
        return self.bench.ordering(self.state.one("sort"))

    def _page_ids(self) -> list[Any]:
        """The keys of the page's rows. The second half of a long list is read from its end."""
        if not self.total:
            return []
        start, end = self.first - 1, self.last
        turned = start > self.total // 2
        if turned:
            start, end = self.total - end, self.total - start
        rows = order_by(self.matching, self.ordering, turned=turned)
        keys = list(rows.values_list("pk", flat=True)[start:end])
        return keys[::-1] if turned else keys

    @cached_property
    def records(self) -> list[M]:
        ids = self._page_ids()
        rows = self.base.model._default_manager.filter(pk__in=ids)
        if self.bench.decorate is not None:
            rows = self.bench.decorate(rows)
        by_key = {row.pk: row for row in rows}
        return [by_key[key] for key in ids if key in by_key]

    @cached_property
    def rows(self) -> list[Row[M]]:
        picked = self.picked
        return [
            Row(
                record,
                self.bench.row_label(record),
                self._row_url(record),
                self.bench.peek(record) if self.bench.peek else "",
                [(column, column.cell(record)) for column in self.columns],
                picked is not None and record.pk == picked.pk,
            )
            for record in self.records
        ]

    def _row_url(self, record: M) -> str:
        if self.bench.peek is not None:
            return self.state.url(sel=str(record.pk))
        return self.bench.row_url(record) if self.bench.row_url else ""

    @cached_property
    def picked(self) -> M | None:
        """The row whose page the inbox shows: the one of `sel`, else the first."""
        if self.bench.peek is None:
            return None
        chosen = self.state.one("sel")
        for record in self.records:
            if str(record.pk) == chosen:
                return record
        if (key := whole(chosen)) is not None:
            found = self.base.filter(pk=key).first()
            if found is not None:
                return found
        return self.records[0] if self.records else None

    @property
    def peek_url(self) -> str:
        if self.bench.peek is None or self.picked is None:
            return ""
        return self.bench.peek(self.picked)

    @cached_property
    def mark(self) -> int:
        """The newest key there is, so that a later look can count what came after it."""
        newest = self.base.model._default_manager.aggregate(newest=Max("pk"))["newest"]
        return int(newest or 0)

    def arrived_since(self, mark: int) -> int:
        """How many rows of this view are newer than the mark."""
        return self.matching.filter(pk__gt=mark).count()

    def tab_counts(self) -> dict[str, int]:
        """The exact number of rows in each view, in one query."""
        wanted = {}
        for index, tab in enumerate(self.tabs):
            try:
                condition = self.bench.condition(tab.params)
            except FilterError:
                continue
            wanted[f"tab_{index}"] = Count("pk", filter=condition) if condition else Count("pk")
        found = self.base.aggregate(**wanted)
        return {
            tab.slug: found[f"tab_{index}"]
            for index, tab in enumerate(self.tabs)
            if f"tab_{index}" in found
        }

    @cached_property
    def summary(self) -> str:
        return self.bench.summary(self.matching) if self.bench.summary else ""

    # What the page prints around the rows

    @cached_property
    def columns(self) -> list[Column[M]]:
        wanted = self.state.cols
        known = self.bench.columns
        chosen = [column for column in known if column.key in wanted or column.main]
        if wanted and chosen:
            return chosen
        return [column for column in known if column.default]

    @property
    def headings(self) -> Iterator[Heading]:
        now = self.state.one("sort") or self.bench.default_sort
        for column in self.columns:
            url, direction = "", ""
            if column.ordering:
                if now.removeprefix("-") == column.key:
                    direction = "descending" if now.startswith("-") else "ascending"
                url = self.state.url(sort=self._next_sort(column, direction))
            yield Heading(column.label, column.css, url, direction, column.hint)

    def _next_sort(self, column: Column[M], direction: str) -> str:
        if direction:
            return column.key if direction == "descending" else f"-{column.key}"
        return f"-{column.key}" if column.kind in ("number", "money", "time") else column.key

    @property
    def chips(self) -> Iterator[ActiveChip]:
        for filter_ in self.bench.filters:
            for chip in filter_.chips(self.state.values(filter_.key)):
                yield ActiveChip(chip.text, self.state.without(filter_.key, chip.rest))
        if words := self.state.one("q"):
            yield ActiveChip(f"Search: “{words}”", self.state.without("q"))

    def filter_state(self, *, pinned: bool) -> list[tuple[Filter, tuple[str, ...], str]]:
        """The filters with their values now and what a button says of them."""
        return [
            (filter_, self.state.values(filter_.key), filter_.summary(self._valid(filter_)))
            for filter_ in self.bench.filters
            if filter_.pinned == pinned
        ]

    def _valid(self, filter_: Filter) -> tuple[str, ...]:
        return self.state.values(filter_.key) if not self.notice else ()

    @property
    def pinned(self) -> list[tuple[Filter, tuple[str, ...], str]]:
        return self.filter_state(pinned=True)

    @property
    def unpinned(self) -> list[tuple[Filter, tuple[str, ...], str]]:
        return self.filter_state(pinned=False)

    @property
    def bulk_actions(self) -> list[BulkAction]:
        return permitted(self.bench.bulk, self.user)

    @property
    def previous_url(self) -> str:
        return self.state.url(page=str(self.page - 1)) if self.page > 1 else ""

    @property
    def next_url(self) -> str:
        return self.state.url(page=str(self.page + 1)) if self.page < self.pages else ""

    @property
    def chip_list(self) -> list[ActiveChip]:
        return list(self.chips) if self.changed else []

    @property
    def words(self) -> str:
        return self.state.one("q")

    @property
    def here(self) -> str:
        return self.state.url(page=None) if self.page == 1 else self.state.url()

    @property
    def query(self) -> str:
        """The address's query with the newest key seen, for the parts of the page."""
        params: Params = {**self.state.explicit, "mark": (str(self.mark),)}
        return written(params)

    @property
    def saved_query(self) -> str:
        return self.state.view_query([filter_.key for filter_ in self.bench.filters])

    @property
    def start_url(self) -> str:
        name = self.bench.empty.start_url_name
        return reverse(name) if name else ""

    @property
    def nothing_left(self) -> str:
        return self.tab.empty or self.bench.empty.nothing_left

    @cached_property
    def everything(self) -> Tab | None:
        """The view of all there is; None where it is this view itself."""
        shown = next((tab for tab in self.tabs if tab.slug == "all"), None)
        return shown if shown is not self.tab else None

    @property
    def everything_url(self) -> str:
        return f"{self.state.path}?view=all" if self.everything else ""

    @property
    def clear_url(self) -> str:
        """The view without any filter that was added to it."""
        view = self.state.explicit.get("view")
        return self.state.path + (f"?view={view[0]}" if view else "")

    @property
    def cleared_url(self) -> str:
        """Where somebody without a match starts again: all there is, unless they chose a view."""
        return self.clear_url if "view" in self.state.explicit else self.everything_url or self.path

    @property
    def path(self) -> str:
        return self.state.path

    @cached_property
    def elsewhere(self) -> str:
        """How many rows of all there are fit what is searched for, where this view hides some."""
        searched = bool(self.words) or (self.changed and not self.total)
        if self.everything is None or not searched or self.notice:
            return ""
        wanted = {**self.everything.params, **self.state.explicit}
        found = self.base.filter(self.bench.condition(wanted)).count()
        return self.bench.counted(found) if found > self.total else ""

    @property
    def elsewhere_url(self) -> str:
        return self.state.url(view="all")

    @property
    def emptiness(self) -> str:
        """Why there are no rows: `nothing_matches`, `nothing_left` or `nothing_yet`."""
        if self.changed:
            return "nothing_matches"
        return "nothing_left" if self.base.exists() else "nothing_yet"
