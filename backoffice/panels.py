"""Parts that an upper app shows on a lower app's page, without an import between them."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a record's page. `url_name` takes the record's id and answers with a fragment."""

    subject: str
    title: str
    url_name: str
    permission: str
    order: int = 50
    slot: str = "side"


_panels: dict[str, list[Panel]] = {}


def register(panel: Panel) -> None:
    """Add a part; raises ImproperlyConfigured when its URL is on that page already."""
    panels = _panels.setdefault(panel.subject, [])
    if any(known.url_name == panel.url_name for known in panels):
        raise ImproperlyConfigured(f"Panel {panel.url_name} is registered twice.")
    panels.append(panel)
    panels.sort(key=lambda known: (known.order, known.title))


def panels_for(subject: str) -> list[Panel]:
    """The parts for a kind of record, in order."""
    return list(_panels.get(subject, []))
