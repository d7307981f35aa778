"""What people say about the connectors of a sandbox: this one reaches no live system."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from automations.connectors import accounts, staging
from automations.models.connectors import ConnectorAccount, StagingMark
from automations.services import connectors, doors
from automations.services.errors import NotPossible, Stale
from backoffice import audit
from backoffice.actors import Actor


def _locked(account_id: int) -> ConnectorAccount:
    return ConnectorAccount.objects.select_for_update(no_key=True).get(pk=account_id)


def _end(account: ConnectorAccount, person: int) -> int:
    opened = StagingMark.objects.filter(account=account, ended_at=None)
    return opened.update(ended_at=timezone.now(), ended_by_id=person)


@audit.traces_refusals("connectors.refused", connectors.ACCOUNT, NotPossible)
@transaction.atomic
def mark_staging(account_id: int, *, seal: str, actor: Actor) -> StagingMark:
    """Let a connector of this sandbox be called, as it stands now.

    `seal` is what `connectors.staging.seal_of` said when the person looked. Raises NotPossible
    outside a sandbox, for mail, and while no scope is in force; Stale when it calls something else
    by now.
    """
    account, person = _locked(account_id), doors.person_id(actor)
    if not settings.SANDBOX:
        raise NotPossible("Only a sandbox has staging connectors: here every connector is live.")
    if connectors.kind_of(account).mails:
        raise NotPossible("Mail of a sandbox is always caught.")
    now = staging.seal_of(account.key)
    if now is None:
        raise NotPossible("Its scope is not approved yet: nobody can tell what it would call.")
    if not constant_time_compare(now, seal):
        raise Stale("Its scope or a secret was changed meanwhile. Look at what it calls now.")
    _end(account, person)
    mark = StagingMark.objects.create(account=account, seal=now, marked_by_id=person)
    live = accounts.live_document(account.key)
    audit.record(
        "connectors.marked_staging",
        connectors.ACCOUNT,
        account.pk,
        actor=actor,
        scope=live.version if live is not None else None,
    )
    return mark


@transaction.atomic
def end_staging(account_id: int, *, actor: Actor) -> None:
    """Catch all it is asked to do again, from the next call on; raises NotPossible."""
    account = _locked(account_id)
    if not _end(account, doors.person_id(actor)):
        raise NotPossible("It is not marked as staging.")
    audit.record("connectors.staging_ended", connectors.ACCOUNT, account.pk, actor=actor)
