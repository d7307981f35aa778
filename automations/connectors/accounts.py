"""Accounts ready to be called: the scope in force, the live secrets, the open connections.

Connections are kept as long as the scope stays; scope and secrets are read for each set of calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from automations.connectors import staging, vault
from automations.connectors.kinds import Account, Connector, Opened, kinds, limits_of
from automations.connectors.scope import Scope, ScopeInvalid, read_scope
from automations.connectors.transport import Transport
from automations.models.connectors import SCOPE
from automations.models.documents import Activation, Document
from automations.rules.canonical import content_hash


class NotReady(Exception):
    """An account that can't be called as it stands; the message says what is to be done."""


@dataclass(frozen=True, slots=True)
class _Live:
    """What is in force for an account, and its connections."""

    document_id: int
    scope: Scope
    connector: Connector
    transport: Transport


# By database and account, as a process of the tests serves several databases.
_kept: dict[tuple[str, str], _Live] = {}


def pin_of(connector: Connector) -> str:
    """The contract that a scope's hash covers beside its text."""
    return f"connector {connector.key}={connector.version}"


def scope_of(document: Document) -> Scope:
    """The scope in a document; raises NotReady when it is not what was approved, or unreadable."""
    if content_hash(document.text, document.pins, {}) != document.sha256:
        raise NotReady("The content of this scope is not what was approved.")
    try:
        return read_scope(document.text)
    except ScopeInvalid as error:
        raise NotReady("This scope can't be read any more. Submit it again.") from error


def live_document(key: str) -> Document | None:
    """The scope in force of an account; None when there is none."""
    opened = Activation.objects.in_force().filter(kind=SCOPE, key=key)
    found = opened.select_related("document").first()
    return found.document if found is not None else None


# One look for all that a set of calls needs: the account, what is in force, its newest secrets.
READ = """
SELECT a.id, a.name, a.prefix, v.document_id, ARRAY(
    SELECT DISTINCT ON (s.name) jsonb_build_array(s.id, s.name, s.sealed)
    FROM automations_secret s WHERE s.account_id = a.id AND s.retired_at IS NULL
    ORDER BY s.name, s.created_at DESC, s.id DESC)
FROM automations_connectoraccount a LEFT JOIN automations_activation v ON v.kind = %s
    AND v.key = a.key AND v.mode = 'live' AND v.until_at IS NULL
WHERE a.key = %s
"""


def account_of(key: str) -> Account:
    """An account ready to be called; raises NotReady."""
    with connection.cursor() as cursor:
        cursor.execute(READ, [SCOPE, key])
        row = cursor.fetchone()
    if row is None:
        raise NotReady(f"There is no connector “{key}”.")
    account_id, name, prefix, document_id, sealed = row
    live = _live(key, document_id)
    caught = staging.is_caught(key)
    # What is not called needs no secret; those of a copied database can't even be opened.
    secrets = {} if caught else _opened(key, sealed)
    return Account(
        account_id, key, name, prefix, live.scope, live.connector, secrets, live.transport, caught
    )


def _live(key: str, document_id: int | None) -> _Live:
    if document_id is None:
        raise NotReady("Its scope is not approved yet.")
    name = (str(connection.settings_dict["NAME"]), key)
    known = _kept.get(name)
    if known is None or known.document_id != document_id:
        document = Document.objects.get(pk=document_id)
        scope = scope_of(document)
        connector = kinds.get(scope.kind)
        if connector is None or document.pins != [pin_of(connector)]:
            raise NotReady("Its kind of connector has changed since the scope was approved.")
        transport = Transport(limits_of(scope), scope.cap)
        if known is not None:
            # What is under way keeps its connection; those that stand open are closed.
            known.transport.close()
        known = _kept[name] = _Live(document_id, scope, connector, transport)
    return known


def _opened(key: str, sealed: Sequence[str]) -> Mapping[str, Opened]:
    """The newest live secret of each name, opened; raises NotReady."""
    try:
        return {
            name: Opened(pk, vault.open_sealed(key, name, text))
            for pk, name, text in map(json.loads, sealed)
        }
    except vault.Unreadable as error:
        raise NotReady(str(error)) from error
