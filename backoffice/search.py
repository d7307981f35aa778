"""Finding a record by its number from anywhere: each app registers a provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backoffice.models import User


@dataclass(frozen=True, slots=True)
class Hit:
    """One found record. `kind` is its noun (`order`); `text` follows the title, quietly."""

    kind: str
    title: str
    url: str
    text: str = ""
    icon: str = "file-text"


# A provider answers within 50 ms: an exact or prefix match on an index, at most `limit` hits.
Provider = Callable[[str, User, int], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class _Registered:
    permission: str
    provider: Provider


_providers: dict[str, _Registered] = {}


def register(heading: str, permission: str, provider: Provider) -> None:
    """Add a provider under a heading (`Orders`), asked only for people with the permission."""
    _providers[heading] = _Registered(permission, provider)


def search(query: str, user: User, limit: int = 5) -> dict[str, list[Hit]]:
    """The hits by heading, without empty headings; nothing for an empty query."""
    query = query.strip()
    if not query:
        return {}
    found = {
        heading: list(entry.provider(query, user, limit))
        for heading, entry in sorted(_providers.items())
        if user.has_perm(entry.permission)
    }
    return {heading: hits for heading, hits in found.items() if hits}
