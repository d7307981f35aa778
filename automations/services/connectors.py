"""What people decide about systems outside: accounts, what they may do, their secrets."""

from __future__ import annotations

import secrets as randomness
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from automations.actions import Risk
from automations.connectors import accounts, vault
from automations.connectors.accounts import NotReady, pin_of
from automations.connectors.kinds import Connector, kinds
from automations.connectors.scope import Scope, ScopeInvalid, is_tighter, read_scope
from automations.models.connectors import SCOPE, ConnectorAccount, ConnectorState, Secret
from automations.models.documents import Document
from automations.models.intake import IntakeSecret
from automations.rules.canonical import content_hash
from automations.services import announcing, doors
from automations.services.errors import NotPossible, Refused, Stale
from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import User

ACCOUNT = "automations.connectoraccount"
NO_REVISION = None
DESCRIBED = ("name", "about", "owner_id")


def _free_key(name: str) -> str:
    base = slugify(name)[:50] or "connector"
    taken = set(ConnectorAccount.objects.filter(key__startswith=base).values_list("key", flat=True))
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)


def kind_of(account: ConnectorAccount) -> Connector:
    """What speaks to an account's kind of system; raises NotPossible when no app offers it."""
    known = kinds.get(account.kind)
    if known is None:
        raise NotPossible(f"Nothing here speaks to {account.kind} any more.")
    return known


@transaction.atomic
def create_account(
    *, name: str, kind: str, actor: Actor, about: str = "", owner: User | None = None
) -> ConnectorAccount:
    """Make an account. It does nothing before its scope is approved. `owner` None: the maker."""
    if kind not in kinds:
        raise NotPossible("Choose the kind of system.")
    person = doors.person_id(actor)
    account = ConnectorAccount.objects.create(
        key=_free_key(name),
        name=name,
        kind=kind,
        about=about,
        owner_id=owner.pk if owner else person,
        prefix=randomness.token_hex(4),
        created_by_id=person,
    )
    ConnectorState.objects.create(account=account)
    audit.record("connectors.created", ACCOUNT, account.pk, actor=actor, key=account.key, kind=kind)
    return account


@transaction.atomic
def describe_account(
    account_id: int, *, version: int, actor: Actor, **changes: Any
) -> ConnectorAccount:
    """Change what people read about an account, never what it may do; raises Stale."""
    account = ConnectorAccount.objects.select_for_update(no_key=True).get(pk=account_id)
    if account.version != version:
        raise Stale("Someone changed this connector meanwhile. Look at it before you save.")
    unknown = set(changes) - set(DESCRIBED)
    if unknown:
        raise NotPossible(f"{', '.join(sorted(unknown))} can't be changed here.")
    told: dict[str, Any] = {"fields": sorted(changes)}
    if changes.get("owner_id", account.owner_id) != account.owner_id:
        told |= {"owner": changes["owner_id"], "owner_before": account.owner_id}
    for name, value in changes.items():
        setattr(account, name, value)
    account.version += 1
    account.save(update_fields=[*changes, "version"])
    audit.record("connectors.described", ACCOUNT, account.pk, actor=actor, **told)
    return account


# --- what it may do -----------------------------------------------------------------------------


def checked_scope(account: ConnectorAccount, given: dict[str, Any]) -> Scope:
    """A scope of the account's kind; raises ScopeInvalid with what is wrong, by field."""
    connector = kind_of(account)
    known = {name: given[name] for name in connector.fields if name in given}
    scope = read_scope({**connector.fields, **known, "schema": 1, "kind": account.kind})
    errors: dict[str, list[str]] = {}
    for name, said in connector.problems(scope):
        errors.setdefault(name, []).append(said)
    if errors:
        raise ScopeInvalid(errors)
    return scope


