"""Accounts ready to be called: the scope in force, the live secrets, the open connections.

Connections are kept as long as the scope stays; scope and secrets are read for each set of calls.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from automations.connectors import vault
from automations.connectors.kinds import Account, Connector, Opened, kinds, limits_of
from automations.connectors.scope import Scope, ScopeInvalid, read_scope
from automations.connectors.transport import Transport
from automations.models.connectors import SCOPE, ConnectorAccount, Secret
from automations.models.documents import Activation, Document
from automations.rules.canonical import content_hash

logger = logging.getLogger(__name__)


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


def _live(key: str) -> _Live:
    document = live_document(key)
    if document is None:
        raise NotReady("Its scope is not approved yet.")
    name = (str(connection.settings_dict["NAME"]), key)
    known = _kept.get(name)
    if known is None or known.document_id != document.pk:
        scope = scope_of(document)
        connector = kinds.get(scope.kind)
        if connector is None or document.pins != [pin_of(connector)]:
            raise NotReady("Its kind of connector has changed since the scope was approved.")
        transport = Transport(limits_of(scope), scope.cap)
        if known is not None:
            # What is under way keeps its connection; those that stand open are closed.
            known.transport.close()
        known = _kept[name] = _Live(document.pk, scope, connector, transport)
    return known


def secrets_of(account: ConnectorAccount) -> Mapping[str, Opened]:
    """The newest live secret of each name, opened; raises NotReady."""
    rows = Secret.objects.filter(account=account, retired_at=None).order_by("created_at", "pk")
    newest = {row.name: row for row in rows}
    try:
        return {
            name: Opened(row.pk, vault.open_sealed(account.key, name, row.sealed))
            for name, row in newest.items()
        }
    except vault.Unreadable as error:
        raise NotReady(str(error)) from error


def account_of(key: str) -> Account:
    """An account ready to be called; raises NotReady."""
    row = ConnectorAccount.objects.filter(key=key).first()
    if row is None:
        raise NotReady(f"There is no connector “{key}”.")
    live = _live(key)
    return Account(
        row.pk,
        key,
        row.name,
        row.prefix,
        live.scope,
        live.connector,
        secrets_of(row),
        live.transport,
    )
