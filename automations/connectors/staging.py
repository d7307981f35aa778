"""Which accounts a sandbox may call: those a person marked here, as they stand now. Live: all.

A mark carries a seal made with this installation's SECRET_KEY over what the account calls: its
scope in force and its live secrets. A database that was restored here brings no valid mark along,
and another scope or secret takes one away. What can't be told is not called.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.utils.crypto import constant_time_compare, salted_hmac

from automations.connectors.kinds import kinds
from automations.models.connectors import SCOPE

SALT = "automations.staging"
READ = """
SELECT a.key, a.kind, a.prefix, d.sha256, ARRAY(SELECT s.id || ' ' || s.sealed
        FROM automations_secret s WHERE s.account_id = a.id AND s.retired_at IS NULL
        ORDER BY s.id),
    (SELECT m.seal FROM automations_stagingmark m
        WHERE m.account_id = a.id AND m.ended_at IS NULL)
FROM automations_connectoraccount a
JOIN automations_activation v ON v.kind = %s AND v.key = a.key AND v.mode = 'live'
    AND v.until_at IS NULL
JOIN automations_document d ON d.id = v.document_id
WHERE %s::text IS NULL OR a.key = %s
"""


def _read(key: str | None) -> list[tuple[str, str, str, str | None]]:
    """Key, kind, the seal a mark of now has, and the one that is there."""
    with connection.cursor() as cursor:
        cursor.execute(READ, [SCOPE, key, key])
        return [(row[0], row[1], _seal(*row[0:1], *row[2:5]), row[5]) for row in cursor.fetchall()]


def _seal(key: str, prefix: str, scope: str, secrets: list[str]) -> str:
    text = "\n".join([key, prefix, scope, *secrets])
    return salted_hmac(SALT, text, algorithm="sha256").hexdigest()


def seal_of(key: str) -> str | None:
    """What a mark of this account has to carry now; None while no scope is in force."""
    return next((seal for _, _, seal, _ in _read(key)), None)


def marked(key: str | None = None) -> frozenset[str]:
    """The accounts, or this one alone, whose mark holds here and now."""
    if not settings.SANDBOX:
        return frozenset()
    rows = [(known, seal, there) for known, _, seal, there in _read(key) if there]
    return frozenset(known for known, seal, there in rows if constant_time_compare(seal, there))


def open_lanes() -> frozenset[str] | None:
    """The accounts whose calls pass the gate; None outside a sandbox: all do.

    Those that mail are among them: their mail is caught by the post, not by the gate.
    """
    if not settings.SANDBOX:
        return None
    mailing = {key for key, kind, _, _ in _read(None) if (k := kinds.get(kind)) and k.mails}
    return marked() | mailing


def is_caught(key: str) -> bool:
    """Whether what this account is asked to do ends here."""
    return bool(settings.SANDBOX) and key not in marked(key)
