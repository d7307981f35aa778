"""The chain over the audit trail: sealing what is new, and finding what was changed.

Each link's hash covers its entry, its place and the link before it. Whoever may rewrite all tables
can rewrite the whole chain too: against that stands its head, kept elsewhere (`verify_audit
--head`), which a chain that was rewritten or cut short no longer holds.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import connection, transaction
from django.db.models import Count, Min
from django.urls import reverse
from django.utils import timezone

from backoffice import notices
from backoffice.trail import AuditCheck, AuditLink, AuditPending

logger = logging.getLogger(__name__)

PAGE = 5000
# What one pass of backoffice_seal_audit links at most; one that found less had linked all.
PASS = 5000
# An entry waits for its own transaction and for the sealer; nothing of ours takes so long.
BACKDATED = timedelta(hours=1)
# The nightly check, and some patience.
CHECKED_WITHIN = timedelta(hours=26)
UNSEALED_WITHIN = timedelta(minutes=5)

MOMENT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
# The parts of the hash as text, in its order; then what is compared.
LINKS = f"""
SELECT l.position, l.sha256, l.entry_id, {MOMENT.format("l.sealed_at")},
    e.id::text, {MOMENT.format("e.at")}, e.verb, e.subject, e.subject_id::text,
    e.actor_kind, e.actor_label, e.user_id::text, e.detail::text, l.sealed_at, e.at
FROM backoffice_auditlink l LEFT JOIN backoffice_auditentry e ON e.id = l.entry_id
WHERE l.position > %s ORDER BY l.position LIMIT %s
"""  # noqa: S608 (nothing of it is given)
PARTS = slice(4, 13)
# The same of some entries alone, each with the hash of the link before its own.
ENTRIES = f"""
SELECT l.position, l.sha256, l.entry_id, {MOMENT.format("l.sealed_at")},
    e.id::text, {MOMENT.format("e.at")}, e.verb, e.subject, e.subject_id::text,
    e.actor_kind, e.actor_label, e.user_id::text, e.detail::text, coalesce(b.sha256, '')
FROM backoffice_auditlink l JOIN backoffice_auditentry e ON e.id = l.entry_id
LEFT JOIN backoffice_auditlink b ON b.position = l.position - 1
WHERE l.entry_id = ANY (%s)
"""  # noqa: S608 (nothing of it is given)
# Neither linked nor waiting: what was written past the trigger.
UNLINKED = """
SELECT e.id FROM backoffice_auditentry e
WHERE NOT EXISTS (SELECT FROM backoffice_auditlink l WHERE l.entry_id = e.id)
    AND NOT EXISTS (SELECT FROM backoffice_auditpending p WHERE p.entry_id = e.id)
ORDER BY e.id LIMIT 1
"""
GUARDS = {
    ("backoffice_auditentry", "backoffice_auditentry_enters"),
    ("backoffice_auditentry", "backoffice_auditentry_append_only"),
    ("backoffice_auditentry", "backoffice_auditentry_no_truncate"),
    ("backoffice_auditlink", "backoffice_auditlink_append_only"),
    ("backoffice_auditlink", "backoffice_auditlink_no_truncate"),
}
STANDING = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger
WHERE tgenabled IN ('O', 'A') AND tgname LIKE 'backoffice\\_audit%'
"""


class Cursor(Protocol):
    """A cursor of Django's or of psycopg's own."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of a chain; `0:` is the head of one that has not begun."""

    position: int = 0
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.position}:{self.sha256}"

    @classmethod
    def read(cls, text: str) -> Head:
        """A head as it was exported, `17:ab…`; raises ValueError."""
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64}|)", text.strip())
        if found is None or (found[1] == "0") != (found[2] == ""):
            raise ValueError("A head is the number of a link, a colon, and its 64 digits.")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: how far the chain holds, and the first break in words, or None."""

    head: Head
    finding: str | None = None


def seal() -> int:
    """Link what waits; answers how many. At once 0 while another process is at it."""
    sealed = PASS
    total = 0
    while sealed == PASS:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT backoffice_seal_audit()")
            sealed = int(cursor.fetchone()[0])
        total += sealed
    return total


def head() -> Head:
    """The chain's newest link."""
    newest = AuditLink.objects.order_by("-position").first()
    return Head(newest.position, newest.sha256) if newest is not None else Head()


def link_hash(parts: Sequence[str | None]) -> str:
    """The hash of a link from its parts as text, each with its length before it."""
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            digest.update(b"-")
        else:
            data = part.encode()
            digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def verify(cursor: Cursor, known: Sequence[Head] = ()) -> Verdict:
    """Go over the whole chain; `known` are heads it had before. Writes nothing.

    The first break ends it. What comes in meanwhile disturbs nothing.
    """
    walk = _Walk({each.position: each for each in known if each.position})
    for row in _links(cursor):
        if finding := walk.step(row):
            return Verdict(walk.head, finding)
    if walk.known:
        missing = min(walk.known)
        return Verdict(
            walk.head,
            f"The chain ends at link {walk.head.position:,}, but it once reached link "
            f"{missing:,}: its end was cut off.",
        )
    cursor.execute(UNLINKED)
    for (entry,) in cursor.fetchall():
        said = f"Entry {entry} is in no link and does not wait for one: it was put in afterwards."
        return Verdict(walk.head, said)
    return Verdict(walk.head)


