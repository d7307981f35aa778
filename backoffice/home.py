"""Parts of the home page: each app registers what needs someone, is late or is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

from backoffice.models import User


@dataclass(frozen=True, slots=True)
class HomePanel:
    """A part of home. `url_name` takes no argument and answers with a fragment (a `.panel`).

    It shows to whoever has the permission; `roles` narrows that to these roles (empty: all).
    """

    title: str
    url_name: str
    permission: str
    order: int = 50
    roles: Sequence[str] = ()


_panels: dict[str, HomePanel] = {}


def register(panel: HomePanel) -> None:
    """Add a part; raises ImproperlyConfigured when its URL is on home already."""
    if panel.url_name in _panels:
        raise ImproperlyConfigured(f"Home panel {panel.url_name} is registered twice.")
    _panels[panel.url_name] = panel


def panels_for(user: User) -> list[HomePanel]:
    """The parts that this person sees, in order."""
    roles = set(user.groups.values_list("name", flat=True))
    shown = [
        panel
        for panel in _panels.values()
        if user.has_perm(panel.permission) and (not panel.roles or roles & set(panel.roles))
    ]
    return sorted(shown, key=lambda panel: (panel.order, panel.title))