@audit.traces_refusals("connectors.refused", ACCOUNT, Refused)
@transaction.atomic
def submit_scope(account_id: int, *, scope: Scope, why: str, actor: Actor) -> Document:
    """Ask finance to approve what an account may do. Replaces a candidate that still waits."""
    account = ConnectorAccount.objects.get(pk=account_id)
    connector, person = kind_of(account), doors.person_id(actor)
    live = accounts.live_document(account.key)
    if live is not None and live.text == scope.canonical():
        raise NotPossible("This is what is in force already.")
    text, pins = scope.canonical(), [pin_of(connector)]
    document_id = doors.call(
        "submit_document",
        SCOPE,
        account.key,
        None,
        text,
        pins,
        content_hash(text, pins, {}),
        Risk.MONEY.value,
        why,
        person,
        person,
        NO_REVISION,
    )
    submitted = Document.objects.select_related("rule", "submitted_by").get(pk=document_id)
    announcing.submitted(submitted)
    return submitted


@audit.traces_refusals("connectors.refused", ACCOUNT, Refused, NotPossible)
def tighten_scope(
    account_id: int, *, scope: Scope, live_id: int, why: str, actor: Actor
) -> Document:
    """Put a scope in force at once that only allows less. `live_id` is the one it was made from.

    Raises NotPossible when something in it allows more, Refused when another is in force by now.
    """
    account = ConnectorAccount.objects.get(pk=account_id)
    live = accounts.live_document(account.key)
    if live is None:
        raise NotPossible("Nothing is in force that could be tightened.")
    try:
        before = accounts.scope_of(live)
    except NotReady as error:
        raise NotPossible(str(error)) from error
    if before == scope:
        raise NotPossible("Nothing was changed.")
    if not is_tighter(before, scope):
        raise NotPossible("This allows more than before, so finance has to approve it.")
    text = scope.canonical()
    sha256 = content_hash(text, live.pins, {})
    document_id = doors.call(
        "tighten_document", account.key, live_id, text, sha256, why, doors.person_id(actor)
    )
    return Document.objects.get(pk=document_id)


# --- secrets ------------------------------------------------------------------------------------


@transaction.atomic
def store_secret(account_id: int, *, name: str, value: str, actor: Actor) -> Secret:
    """Keep a secret, sealed; it is used from the next call on. The one before stays until retired.

    Raises NotPossible when it can't be the right one.
    """
    account = ConnectorAccount.objects.get(pk=account_id)
    connector = kind_of(account)
    if name not in [known.name for known in connector.secrets]:
        raise NotPossible("This kind of connector has no such secret.")
    live = accounts.live_document(account.key)
    try:
        scope = accounts.scope_of(live) if live is not None else None
    except NotReady:
        scope = None
    if said := connector.check_secret(name, value, scope):
        raise NotPossible(said)
    try:
        sealed = vault.seal(account.key, name, value)
    except ImproperlyConfigured as error:
        raise NotPossible(str(error)) from error
    secret = Secret.objects.create(
        account=account,
        name=name,
        sealed=sealed,
        created_by_id=doors.person_id(actor),
    )
    audit.record(
        "connectors.secret_stored", ACCOUNT, account_id, actor=actor, secret=secret.pk, name=name
    )
    return secret


@transaction.atomic
def retire_secret(secret_id: int, *, actor: Actor) -> Secret:
    """Use a secret no more: the newest of the others is used instead."""
    secret = Secret.objects.select_for_update(no_key=True).get(pk=secret_id)
    if secret.retired_at is not None:
        raise NotPossible("This secret is retired already.")
    secret.retired_at, secret.retired_by_id = timezone.now(), doors.person_id(actor)
    secret.save(update_fields=["retired_at", "retired_by"])
    audit.record(
        "connectors.secret_retired",
        ACCOUNT,
        secret.account_id,
        actor=actor,
        secret=secret.pk,
        name=secret.name,
    )
    return secret


@transaction.atomic
def reseal_secrets(*, actor: Actor) -> int:
    """Seal every secret anew under the newest key, retired ones too, those of webhooks as well;
    answers how many.

    Raises vault.Unreadable when one can't be opened; then none is changed.
    """
    rows: list[Secret | IntakeSecret] = [
        *Secret.objects.select_for_update(no_key=True).order_by("pk"),
        *IntakeSecret.objects.select_for_update(no_key=True).order_by("pk"),
    ]
    for row in rows:
        row.sealed = vault.reseal(row.sealed)
        row.save(update_fields=["sealed"])
    audit.record("connectors.secrets_resealed", ACCOUNT, None, actor=actor, number=len(rows))
    return len(rows)