def _links(cursor: Cursor) -> Iterator[Any]:
    last = -(2**63)
    while True:
        cursor.execute(LINKS, [last, PAGE])
        rows = cursor.fetchall()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1][0]


class _Walk:
    """One pass over the links, in their order."""

    def __init__(self, known: dict[int, Head]) -> None:
        self.known = known
        self.head = Head()
        # The pass before the one at hand, if it linked all there was: nothing older may follow.
        self._pass: Any = None
        self._size = 0
        self._complete: Any = None

    def step(self, row: Any) -> str | None:
        """Take the next link; what is wrong with it, or None."""
        position, sha256, entry, moment = row[:4]
        expected = self.head.position + 1
        if position != expected:
            return f"Link {expected:,} is missing."
        if row[4] is None:
            return f"Entry {entry} is missing: link {position:,} still names it."
        if link_hash([self.head.sha256, str(position), moment, *row[PARTS]]) != sha256:
            return (
                f"Entry {entry} or its link {position:,} was changed: "
                "the hash is not that of what stands there."
            )
        if self._is_backdated(*row[13:]):
            return f"Entry {entry} (link {position:,}) is dated before entries sealed long ago."
        known = self.known.pop(position, None)
        if known is not None and known.sha256 != sha256:
            return f"Link {position:,} is not the one that was noted: the chain was rewritten."
        self.head = Head(position, sha256)
        return None

    def _is_backdated(self, sealed_at: Any, at: Any) -> bool:
        if sealed_at != self._pass:
            if self._size and self._size < PASS:
                self._complete = self._pass
            self._pass, self._size = sealed_at, 0
        self._size += 1
        return self._complete is not None and at < self._complete - BACKDATED


def hold(entries: Sequence[int]) -> dict[int, bool]:
    """Whether each of these entries is the one that its link sealed; those not sealed are left out.

    It says nothing of the chain between them: that is what `verify` is for.
    """
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES, [list(entries)])
        rows = cursor.fetchall()
    return {
        row[2]: link_hash([row[13], str(row[0]), row[3], *row[PARTS]]) == row[1] for row in rows
    }


def guards_off(cursor: Cursor) -> str | None:
    """Which guard of the tables is switched off or gone, in words; None when all stand."""
    cursor.execute(STANDING)
    missing = sorted(GUARDS - {(str(table), str(name)) for table, name in cursor.fetchall()})
    if not missing:
        return None
    return f"The guard {missing[0][1]} of the table {missing[0][0]} is off."


# --- what is done every night -------------------------------------------------------------------


def check(known: Sequence[Head] = ()) -> AuditCheck:
    """Check the chain against earlier heads too, keep the result, and tell people of a break."""
    earlier = AuditCheck.objects.filter(finding="", position__gt=0).order_by("-pk")[:30]
    heads = [*known, *(Head(each.position, each.sha256) for each in earlier)]
    with connection.cursor() as cursor:
        verdict = verify(cursor, _one_each(heads))
        finding = verdict.finding or guards_off(cursor) or ""
    made = AuditCheck.objects.create(
        position=verdict.head.position, sha256=verdict.head.sha256, finding=finding
    )
    if finding:
        _alarm(made)
    else:
        logger.info("The audit trail holds: head %s", verdict.head)
    return made


def _one_each(heads: Sequence[Head]) -> list[Head]:
    """One head a link; those given first win."""
    return list({each.position: each for each in reversed(heads)}.values())


def _alarm(found: AuditCheck) -> None:
    logger.critical("The audit trail does not hold: %s", found.finding)
    notices.notify(
        notices.holders("backoffice.view_auditentry"),
        f"The audit trail does not hold: {found.finding}",
        reverse("audit_list"),
        key=f"audit:{timezone.localdate()}:{found.finding}"[:120],
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How the trail stands. `trouble` is what people should look into, in words; empty: nothing."""

    head: Head
    checked: AuditCheck | None
    waiting: int
    trouble: str


def standing() -> Standing:
    """The chain's head, its last check, what waits to be sealed, and what is wrong."""
    last = AuditCheck.objects.order_by("-pk").first()
    waits = AuditPending.objects.aggregate(number=Count("pk"), oldest=Min("entry__at"))
    return Standing(head(), last, waits["number"], _trouble(last, waits["oldest"]))


def _trouble(last: AuditCheck | None, old: datetime | None) -> str:
    """What is wrong by the last check and by the oldest that waits; empty when nothing is."""
    if last is not None and last.finding:
        return last.finding
    now = timezone.now()
    if old is not None and old < now - UNSEALED_WITHIN:
        return (
            f"Entries wait to be sealed since {old:%d %b, %H:%M} UTC: worker or beat stand still."
        )
    if last is not None and last.at < now - CHECKED_WITHIN:
        return f"The trail was last checked on {last.at:%d %b, %H:%M} UTC."
    return ""
