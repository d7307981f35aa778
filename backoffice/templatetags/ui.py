"""`{% load ui %}`: the small visible parts in templates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.money import Money

register = template.Library()

register.simple_tag(ui.icon, name="icon")
register.simple_tag(ui.status, name="status")
register.simple_tag(ui.pill, name="pill")
register.simple_tag(ui.key, name="key")
register.simple_tag(ui.avatar, name="avatar")
register.simple_tag(ui.person, name="person")
register.simple_tag(ui.actor_mark, name="actor_mark")
register.simple_tag(ui.sparkline, name="sparkline")


@register.simple_tag
def in_sandbox() -> bool:
    """Whether this installation is a sandbox; asked here, as pages of errors have no context."""
    return bool(settings.SANDBOX)


@register.filter
def money(value: Money | None) -> str:
    """An amount with its currency; a dash for None."""
    return ui.money(value)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """A relative time that keeps itself current."""
    return ui.ago(value)


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Time of day today, else day and time."""
    return ui.moment(value)


@register.filter
def absolute(value: datetime | None) -> str:
    """Date, time and zone."""
    return ui.NONE if value is None else ui.absolute(value)


@register.filter
def duration(value: timedelta | None) -> str:
    """A length of time."""
    return ui.duration(value)


@register.filter
def dash(value: object) -> object:
    """The value, or a dash where there is none."""
    return ui.NONE if value is None or value == "" else value


@register.filter
def permitted(user: Any, permission: str) -> bool:
    """Whether a person has a permission: `{% if user|permitted:"orders.hold_order" %}`."""
    return bool(user.has_perm(permission))
