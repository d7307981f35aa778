"""The small visible parts that lists and templates share: icon, state, money, time, person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zlib import crc32

from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backoffice.actors import ActorKind
from backoffice.money import Money

NONE = "–"

# The sign that goes with a colour, so that colour never speaks alone.
TOKEN_ICONS = {
    "ok": "circle-check",
    "bad": "alert-circle",
    "warn": "alert-triangle",
    "info": "info-circle",
    "wait": "clock",
    "unk": "help-circle",
}
ACTOR_ICONS = {
    ActorKind.PERSON: "user",
    ActorKind.RULE: "bolt",
    ActorKind.OUTSIDE: "world",
    ActorKind.IMPORT: "download",
    ActorKind.SYSTEM: "signature",
}


def icon(name: str, size: str = "") -> SafeString:
    """An icon of the sprite; `size` is empty, `small` or `large`. It says nothing by itself."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        size,
        static("icons.svg"),
        name,
    )


def status(token: str, word: object, sign: str = "", *, pill: bool = False) -> SafeString:
    """A state as icon, word and colour; `token` is ok, bad, warn, info, wait or unk."""
    return format_html(
        '<span class="status {} {}">{}{}</span>',
        token,
        "pill" if pill else "",
        icon(sign or TOKEN_ICONS[token], "small"),
        word,
    )


def pill(token: str, word: object, sign: str = "") -> SafeString:
    """A state on its tinted ground."""
    return status(token, word, sign, pill=True)


def money(value: Money | None) -> str:
    """An amount with its currency; a dash for None."""
    return NONE if value is None else str(value)


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def two_lines(first: object, second: object) -> SafeString:
    """A cell with a quieter second line."""
    return format_html('{}<span class="sub">{}</span>', first, second)


def key(keys: str) -> SafeString:
    """The hint of a keyboard shortcut, such as `R` or `Ctrl Enter`; read out by no one."""
    single = "single" if len(keys) == 1 else ""
    return format_html('<kbd class="{}" aria-hidden="true">{}</kbd>', single, keys)


def absolute(at: datetime) -> str:
    """Date and time with the zone's name, in the viewer's zone: `20 Nov 2026, 08:14 GMT`."""
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %Y, %H:%M} {local:%Z}"


def short_day(day: date) -> str:
    """`20 Nov`, with the year when it is not this one."""
    year = "" if day.year == timezone.localdate().year else f" {day.year}"
    return f"{day.day} {day:%b}{year}"


def relative(at: datetime, now: datetime | None = None) -> str:
    """How far away in rough words: `just now`, `5 min ago`, `in 2 h`, `3 days ago`, `20 Nov`."""
    seconds = ((now or timezone.now()) - at).total_seconds()
    size = abs(seconds)
    if size < 45:
        return "just now"
    if size < 3600:
        words = f"{max(1, round(size / 60))} min"
    elif size < 86_400:
        words = f"{round(size / 3600)} h"
    elif size < 7 * 86_400:
        days = round(size / 86_400)
        words = f"{days} day{'s' if days > 1 else ''}"
    else:
        return short_day(timezone.localtime(at).date())
    return f"{words} ago" if seconds > 0 else f"in {words}"


def ago(at: datetime | None) -> SafeString | str:
    """A relative time that keeps itself current, absolute on hover and focus; a dash for None."""
    if at is None:
        return NONE
    return format_html(
        '<time datetime="{}" data-absolute="{}" data-relative>{}</time>',
        at.isoformat(),
        absolute(at),
        relative(at),
    )


def moment(at: datetime | None) -> SafeString | str:
    """A time of day today, else a day with its time; the full date on hover; a dash for None."""
    if at is None:
        return NONE
    local = timezone.localtime(at)
    today = local.date() == timezone.localdate()
    shown = f"{local:%H:%M}" if today else f"{short_day(local.date())} {local:%H:%M}"
    return format_html(
        '<time datetime="{}" data-absolute="{}">{}</time>', at.isoformat(), absolute(at), shown
    )


def duration(value: timedelta | None) -> str:
    """`0.4 s`, `12 s`, `3 min`, `2 h 10 min`, `3 days`; a dash for None."""
    if value is None:
        return NONE
    seconds = value.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{minutes // 1440} days"


def initials(name: str) -> str:
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "?"


def avatar(who: object | None, *, large: bool = False) -> SafeString:
    """A person's initials in their own colour, with the name as its text; None is nobody."""
    size = "large" if large else ""
    if who is None:
        return format_html(
            '<span class="avatar nobody {}" role="img" aria-label="nobody">–</span>', size
        )
    name = str(who)
    return format_html(
        '<span class="avatar c{} {}" role="img" aria-label="{}" title="{}">{}</span>',
        crc32(name.encode()) % 8,
        size,
        name,
        name,
        getattr(who, "initials", None) or initials(name),
    )


def person(who: object | None) -> SafeString:
    """Initials and name; “Nobody” for None."""
    if who is None:
        return format_html('<span class="row"><span class="muted">Nobody</span></span>')
    mark = format_html(
        '<span class="avatar c{}" aria-hidden="true">{}</span>',
        crc32(str(who).encode()) % 8,
        getattr(who, "initials", None) or initials(str(who)),
    )
    return format_html('<span class="row">{}{}</span>', mark, who)


def actor_mark(kind: str) -> SafeString:
    """The round sign of who acted: a person, a rule, an outside system."""
    return format_html(
        '<span class="actor-mark {}">{}</span>', kind, icon(ACTOR_ICONS[ActorKind(kind)], "small")
    )


def sparkline(
    values: Sequence[float],
    *,
    low: float | None = None,
    high: float | None = None,
    token: str = "ok",  # noqa: S107 (a colour, no secret)
    label: str = "",
) -> SafeString:
    """A line of 88×18 with the expected band behind it; `label` is its text for screen readers."""
    if not values:
        return format_html("{}", NONE)
    top = max([*values, high or 0, 1])
    step = 84 / max(1, len(values) - 1)

    def y(value: float) -> float:
        return round(16 - 14 * value / top, 1)

    points = [(round(2 + step * index, 1), y(value)) for index, value in enumerate(values)]
    band: Any = ""
    if low is not None and high is not None:
        band = format_html(
            '<rect class="band" x="0" y="{}" width="88" height="{}"/>',
            y(high),
            max(1.5, round(y(low) - y(high), 1)),
        )
    return format_html(
        '<svg class="spark {}" viewBox="0 0 88 18" role="img" aria-label="{}">{}'
        '<path class="path" d="M{}"/><circle class="dot" cx="{}" cy="{}" r="2"/></svg>',
        token,
        label or f"{len(values)} values, last {values[-1]:g}",
        band,
        "L".join(f"{left} {height}" for left, height in points),
        *points[-1],
    )
