"""What a shadow noted beside what acted: the events that the two took differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.engine import database
from automations.models.documents import Activation
from automations.models.rules import RULE_SPAN
from automations.queries.events import first_since

SHOWN = 30

# One line an event that either matched while the shadow ran. What they did is compared only where
# both are at their end.
PAIRS = """
WITH live AS (
    SELECT id, event_id, subject, subject_id, state FROM automations_run
    WHERE rule_id = %(rule)s AND id >= %(first)s AND created_at >= %(since)s
        AND created_at < coalesce(%(until)s::timestamptz, 'infinity') AND NOT shadow
), shadow AS (
    SELECT id, event_id, subject, subject_id, state FROM automations_run
    WHERE rule_id = %(rule)s AND document_id = %(document)s AND shadow
        AND created_at >= %(since)s AND created_at < coalesce(%(until)s::timestamptz, 'infinity')
), pairs AS (
    SELECT coalesce(l.event_id, s.event_id) AS event_id, coalesce(l.subject, s.subject) AS subject,
        coalesce(l.subject_id, s.subject_id) AS subject_id, l.id AS live_id, s.id AS shadow_id,
        l.state IN ('done', 'overtaken') AND s.state IN ('done', 'overtaken') AS ended
    FROM live l FULL JOIN shadow s ON s.event_id = l.event_id
), told AS (
    SELECT p.*, CASE WHEN p.ended THEN
        (SELECT jsonb_agg(jsonb_build_array(t.action, t.input) ORDER BY t.number)
            FROM automations_steprun t
            WHERE t.run_id = p.live_id AND t.outcome IN ('done', 'by_hand'))
        IS DISTINCT FROM
        (SELECT jsonb_agg(jsonb_build_array(t.action, t.input) ORDER BY t.number)
            FROM automations_steprun t
            WHERE t.run_id = p.shadow_id AND t.outcome = 'would' AND t.action <> '')
        END AS differs
    FROM pairs p
)
SELECT event_id, subject, subject_id, live_id, shadow_id,
    CASE WHEN shadow_id IS NULL THEN 'live' WHEN live_id IS NULL THEN 'shadow'
        WHEN differs IS NULL THEN 'open' WHEN differs THEN 'differs' ELSE 'same' END AS kind
FROM told
"""
COUNTS = f"SELECT kind, count(*) FROM ({PAIRS}) p GROUP BY kind"  # noqa: S608 (a constant)
LINES = f"""
SELECT * FROM ({PAIRS}) p WHERE kind IN ('live', 'shadow', 'differs')
ORDER BY event_id DESC LIMIT %(most)s
"""  # noqa: S608 (a constant)


@dataclass(frozen=True, slots=True)
class Difference:
    """One event that the two took differently. `kind`: live (alone), shadow (alone), differs."""

    event_id: int
    subject: str
    subject_id: int
    live_id: int | None
    shadow_id: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Events by how the two took them; `open` pairs are not at their end yet."""

    same: int
    differs: int
    live: int
    shadow: int
    open: int
    lines: list[Difference]

    @property
    def matched_live(self) -> int:
        return self.same + self.differs + self.open + self.live

    @property
    def matched_shadow(self) -> int:
        return self.same + self.differs + self.open + self.shadow

    @property
    def differing(self) -> int:
        return self.differs + self.live + self.shadow


def compare(period: Activation) -> Comparison:
    """The shadow of this period beside what acted meanwhile."""
    given: Mapping[str, Any] = {
        "rule": period.rule_id,
        "document": period.document_id,
        "since": period.from_at,
        "until": period.until_at,
        "first": first_since(period.from_at) * RULE_SPAN,
        "most": SHOWN,
    }
    counted = {row[0]: row[1] for row in database.fetch_named(COUNTS, **given)}
    lines = [Difference(*row) for row in database.fetch_named(LINES, **given)]
    return Comparison(
        same=counted.get("same", 0),
        differs=counted.get("differs", 0),
        live=counted.get("live", 0),
        shadow=counted.get("shadow", 0),
        open=counted.get("open", 0),
        lines=lines,
    )
