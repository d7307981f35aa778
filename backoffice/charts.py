"""Small charts as inline SVG: no script, and colours that follow the theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, FOOT = 720, 96, 14


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's count; `extra` is the part of it that is new, printed on top."""

    day: str
    count: int
    extra: int = 0


def every_day(bars: Sequence[Bar], days: int, until: date) -> list[Bar]:
    """The bars of each of the last days, those without anything too."""
    known = {bar.day: bar for bar in bars}
    wanted = [until - timedelta(days=back) for back in range(days - 1, -1, -1)]
    return [known.get(day.isoformat(), Bar(day.isoformat(), 0)) for day in wanted]


def bar_chart(bars: Sequence[Bar], label: str) -> SafeString:
    """Counts by day as bars; `label` is what screen readers say of it."""
    top = max((bar.count for bar in bars), default=0) or 1
    step = WIDTH / max(1, len(bars))
    room = HEIGHT - FOOT
    shapes = []
    for index, bar in enumerate(bars):
        height = round(room * bar.count / top, 1)
        new = round(room * bar.extra / top, 1)
        left, width = round(index * step, 1), round(max(1.0, step * 0.78), 1)
        title = f"{bar.day}: {bar.count}"
        shapes.append((left, round(room - height, 1), width, max(height, 0.5), title, ""))
        if new:
            title = f"{title}, new {bar.extra}"
            shapes.append((left, round(room - height, 1), width, new, title, "new"))
    rects = format_html_join(
        "",
        '<rect x="{0}" y="{1}" width="{2}" height="{3}" class="{5}"><title>{4}</title></rect>',
        shapes,
    )
    first, last = (bars[0].day, bars[-1].day) if bars else ("", "")
    return format_html(
        '<svg class="bars" viewBox="0 0 {} {}" role="img" aria-label="{}" '
        'preserveAspectRatio="none">{}</svg>'
        '<div class="bars-foot small muted" aria-hidden="true"><span>{}</span>'
        "<span>at most {} a day</span><span>{}</span></div>",
        WIDTH,
        room,
        label,
        rects,
        _day(first),
        top if bars else 0,
        _day(last),
    )


def _day(text: str) -> str:
    if not text:
        return ""
    day = date.fromisoformat(text)
    return f"{day.day} {day:%b}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a chart over time: what it is, how much, and the list that makes it up."""

    title: str
    count: int
    url: str


def column_chart(columns: Sequence[Column], each: str) -> SafeString:
    """Counts over time as columns that lead to their lists; `each` is what one stands for.

    Said to no screen reader and in no tab order: a table beside it says the same.
    """
    top = max((column.count for column in columns), default=0)
    step, room = WIDTH / max(1, len(columns)), HEIGHT - FOOT
    shapes = [
        (
            column.url,
            round(index * step, 1),
            round(room - max(room * column.count / (top or 1), 0.5), 1),
            round(max(1.0, step * 0.78), 1),
            round(max(room * column.count / (top or 1), 0.5), 1),
            f"{column.title}: {column.count:,}",
            room,
        )
        for index, column in enumerate(columns)
    ]
    drawn = format_html_join(
        "",
        '<a href="{0}" tabindex="-1"><title>{5}</title>'
        '<rect class="hit" x="{1}" y="0" width="{3}" height="{6}"/>'
        '<rect x="{1}" y="{2}" width="{3}" height="{4}"/></a>',
        shapes,
    )
    return format_html(
        '<svg class="columns" viewBox="0 0 {} {}" aria-hidden="true" focusable="false" '
        'preserveAspectRatio="none">{}</svg>'
        '<div class="columns-foot small muted" aria-hidden="true"><span>{}</span>'
        "<span>at most {} {}</span><span>{}</span></div>",
        WIDTH,
        room,
        drawn,
        columns[0].title if columns else "",
        f"{top:,}",
        each,
        columns[-1].title if columns else "",
    )
