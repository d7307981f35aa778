"""The sources that are open, ready to check signatures; kept for a moment by each process."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Q

from automations.connectors import vault
from automations.intake.signatures import SCHEMES, Scheme, Way
from automations.models.intake import IntakeSecret, IntakeSource

logger = logging.getLogger(__name__)

# So long an ended secret or a closed source may still be accepted.
KEPT_SECONDS = 2.0
SECRET = "signing"  # noqa: S105  the name under which it is sealed


@dataclass(frozen=True, slots=True)
class Live:
    """A source as a web process needs it."""

    id: int
    key: str
    scheme: Scheme
    way: Way
    topic_at: str
    secrets: Sequence[tuple[int, str, datetime | None]]

    def accepted(self, now: datetime) -> list[tuple[int, str]]:
        """The secrets that have not ended."""
        return [(pk, value) for pk, value, ends in self.secrets if ends is None or ends > now]


_kept: dict[tuple[str, str], tuple[float, Live | None]] = {}
# Addresses are anyone's to invent.
MOST_KEPT = 1_000


def sealed_for(key: str) -> str:
    """What a source's secrets are sealed for, apart from those of connectors."""
    return f"intake:{key}"


def live(key: str) -> Live | None:
    """An open source; None when there is none of this key. At most KEPT_SECONDS old."""
    name = (str(connection.settings_dict["NAME"]), key)
    known = _kept.get(name)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    if len(_kept) > MOST_KEPT:
        _kept.clear()
    found = _read(key)
    _kept[name] = (time.monotonic() + KEPT_SECONDS, found)
    return found


def forget() -> None:
    """Look again at once; for the process that changed something."""
    _kept.clear()


def _read(key: str) -> Live | None:
    source = IntakeSource.objects.filter(key=key, is_open=True).first()
    scheme = SCHEMES.get(source.scheme) if source is not None else None
    if source is None or scheme is None:
        return None
    now = datetime.now(UTC)
    rows = IntakeSecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), source=source)
    return Live(
        source.pk,
        source.key,
        scheme,
        Way(
            source.header or scheme.header,
            source.lead or scheme.prefix,
            source.id_at or scheme.id_at,
            source.tolerance_seconds,
        ),
        source.topic_at or scheme.topic_at,
        _opened(source.key, list(rows.order_by("-pk"))),
    )


def _opened(key: str, rows: Sequence[IntakeSecret]) -> list[tuple[int, str, datetime | None]]:
    found = []
    for row in rows:
        try:
            value = vault.open_sealed(sealed_for(key), SECRET, row.sealed)
        except vault.Unreadable as error:
            logger.error("A secret of source %s is of no use: %s", key, error)
            continue
        found.append((row.pk, value, row.ends_at))
    return found
